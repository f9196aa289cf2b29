"""Ctrl-C ends what waits, at once."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

_BEGIN = """
import sys, mailcore
folder, port = sys.argv[1], int(sys.argv[2])
settings = {"login.argon2_kib": 8, "login.argon2_passes": 1, "dns.host_only": True, "tls.self_signed": False}
"""

_VERIFY = """
resolver = mailcore.Resolver(f"127.0.0.1:{port}", timeout=3600)
message = b"From: a@example.net\\r\\nDKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=s; h=From; bh=eA==; b=eA==\\r\\n\\r\\nx\\r\\n"
print("ready", flush=True)
mailcore.verify(message, ip="192.0.2.1", helo="h.example.net", mail_from="a@example.net", resolver=resolver)
"""

_SPF = """
resolver = mailcore.Resolver(f"127.0.0.1:{port}", timeout=3600)
print("ready", flush=True)
mailcore.spf("192.0.2.1", "h.example.net", "a@example.net", resolver=resolver)
"""

_STOP = """
import socket
engine = mailcore.Engine(folder, settings=settings).start()
engine.put_account("bob@example.org", None)
talk = socket.create_connection(("127.0.0.1", engine.listen("mx").port)).makefile("rwb", buffering=0)
for line in (b"", b"HELO x", b"MAIL FROM:<>", b"RCPT TO:<bob@example.org>", b"DATA"):
    if line:
        talk.write(line + b"\\r\\n")
    talk.readline()
print("ready", flush=True)
engine.stop(None)
"""


class Interrupt(unittest.TestCase):
    def ends(self, program):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            store, port = os.path.join(folder, "store"), str(silent.getsockname()[1])
            child = subprocess.Popen(
                [sys.executable, "-c", _BEGIN + program, store, port],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                self.assertEqual(child.stdout.readline(), "ready\n", "the child did not come so far")
                for _ in range(100):
                    child.send_signal(signal.SIGINT)
                    try:
                        child.wait(0.2)
                        break
                    except subprocess.TimeoutExpired:
                        pass
                self.assertIsNotNone(child.poll(), "Ctrl-C did not end the wait")
                _, trouble = child.communicate()
                self.assertIn("KeyboardInterrupt", trouble)
            finally:
                child.kill()
                child.communicate()

    def test_a_verification_ends(self):
        self.ends(_VERIFY)

    def test_an_spf_check_ends(self):
        self.ends(_SPF)

    def test_a_stop_ends(self):
        self.ends(_STOP)


if __name__ == "__main__":
    unittest.main()
