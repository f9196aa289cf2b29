"""The host looks at the store it serves, with the SQLite of Python, which is another copy than the engine's: nothing
that was acknowledged is lost when the process is killed afterwards."""

import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest

import mailcore

MESSAGES = 20
SETTINGS = {"dns.host_only": 1}


def look(database, uri=False):
    connection = sqlite3.connect(database, uri=uri)
    try:
        return connection.execute("SELECT count(*) FROM message").fetchone()[0]
    finally:
        connection.close()


def look_from_outside(folder):
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM message'); c.close()"
    subprocess.run([sys.executable, "-c", program, folder + "/mail.db"], check=True)


def copy(folder):
    shutil.copytree(folder, folder + ".copy")


def remove_index(folder):
    os.remove(folder + "/mail.db-shm")


WAYS = {
    "nothing": [],
    "in the process": [lambda folder: look(folder + "/mail.db"), look_from_outside],
    "read-only": [lambda folder: look("file:" + folder + "/mail.db?mode=ro", uri=True), look_from_outside],
    "copied": [copy, look_from_outside],
    "without index": [remove_index, look_from_outside, lambda folder: look(folder + "/mail.db")],
}


def serve(folder, way):
    """Runs in a process of its own, which is killed."""
    engine = mailcore.Engine(folder, settings=SETTINGS).start()
    engine.put_account("a@b.org", None)
    for act in WAYS[way]:
        act(folder)
    for n in range(MESSAGES):
        engine.submit(b"Subject: %d\r\n\r\nhello\r\n" % n, "a@b.org", ["a@b.org"])
    print("acknowledged", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


@unittest.skipUnless(sys.platform == "linux", "locks of the open file are Linux's")
class Beside(unittest.TestCase):
    def test_nothing_acknowledged_is_lost(self):
        for way in WAYS:
            with self.subTest(way), tempfile.TemporaryDirectory() as scratch:
                folder = str(pathlib.Path(scratch) / "store")
                command = [sys.executable, __file__, folder, way]
                done = subprocess.run(command, capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout), (-signal.SIGKILL, "acknowledged\n"), done.stderr)
                with mailcore.Engine(folder, settings=SETTINGS) as engine:
                    self.assertEqual(len(engine.account("a@b.org")["INBOX"]), MESSAGES)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        serve(sys.argv[1], sys.argv[2])
    unittest.main()
