"""`python -m mailcore account` and `alias`: accounts and aliases of a store that no server has open."""

import os
import subprocess
import sys
import tempfile
import unittest

import mailcore

QUICK = {"login.argon2_kib": 8, "dns.host_only": True}


class Administration(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.store = os.path.join(folder.name, "store")

    def command(self, *arguments, password=""):
        command = [sys.executable, "-m", "mailcore", *arguments, "--store", self.store]
        return subprocess.run(command, input=password, capture_output=True, text=True, timeout=120)

    def good(self, *arguments, **more):
        out = self.command(*arguments, **more)
        self.assertEqual((out.returncode, out.stderr), (0, ""), arguments)
        return out.stdout

    def test_accounts_and_aliases_are_kept_and_go(self):
        self.good("account", "alice@example.org", password="wonderland\n")
        self.good("account", "bob@example.org", password="builder\n")
        self.good("alias", "sales@example.org", "alice@example.org")
        self.good("alias", "sales@example.org", "bob@example.org")
        self.assertEqual(self.good("account"), "alice@example.org\nbob@example.org\n")
        self.assertEqual(self.good("alias"), "sales@example.org\talice@example.org\tbob@example.org\n")
        with mailcore.Engine(self.store, settings=QUICK) as engine:
            engine.check_password("alice@example.org", "wonderland")
            busy = self.command("account", "carol@example.org", password="x\n")
            self.assertEqual((busy.returncode, busy.stdout), (1, ""))
            self.assertIn("python -m mailcore account: ", busy.stderr)
        self.good("account", "alice@example.org", password="changed\n")
        self.good("account", "bob@example.org", "--delete")
        self.good("alias", "sales@example.org", "--delete")
        self.assertEqual(self.good("account"), "alice@example.org\n")
        self.assertEqual(self.good("alias"), "")
        with mailcore.Engine(self.store, settings=QUICK) as engine:
            engine.check_password("alice@example.org", "changed")

    def test_wrong_use_is_told(self):
        for arguments, text in [
            (["account", "alice@example.org"], "no password was given"),
            (["account", "alice"], "alice"),
            (["alias", "sales@example.org"], "say where its mail goes, or --delete"),
            (["account"], "store: there is no such folder"),
            (["account", "alice@example.org", "--delete"], "store: there is no such folder"),
        ]:
            with tempfile.TemporaryDirectory() as folder:
                self.store = os.path.join(folder, "store")
                out = self.command(*arguments, password="x\n" if arguments[-1] == "alice" else "")
                self.assertEqual((out.returncode, out.stdout), (2, ""), out)
                self.assertIn(text, out.stderr)


if __name__ == "__main__":
    unittest.main()
