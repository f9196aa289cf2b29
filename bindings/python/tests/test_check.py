"""The check of a store: `Engine.check` and `python -m mailcore check`."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import unittest

import mailcore
from test_main_job import Case, message


class Check(Case):
    def store(self, name="one"):
        """A closed store with a message; its folder."""
        with self.engine(name) as engine:
            engine.put_account("bob@example.org", "builder")
            engine.submit(message("hello"), sender="")
        return os.path.join(self.folder.name, name)

    def plant(self, folder, sql="UPDATE mailbox SET total = total + 1 WHERE name = 'INBOX'"):
        """Changes rows behind the engine's back."""
        with contextlib.closing(sqlite3.connect(os.path.join(folder, "mail.db"))) as db, db:
            self.assertGreater(db.execute(sql).rowcount, 0)

    def command(self, *arguments):
        command = [sys.executable, "-m", "mailcore", "check", *arguments]
        out = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return out.returncode, out.stdout, out.stderr

    def test_a_sound_store_shows_progress_only(self):
        self.store()
        with self.engine() as engine:
            steps = list(engine.check())
            self.assertEqual({step.disagreement for step in steps}, {""})
            self.assertEqual([step.done for step in steps], sorted(step.done for step in steps))
            self.assertEqual(steps[-1].done, steps[-1].total)
            self.assertLess(steps[0].done, steps[0].total)

    def test_disagreements_are_found_beside_other_work(self):
        self.plant(self.store())
        with self.engine() as engine:
            found = []
            for step in engine.check():
                if not found:
                    engine.submit(message("meanwhile"), sender="")
                if step.disagreement:
                    found.append(step.disagreement)
            self.assertTrue(any("INBOX" in one and "messages, there are" in one for one in found), found)

    def test_one_at_a_time_and_left_in_the_middle(self):
        with self.engine() as engine:
            steps = engine.check()
            self.assertIsInstance(next(steps), mailcore.CheckStep)
            with self.assertRaises(mailcore.Busy):
                next(engine.check())
            steps.close()
            list(engine.check())

    def test_command(self):
        folder = self.store()
        self.assertEqual(self.command(folder), (0, "the store is sound\n", ""))
        self.assertEqual(self.command(folder, "--json"), (0, '{"sound": true, "disagreements": 0}\n', ""))
        self.plant(folder)
        status, out, errors = self.command(folder)
        self.assertEqual((status, errors), (1, ""))
        self.assertIn("(INBOX)", out)
        self.assertIn("messages, there are", out)
        status, lines, errors = self.command(folder, "--json")
        lines = [json.loads(line) for line in lines.splitlines()]
        self.assertEqual((status, errors), (1, ""))
        self.assertEqual([one["disagreement"] for one in lines[:-1]], out.splitlines())
        self.assertEqual(lines[-1], {"sound": False, "disagreements": len(lines) - 1})

    def test_command_where_sqlite_cannot_read_a_table(self):
        folder = self.store()
        path = os.path.join(folder, "mail.db")
        with contextlib.closing(sqlite3.connect(path)) as db:
            ((root,),) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'blob_meta'")
            ((size,),) = db.execute("PRAGMA page_size")
        with open(path, "r+b") as file:
            file.seek((root - 1) * size)
            file.write(b"\xa5" * size)
        status, out, errors = self.command(folder)
        self.assertEqual((status, errors), (1, ""))
        self.assertIn("table blob_meta", out)

    def test_command_where_there_is_nothing_to_check(self):
        folder = os.path.join(self.folder.name, "none")
        os.mkdir(folder)
        status, out, errors = self.command(folder)
        self.assertEqual((status, out, os.listdir(folder)), (2, "", []))
        self.assertIn("there is no store", errors)
        with open(os.path.join(folder, "mail.db"), "wb") as file:
            file.write(b"no database" * 1000)
        self.assertEqual(self.command(folder)[:2], (2, ""))
        busy = self.store()
        with self.engine():
            status, out, errors = self.command(busy)
            self.assertEqual((status, out), (2, ""))
            self.assertIn("python -m mailcore check: ", errors)
        self.assertEqual(self.command()[0], 2)


if __name__ == "__main__":
    unittest.main()
