"""What the host sees and decides: log, broken connections, dialogs, statistics, logins, served sockets."""

import base64
import imaplib
import os
import smtplib
import socket
import tempfile
import unittest

import mailcore

QUICK = {
    "login.argon2_kib": 8,
    "login.argon2_passes": 1,
    "login.failure_pause_seconds": 0,
    "login.allow_plaintext": True,
    "dns.host_only": True,
}


class Case(unittest.TestCase):
    settings: dict = {}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.engine = mailcore.Engine(
            os.path.join(folder.name, "store"), hostname="mx.example.org", settings={**QUICK, **self.settings}
        )
        self.addCleanup(self.engine.close)
        self.engine.put_account("bob@example.org", "builder")

    def until(self, name):
        for event in self.engine.events(30):
            if event.name == name:
                return event
        self.fail(f"no event {name!r}")


class Sees(Case):
    settings = {"log.level": "warn", "hook.timeout_ms": 50}

    def test_dialogs_are_traced_without_secrets(self):
        self.engine.start()
        port = self.engine.listen("submission", trace=True).port
        with smtplib.SMTP("127.0.0.1", port) as smtp:
            smtp.login("bob@example.org", "builder", initial_response_ok=True)
            smtp.sendmail("bob@example.org", ["bob@example.org"], "Subject: hidden\r\n\r\nhi")
        lines = []
        while not lines or not lines[-1].startswith("S 221"):
            event = self.until("dialog")
            lines.append(f"{event['side']} {event['text']}")
        text = "\n".join(lines)
        self.assertIn("C AUTH PLAIN ***", lines)
        self.assertIn("C mail FROM:<bob@example.org>", text)
        secret = base64.b64encode(b"\0bob@example.org\0builder").decode()
        self.assertFalse(any(word in text for word in ("hidden", secret, "builder")), text)

    def test_failed_handshakes_are_told(self):
        self.engine.start()
        port = self.engine.listen("imaps").port
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"a LOGIN bob builder\r\n")
            plain.recv(100)
        broken = self.until("connection_broken")
        self.assertEqual((broken["service"], broken["stage"], broken["count"]), ("imaps", "handshake", 1))
        self.assertIn("TLS handshake failed", broken["reason"])

    def test_broken_sessions_are_told(self):
        self.engine.start()
        port = self.engine.listen("mx").port
        smtp = socket.create_connection(("127.0.0.1", port))
        smtp.recv(100)
        smtp.sendall(b"EHLO x\r\nMAIL FROM:<a@far.example>\r\n")
        smtp.recv(10)
        # With octets unread and no time to linger, the end is a reset.
        smtp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        smtp.close()
        broken = self.until("connection_broken")
        self.assertEqual((broken["service"], broken["protocol"]), ("mx", "smtp"))

    def test_statistics_count(self):
        self.engine.start()
        port = self.engine.listen("mx").port
        with smtplib.SMTP("127.0.0.1", port) as smtp:
            smtp.sendmail("a@far.example", ["bob@example.org"], "From: a@far.example\r\n\r\nhi")
            self.assertEqual(smtp.rcpt("x")[0] // 100, 5)
            stats = self.engine.stats()
            self.assertEqual((stats.smtp_open, stats.smtp_sessions, stats.filed, stats.accounts), (1, 1, 1, 1))
            self.assertGreaterEqual(stats.refused, 1)
        text = stats.prometheus()
        self.assertIn("# TYPE mailcore_filed_total counter\nmailcore_filed_total 1\n", text)
        self.assertIn("# TYPE mailcore_smtp_open gauge\nmailcore_smtp_open 1\n", text)

    def test_a_socket_is_served(self):
        self.engine.start()
        ours, theirs = socket.socketpair()
        self.engine.serve("imap", theirs)
        with ours, ours.makefile("rb") as lines:
            self.assertTrue(lines.readline().startswith(b"* OK"))
            ours.sendall(b"a LOGIN bob@example.org builder\r\n")
            self.assertTrue(lines.readline().startswith(b"a OK"))
        with tempfile.TemporaryFile() as file, self.assertRaises(mailcore.Error):
            self.engine.serve("imap", os.dup(file.fileno()))

    def test_the_log_is_told(self):
        self.engine.ask("rcpt")
        self.engine.start()
        with smtplib.SMTP("127.0.0.1", self.engine.listen("mx").port) as smtp:
            smtp.ehlo()
            smtp.mail("a@far.example")
            # Nobody answers.
            self.assertEqual(smtp.rcpt("bob@example.org")[0], 451)
        told = self.until("log")
        self.assertEqual((told["level"], told["target"]), ("warn", "mailcore::hook"))
        self.assertIn("no answer within 50 ms", told["text"])


class Backup(Case):
    def test_a_backup_is_a_store(self):
        self.engine.start()
        for number in range(20):
            self.engine.account("bob@example.org")["INBOX"].append(b"Subject: %d\r\n\r\n" % number + b"x" * 10_000)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        to, heard = os.path.join(folder.name, "copy"), []

        def progress(done, total):
            heard.append((done, total))
            # Beside all other work: what comes meanwhile is no part of it.
            self.engine.account("bob@example.org")["INBOX"].append(b"Subject: late\r\n\r\n")

        self.engine.backup(to, progress)
        self.assertEqual(heard[-1][0], heard[-1][1])
        self.assertGreater(heard[-1][1], 200_000)
        self.assertEqual(os.listdir(to), ["mail.db"])
        self.assertEqual(os.stat(os.path.join(to, "mail.db")).st_mode & 0o077, 0)
        with self.assertRaises(mailcore.Exists):
            self.engine.backup(to)
        with mailcore.Engine(to, settings=QUICK) as copy:
            self.assertEqual(len(copy.account("bob@example.org")["INBOX"]), 20)
            self.assertFalse([step for step in copy.check() if step.disagreement])

    def test_a_backup_is_given_up(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)

        def progress(done, total):
            raise KeyError("enough")

        with self.assertRaises(KeyError):
            self.engine.backup(folder.name, progress)
        self.engine.backup(folder.name)


class Decides(Case):
    def test_logins_are_the_host_s(self):
        asked = []

        @self.engine.on_login
        def login(request):
            asked.append((request.hook, request.service, request.user, request.password))
            if request.user == "later":
                return mailcore.defer("later")
            return mailcore.log_in("ann@users.example") if request.password == "right" else mailcore.reject()

        self.engine.start()
        port = self.engine.listen("imap").port
        with imaplib.IMAP4("127.0.0.1", port) as imap:
            self.assertNotIn("AUTH=SCRAM-SHA-256", imap.capabilities)
            with self.assertRaisesRegex(imaplib.IMAP4.error, "AUTHENTICATIONFAILED"):
                imap.login("ann", "wrong")
            with self.assertRaisesRegex(imaplib.IMAP4.error, "UNAVAILABLE"):
                imap.login("later", "right")
            imap.login("ann", "right")
        self.assertEqual(asked[0], ("login", "imap", "ann", "wrong"))
        self.assertIn("ann@users.example", self.engine.accounts())
        with smtplib.SMTP("127.0.0.1", self.engine.listen("submission").port) as smtp:
            with self.assertRaises(smtplib.SMTPAuthenticationError):
                smtp.login("ann", "wrong")
            smtp.login("ann", "right")

    def test_scram_takes_the_host_s_password(self):
        self.engine.on_scram(lambda request: mailcore.log_in(f"{request.user}@users.example", secret="pencil"))
        self.engine.start()
        port = self.engine.listen("imap").port
        with imaplib.IMAP4("127.0.0.1", port) as imap:
            self.assertIn("AUTH=SCRAM-SHA-256", imap.capabilities)

    def test_clients_and_recipients_are_judged(self):
        @self.engine.on_connect
        def connect(request):
            return mailcore.defer("not now") if request.service == "pop3" else None

        self.engine.on_hello(lambda request: mailcore.reject("go away") if request.helo == "spam" else None)
        self.engine.on_sender(lambda request: mailcore.reject("no") if "bad" in request.sender else None)

        @self.engine.on_refused_recipient
        def refused(request):
            self.assertEqual(request.policy, "reject")
            return mailcore.redirect("bob@example.org") if request.recipients[0].startswith("sales@") else None

        @self.engine.on_recipient
        def recipient(request):
            return mailcore.redirect("bob@example.org") if "+" in request.recipients[0] else None

        self.engine.start()
        with socket.create_connection(("127.0.0.1", self.engine.listen("pop3").port)) as pop3:
            self.assertEqual(pop3.recv(100), b"-ERR [SYS/TEMP] not now\r\n")
        with smtplib.SMTP("127.0.0.1", self.engine.listen("mx").port) as smtp:
            self.assertEqual(smtp.ehlo("spam")[0], 550)
            self.assertEqual(smtp.ehlo("ham")[0], 250)
            self.assertEqual(smtp.mail("bad@far.example")[0], 550)
            self.assertEqual(smtp.mail("good@far.example")[0], 250)
            self.assertEqual(smtp.rcpt("nobody@example.org")[0], 550)
            self.assertEqual(smtp.rcpt("sales@elsewhere.example")[0], 250)
            self.assertEqual(smtp.rcpt("bob+x@example.org")[0], 250)
            self.assertEqual(smtp.data("From: good@far.example\r\n\r\nhi")[0], 250)
        self.assertEqual(len(self.engine.account("bob@example.org")["INBOX"]), 1)


if __name__ == "__main__":
    unittest.main()
