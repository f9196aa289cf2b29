"""The example, and the code in the README, as a newcomer runs them."""

import os
import pathlib
import re
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

    def test_readme(self):
        codes = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.S)
        codes = [code for code in codes if "import mailcore\n" in code]
        said = ["hello Hello.", "pass pass pass none"]
        self.assertEqual(len(codes), len(said))
        for code, wanted in zip(codes, said):
            command = [sys.executable, "-c", code.replace("port=1143", "port=0")]
            out = subprocess.run(command, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
            self.assertEqual(out.returncode, 0, out)
            self.assertIn(wanted, out.stdout)


if __name__ == "__main__":
    unittest.main()
