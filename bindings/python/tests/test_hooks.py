"""The host decides about messages and recipients, through the Python package."""

import asyncio
import os
import smtplib
import tempfile
import threading
import unittest

import mailcore

QUICK = {"login.argon2_kib": 8, "login.argon2_passes": 1, "dns.host_only": True}
LETTER = "From: a@far.example\r\nSubject: {}\r\n\r\nbody\r\n"


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.engine = mailcore.Engine(os.path.join(folder.name, "store"), hostname="mx.example.org", settings=QUICK)
        self.addCleanup(self.engine.close)
        self.bob = self.engine.put_account("bob@example.org", None)

    def send(self, subject, to="bob@example.org"):
        """What the MX side says in the end."""
        smtp = smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.far.example", timeout=60)
        try:
            smtp.sendmail("a@far.example", [to], LETTER.format(subject).encode())
            return "taken"
        except smtplib.SMTPDataError as e:
            return f"{e.smtp_code} {e.smtp_error.decode()}"
        except smtplib.SMTPRecipientsRefused as e:
            code, text = e.recipients[to]
            return f"{code} {text.decode()}"
        finally:
            # Without QUIT, whose answer is 421 where the engine stops.
            smtp.close()

    def start(self):
        self.engine.start()
        self.port = self.engine.listen("mx").port


class Handlers(Case):
    def test_messages_are_decided_about(self):
        engine = self.engine
        seen = []

        @engine.on_message
        def decide(request):
            seen.append((request.hook, request.service, request.policy, request.sender, request.recipients))
            self.assertEqual((request.peer, request.helo, request.tls), ("127.0.0.1", "client.far.example", None))
            self.assertEqual(request.message.as_bytes(), LETTER.format(request.message.subject).encode())
            self.assertEqual(request.size, len(request.message.as_bytes()))
            self.assertEqual(request.message.as_email()["From"], "a@far.example")
            return {
                "accept": mailcore.accept(),
                "junk": mailcore.junk(),
                "reject": mailcore.reject("no\nnever", enhanced="5.6.0"),
                "defer": mailcore.defer("zurück", smtp_code=450),
                "redirect": mailcore.redirect("carol@example.org"),
                "nobody": mailcore.redirect("nobody@example.org"),
                "policy": None,
            }[request.message.subject]

        carol = engine.put_account("carol@example.org", None)
        self.start()
        for subject in ("accept", "junk", "policy", "redirect"):
            self.assertEqual(self.send(subject), "taken", subject)
        self.assertEqual(self.send("reject"), "550 5.6.0 no\n5.6.0 never")
        self.assertEqual(self.send("defer"), "450 4.7.1 zur?ck")
        with self.assertLogs("mailcore.hook", "ERROR") as logs:
            self.assertEqual(self.send("missing"), "451 4.3.0 Local trouble, try again later")
        self.assertIn("KeyError", logs.output[0])
        self.assertEqual([m.subject for m in self.bob["INBOX"]], ["accept", "policy"])
        self.assertEqual([m.subject for m in self.bob["Junk"]], ["junk"])
        self.assertEqual([m.subject for m in carol["INBOX"]], ["redirect"])
        self.assertEqual(seen[0], ("data", "mx", "accept", "a@far.example", ("bob@example.org",)))
        self.assertNotIn("request", [event.name for event in engine.events(0)])

    def test_a_mistake_of_a_handler_is_answered_at_once(self):
        subjects, after = [], []

        async def coroutine():
            return "no verdict"

        wrong = {
            "true": lambda request: True,
            "text": lambda request: "reject",
            "code": lambda request: mailcore.reject("no", smtp_code=250),
            "nul": lambda request: mailcore.reject("n\0o"),
            "kind": lambda request: mailcore.Verdict("accept"),
            "coroutine": lambda request: coroutine(),
            "nobody": lambda request: mailcore.redirect("nobody@example.org"),
            "raises": lambda request: 1 / 0,
        }

        @self.engine.on_message
        def decide(request):
            subjects.append(request.message.subject)
            return wrong.get(request.message.subject, after.append)(request)

        self.start()
        for subject in wrong:
            with self.assertLogs("mailcore.hook", "ERROR"):
                self.assertEqual(self.send(subject), "451 4.3.0 Local trouble, try again later", subject)
            # Those after it are decided about as before.
            self.assertEqual(self.send("right"), "taken")
        self.assertEqual(len(after), len(wrong))
        self.assertEqual(len(subjects), 2 * len(wrong))

    def test_what_a_stranger_writes_can_be_quoted(self):
        self.engine.on_message(lambda request: mailcore.reject(f"not {request.message.subject}"))
        self.start()
        self.assertEqual(self.send("=?utf-8?q?a_=00_b?="), "550 5.7.1 not a ? b")

    def test_an_async_handler_decides(self):
        @self.engine.on_message
        async def decide(request):
            await asyncio.sleep(0)
            return mailcore.reject(request.message.subject)

        self.start()
        for n in range(3):
            self.assertEqual(self.send(f"n{n}"), f"550 5.7.1 n{n}")

    def test_recipients_are_decided_about(self):
        @self.engine.on_recipient
        def decide(request):
            self.assertIsNone(request.message)
            return mailcore.reject("away", enhanced="5.2.1") if "+away" in request.recipients[0] else None

        self.start()
        self.assertEqual(self.send("x", "bob+away@example.org"), "550 5.2.1 away")
        self.assertEqual(self.send("x", "bob@example.org"), "taken")

    def test_events_pulled_meanwhile_are_answered_too(self):
        self.engine.on_message(lambda request: mailcore.reject(request.message.subject))
        self.start()
        ends = threading.Event()

        def pull():
            while not ends.is_set():
                self.engine.next_event(0)

        thread = threading.Thread(target=pull)
        thread.start()
        for n in range(20):
            self.assertEqual(self.send(f"n{n}"), f"550 5.7.1 n{n}")
        ends.set()
        thread.join()

    def test_closing_ends_the_thread_that_answers(self):
        inside, go = threading.Event(), threading.Event()

        @self.engine.on_message
        def decide(request):
            inside.set()
            go.wait(60)

        self.start()
        heard = []
        peer = threading.Thread(target=lambda: heard.append(self.send("x")))
        peer.start()
        inside.wait(60)
        self.engine.stop(10)
        go.set()
        self.engine.close()
        peer.join()
        self.assertEqual(heard, ["451 4.3.2 Service going down, try again"])
        self.assertNotIn("mailcore-requests", [thread.name for thread in threading.enumerate()])


class Requests(Case):
    def test_requests_are_pulled_and_answered(self):
        self.engine.ask("data")
        self.start()
        self.assertIsNone(self.engine.next_request(0))
        heard = []
        peer = threading.Thread(target=lambda: heard.append(self.send("x")))
        peer.start()
        with self.engine.next_request(60) as request:
            for wrong in (mailcore.reject("a\tb"), mailcore.reject(smtp_code=250), mailcore.redirect("nobody")):
                with self.assertRaises(mailcore.UsageError):
                    request.reply(wrong)
            with self.assertRaises(mailcore.NotFound):
                request.reply(mailcore.redirect("nobody@example.org"))
            request.reply(mailcore.reject("no"))
            with self.assertRaises(mailcore.StateError):
                request.reply()
            self.assertEqual(request.message.header("subject"), "x")
        peer.join()
        self.assertEqual(heard, ["550 5.7.1 no"])
        with self.assertRaises(mailcore.StateError):
            self.engine.ask("rcpt")
        with self.assertRaises(ValueError):
            self.engine.ask("helo")

    def test_verdicts_come_with_the_request(self):
        self.engine.ask("data")
        self.engine.set("bimi.check", True)
        self.engine.set_dns("_dmarc.far.example", "TXT", '"v=DMARC1; p=quarantine"')
        self.start()
        heard = []
        peer = threading.Thread(target=lambda: heard.append(self.send("x")))
        peer.start()
        with self.engine.next_request(60) as request:
            self.assertEqual(request.policy, "junk")
            self.assertEqual((request.verdicts.dmarc.result, request.verdicts.dmarc.policy), ("fail", "quarantine"))
            self.assertEqual(request.verdicts.from_domain, "far.example")
            self.assertEqual((request.verdicts.bimi.result, request.verdicts.bimi.why), ("skipped", "dmarc fail"))
            self.assertEqual(request.verdicts.iprev.result, "permerror")
            request.reply()
        peer.join()
        self.assertEqual(heard, ["taken"])
        self.assertEqual(len(self.bob["Junk"]), 1)

    def test_late_answers_find_nobody(self):
        self.engine.set("hook.timeout_ms", 1)
        self.engine.ask("data", "rcpt")
        self.start()
        self.assertEqual(self.send("x"), "451 4.3.0 Local trouble, try again later")
        names = [event.name for event in self.engine.events(0)]
        self.assertIn("hook_failed", names)
        self.assertIsNone(self.engine.next_request(0))


if __name__ == "__main__":
    unittest.main()
