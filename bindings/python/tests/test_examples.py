"""The example, as a newcomer runs it."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import mailcore

PACKAGE = pathlib.Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PACKAGE / "src")}
SEND = PACKAGE.parent.parent / "examples" / "send.py"


class Examples(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_send_delivers_through_a_smart_host(self):
        settings = {"login.argon2_kib": 8, "dns.host_only": True}
        with mailcore.Engine(os.path.join(self.folder, "two"), settings=settings) as two:
            bob = two.put_account("bob@example.net", "builder")
            at = two.listen("mx")

            def send(recipient):
                command = [sys.executable, SEND, os.path.join(self.folder, "one"), "alice@example.org", recipient,
                           f"127.0.0.1:{at.port}"]  # fmt: skip
                return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)

            sent = send("bob@example.net")
            self.assertEqual(sent.returncode, 0, sent)
            self.assertRegex(sent.stdout, r"^queued as \d+\ndelivered after 1 attempts: ")
            self.assertEqual([m.subject for m in bob["INBOX"]], ["Hello"])
            refused = send("nobody@example.net")
            self.assertEqual(refused.returncode, 1, refused)
            self.assertIn("failed after 1 attempts", refused.stdout)


if __name__ == "__main__":
    unittest.main()
