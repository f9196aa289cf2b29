"""Refusals and where a message came from, as the Python package tells them."""

import os
import smtplib
import tempfile
import unittest

import mailcore

QUICK = {"login.argon2_kib": 8, "login.argon2_passes": 1, "dns.host_only": True}
LETTER = b"From: a@far.example\r\nSubject: x\r\n\r\nbody\r\n"


class Events(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.engine = mailcore.Engine(os.path.join(folder.name, "store"), hostname="mx.example.org", settings=QUICK)
        self.addCleanup(self.engine.close)
        self.engine.put_account("bob@example.org", None)
        self.engine.start()
        self.port = self.engine.listen("mx").port

    def event(self, name):
        for event in self.engine.events(timeout=60):
            if event.name == name:
                return event
        raise AssertionError(f"no event {name}")

    def test_refusals_and_origins(self):
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.far.example", timeout=60) as smtp:
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                smtp.sendmail("a@far.example", ["nobody@example.org"], LETTER)
            refused = self.event("refused")
            self.assertEqual((refused.code, refused.count, refused["stage"]), (550, 1, "rcpt"))
            self.assertEqual((refused["from"], refused["to"]), ("a@far.example", ["nobody@example.org"]))
            self.assertEqual((refused["enhanced"], refused["helo"]), ("5.1.1", "client.far.example"))
            smtp.sendmail("a@far.example", ["bob@example.org"], LETTER)
        filed = self.event("filed")
        self.assertEqual((filed["from"], filed["peer"].split(":")[0]), ("a@far.example", "127.0.0.1"))
        self.assertIn("spf=none", filed["verdicts"])
        self.assertTrue(filed["trace"])

    def test_settings_are_refused_with_their_rule(self):
        with tempfile.TemporaryDirectory() as folder:
            for settings, text in (
                ({"outbound.retry": "1"}, 'no setting "outbound.retry"; the nearest is "outbound.retry_seconds"'),
                ({"outbound.port": 0}, 'outbound.port "0": not a number from 1 to 65535'),
            ):
                with self.assertRaises(mailcore.Error) as raised:
                    mailcore.Engine(os.path.join(folder, "s"), hostname="mx.example.org", settings=settings)
                self.assertIn(text, str(raised.exception))
            with self.assertRaises(mailcore.Error) as raised:
                mailcore.Engine(os.path.join(folder, "s"), hostname="not a host")
            self.assertIn('hostname "not a host": not a domain name', str(raised.exception))


if __name__ == "__main__":
    unittest.main()
