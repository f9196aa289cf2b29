"""The mail server for tests: what it takes, what it shows of it, and the trouble it makes."""

import imaplib
import os
import poplib
import smtplib
import ssl
import subprocess
import sys
import tempfile
import textwrap
import unittest
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import mailcore
from mailcore.testing import MailServer, duration


def letter(subject="Hello", to="ann@example.org", sender="app@example.com", text="Hi"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message.set_content(text)
    return message


class Case(unittest.TestCase):
    def setUp(self):
        self.server = MailServer()
        self.addCleanup(self.server.close)

    def send(self, *args, **kwargs):
        with self.server.smtp() as smtp:
            smtp.send_message(letter(*args, **kwargs))


class Captures(Case):
    def test_what_came_is_shown(self):
        message = letter("Grüße", text="Your code is 482913.\nhttps://app.example/confirm?t=123456.\n")
        message.add_alternative("<p>Hi <a href='https://app.example/confirm?t=123456'>here</a></p>", subtype="html")
        message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="bill.pdf")
        with self.server.smtp() as smtp:
            smtp.send_message(message, to_addrs=["ann@example.org", "hidden@example.org"])
        [mail] = self.server.wait(1)
        self.assertEqual(mail.subject, "Grüße")
        self.assertEqual((mail.sender, mail.recipients), ("app@example.com", ("ann@example.org", "hidden@example.org")))
        self.assertEqual(mail.codes, ["482913"])
        self.assertEqual(mail.links, ["https://app.example/confirm?t=123456"])
        [attachment] = mail.attachments
        self.assertEqual((attachment.name, attachment.content), ("bill.pdf", b"%PDF"))
        self.assertTrue(mail.raw.startswith(b"From: app@example.com\r\n"), mail.raw)
        self.assertIs(self.server.wait_for(to="HIDDEN@example.org", subject="Grü"), mail)
        self.assertEqual(len(self.server), 1)

    def test_a_wait_in_vain_says_what_came(self):
        self.send("Other")
        with self.assertRaisesRegex(TimeoutError, "subject='Welcome'.*<Mail 'Other' from app@example.com"):
            self.server.wait_for(subject="Welcome", timeout=0.1)

    def test_imap_and_pop3_read_it(self):
        self.send()
        with imaplib.IMAP4(self.server.host, self.server.imap_port) as imap:
            imap.login("ann@example.org", "anything")
            self.assertEqual(imap.select()[1], [b"1"])
        pop3 = poplib.POP3(self.server.host, self.server.pop3_port)
        pop3.user("ann@example.org")
        pop3.pass_("anything")
        self.assertEqual(pop3.stat()[0], 1)
        pop3.quit()

    def test_an_account_may_have_a_password(self):
        self.server.account("ann@example.org", "secret")
        with imaplib.IMAP4(self.server.host, self.server.imap_port) as imap:
            with self.assertRaises(imaplib.IMAP4.error):
                imap.login("ann@example.org", "wrong")
            imap.login("ann@example.org", "secret")

    def test_verdicts_come_from_its_own_names(self):
        self.server.dns("example.com", "TXT", "v=spf1 ip4:127.0.0.1 -all")
        self.send()
        self.send(sender="x@elsewhere.example")
        one, other = self.server.wait(2)
        self.assertEqual((one.verdicts["spf"], other.verdicts["spf"]), ("pass", "none"))

    def test_reset_forgets(self):
        self.send()
        self.server.bounces("ann@example.org")
        self.server.wait(1)
        self.server.reset()
        self.assertEqual(self.server.messages, [])
        self.send("Again")
        self.assertEqual([mail.subject for mail in self.server.wait(1)], ["Again"])


class Trouble(Case):
    def test_the_next_recipient_fails(self):
        self.server.fail_next("RCPT", 451)
        with self.assertRaises(smtplib.SMTPRecipientsRefused) as caught:
            self.send()
        self.assertEqual(caught.exception.recipients["ann@example.org"][0], 451)
        self.send()
        self.server.wait(1)

    def test_connections_drop(self):
        self.server.drop_next("DATA")
        with self.assertRaises(smtplib.SMTPServerDisconnected):
            self.send()

    def test_a_delay_runs_into_the_client_s_timeout(self):
        self.server.delay("MAIL", "1 h")
        with self.assertRaises(OSError), self.server.smtp(timeout=0.2) as smtp:
            smtp.send_message(letter())

    def test_bounces_are_real(self):
        self.server.bounces("gone@example.org", code=550, text="No such person")
        self.send("Lost", to="gone@example.org")
        report = self.server.wait_for(to="app@example.com")
        self.assertEqual(report.email.get_content_type(), "multipart/report")
        self.assertIn(b"No such person", report.raw)

    def test_put_off_mail_comes_when_the_clock_is_advanced(self):
        self.server.bounces("slow@example.org", code=451, times=1)
        self.send("Late", to="slow@example.org")
        with self.assertRaises(TimeoutError):
            self.server.wait_for(to="slow@example.org", timeout=0.2)
        self.server.advance("2 h")
        self.assertEqual(self.server.wait_for(to="slow@example.org").subject, "Late")

    def test_mistakes_are_told(self):
        with self.assertRaisesRegex(ValueError, "no stage 'NOOP'"):
            self.server.fail_next("NOOP")
        with self.assertRaisesRegex(ValueError, "300"):
            self.server.engine.fail_next("RCPT", 300)

    def test_durations(self):
        for text, wanted in [("2 h", 7200), ("1 d 12 h", 129_600), ("250ms", 0.25), (3, 3), (timedelta(minutes=1), 60)]:
            self.assertEqual(duration(text).total_seconds(), wanted, text)
        for text in ["soon", "2 fortnights", "2 h or so"]:
            with self.assertRaises(ValueError):
                duration(text)


class Tls(unittest.TestCase):
    def test_strict_clients_trust_its_certificate(self):
        with MailServer(tls=True) as server:
            context = ssl.create_default_context(cadata=server.certificate)
            context.verify_flags |= ssl.VERIFY_X509_STRICT
            for host in ("127.0.0.1", "localhost"):
                with smtplib.SMTP(host, server.port) as smtp:
                    smtp.starttls(context=context)
                    smtp.send_message(letter())
            with imaplib.IMAP4_SSL("127.0.0.1", server.imaps_port, ssl_context=context) as imap:
                imap.login("ann@example.org", "x")
            server.wait(2)


class Plugin(unittest.TestCase):
    def test_pytest_has_the_fixtures(self):
        try:
            import pytest  # noqa: F401
        except ImportError:
            self.skipTest("pytest is not installed")
        with tempfile.TemporaryDirectory() as folder:
            test = Path(folder, "test_it.py")
            test.write_text(
                textwrap.dedent(
                    """
                    import smtplib

                    def test_welcome(mailserver):
                        with smtplib.SMTP(mailserver.host, mailserver.port) as smtp:
                            smtp.sendmail("a@x.example", ["b@y.example"], "Subject: Welcome\\r\\n\\r\\nhi")
                        assert mailserver.wait_for(to="b@y.example").subject == "Welcome"

                    def test_two(mailserver_factory):
                        assert mailserver_factory().port != mailserver_factory().port
                    """
                )
            )
            command = [sys.executable, "-m", "pytest", "-q", "-p", "mailcore.testing", "-p", "no:cacheprovider", str(test)]
            here = {**os.environ, "PYTHONPATH": str(Path(mailcore.__file__).parent.parent)}
            run = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=here)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
            self.assertIn("2 passed", run.stdout)


if __name__ == "__main__":
    unittest.main()
