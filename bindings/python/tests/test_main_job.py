"""The main job through the Python package: submit, deliver, read, watch."""

import contextlib
import copy
import datetime
import email.message
import errno
import os
import pickle
import select
import smtplib
import tempfile
import threading
import time
import unittest
import warnings

import mailcore

# Password hashing is made cheap: the tests are not about it.
QUICK = {"login.argon2_kib": 8, "login.argon2_passes": 1, "outbound.retry_seconds": "1", "dns.host_only": True}


def message(subject, to="bob@example.org"):
    m = email.message.EmailMessage()
    m["From"], m["To"], m["Subject"] = "Alice <alice@example.org>", to, subject
    m.set_content("Hello,\n\n.a dot in front, and ümläuts.\n")
    return m


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def engine(self, name="one", **settings):
        engine = mailcore.Engine(
            os.path.join(self.folder.name, name), hostname=f"{name}.example.org", settings={**QUICK, **settings}
        )
        self.addCleanup(engine.close)
        return engine


class Store(Case):
    def test_submitted_mail_is_read_back(self):
        with self.engine() as engine:
            engine.put_account("alice@example.org", "wonderland")
            bob = engine.put_account("bob@example.org", "builder")
            id = engine.submit(message("hello"))
            self.assertEqual(id, 0, "a recipient here is no queue's business")
            (got,) = bob["INBOX"]
            self.assertEqual((got.subject, got.flags), ("hello", mailcore.Flag(0)))
            self.assertEqual(got.as_email().get_content(), "Hello,\n\n.a dot in front, and ümläuts.\n")
            self.assertEqual(got.header("subject"), "hello")
            self.assertIsNone(got.header("X-None"))
            self.assertEqual(len(got.as_bytes()), got.size)
            got.seek(-5, os.SEEK_END)
            self.assertEqual(got.read(), got.as_bytes()[-5:])
            self.assertEqual(len(bob["INBOX"]), 1)

    def test_a_mailbox_is_one_thing_by_uid_and_in_turn(self):
        with self.engine() as engine:
            account = engine.put_account("bob@example.org", None)
            inbox, junk = account["INBOX"], account["Junk"]
            for n in range(3):
                inbox.append(f"From: a@b.example\r\nSubject: n{n}\r\n\r\nx\r\n".encode(), mailcore.Flag.SEEN)
            inbox.expunge(2)
            known = lambda m: (m.uid, m.subject, m.sender, m.flags, m.size, m.time, m.as_bytes())  # noqa: E731
            self.assertEqual([known(inbox[m.uid]) for m in inbox], [known(m) for m in inbox])
            self.assertEqual([m.uid for m in inbox], [1, 3])
            self.assertEqual([m.uid for m in inbox.messages(after=1)], [3])
            for uid in (-1, 0, 2, 4, 2**32, 2**70):
                with self.assertRaises(mailcore.NotFound):
                    inbox[uid]
                self.assertNotIn(uid, inbox)
            with self.assertRaises(TypeError):
                inbox["1"]
            self.assertNotIn("1", inbox)
            self.assertIn(1, inbox)
            self.assertIn(inbox[3], inbox)
            self.assertNotIn(inbox[3], junk)
            for name in ("INBOX", "inbox", "Junk"):
                self.assertIn(name, account)
                self.assertTrue(account[name].name)
            for name in ("Nope", "", "a//b", 5, None):
                self.assertNotIn(name, account)

    def test_objects_of_the_library_are_not_copied(self):
        with self.engine() as engine:
            account = engine.put_account("bob@example.org", None)
            uid = account["INBOX"].append(b"Subject: x\r\n\r\nx\r\n")
            with mailcore.Resolver() as resolver:
                things = (engine, account, account["INBOX"], account["INBOX"][uid], engine.listen("mx"), engine.dkim, resolver)
                for thing in things:
                    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
                        with self.assertRaisesRegex(TypeError, f"{type(thing).__name__} cannot be copied"):
                            copied(thing)
            self.assertEqual(engine.accounts(), ["bob@example.org"])

    def test_local_mail_is_waited_for_as_any(self):
        with self.engine() as engine:
            engine.put_account("bob@example.org", None)
            for id in (engine.submit(message("hello")), 0):
                self.assertEqual(engine.wait(id, timeout=1).state, mailcore.DeliveryState.DELIVERED)
                self.assertEqual(engine.delivery(id).state, mailcore.DeliveryState.DELIVERED)
            with self.assertRaises(mailcore.NotFound):
                engine.wait(4711, timeout=1)

    def test_wrong_keywords_are_type_errors(self):
        with self.assertRaisesRegex(TypeError, "no argument and no setting 'hostnam'"):
            mailcore.Engine(os.path.join(self.folder.name, "none"), hostnam="mx.example.org")
        self.assertFalse(os.path.exists(os.path.join(self.folder.name, "none")))
        with contextlib.closing(mailcore.Engine(os.path.join(self.folder.name, "some"), outbound__port=2525)) as engine:
            self.assertEqual(engine.get("outbound.port"), "2525")

    def test_ends_come_after_the_stop(self):
        engine = self.engine()
        engine.start()
        engine.stop(0)
        self.assertEqual([event.name for event in engine.events()], ["started", "stopped"])
        self.assertEqual(list(engine.events()), [])
        with self.assertRaises(mailcore.StateError):
            engine.next_request()
        readable, _, _ = select.select([engine], [], [], 0)
        self.assertEqual(readable, [engine])

    def test_rows_stay_while_another_thread_closes(self):
        for n in range(20):
            engine = self.engine()
            if n == 0:
                inbox = engine.put_account("bob@example.org", None)["INBOX"]
                for _ in range(20):
                    inbox.append(b"Subject: a subject\r\n\r\nx\r\n")
            inbox = engine.account("bob@example.org")["INBOX"]
            begun, wrong = threading.Event(), []

            def read():
                try:
                    while True:
                        wrong.extend(m.subject for m in inbox if m.subject != "a subject")
                        begun.set()
                except mailcore.Error:
                    pass

            reader = threading.Thread(target=read)
            reader.start()
            begun.wait(60)
            engine.close()
            reader.join()
            self.assertEqual(wrong, [])

    def test_mail_is_signed(self):
        with self.engine() as engine:
            engine.put_account("alice@example.org", "wonderland")
            bob = engine.put_account("bob@example.org", "builder")
            record = engine.dkim.generate("example.org", "s1")
            self.assertTrue(record.startswith("v=DKIM1; k=rsa; p="), record)
            with self.assertRaises(mailcore.Exists):
                engine.dkim.generate("example.org", "s1", "ed25519-sha256")
            (key,) = engine.dkim.list()
            self.assertEqual((key.selector, key.algorithm, key.state, key.record), ("s1", "rsa-sha256", "pending", record))
            engine.dkim.activate("example.org", "s1")
            engine.dkim.set("example.org", "s2", "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
            self.assertEqual([key.state for key in engine.dkim.list()], ["active", "active"])
            engine.submit(message("signed"))
            (got,) = bob["INBOX"]
            signature = got.header("DKIM-Signature")
            self.assertIn("d=example.org", signature)
            self.assertEqual(len(got.as_email().get_all("DKIM-Signature")), 2)
            with self.assertRaises(mailcore.UsageError):
                engine.dkim.set("example.org", "s3", "no key")
            engine.dkim.remove("example.org", "s1")
            with self.assertRaises(mailcore.NotFound):
                engine.dkim.remove("example.org", "s1")

    def test_mailboxes(self):
        with self.engine() as engine:
            bob = engine.put_account("bob@example.org", "builder")
            names = [info.name for info in bob.mailboxes()]
            self.assertEqual(sorted(names), ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"])
            work = bob.create("Work/2026")
            inbox = bob["INBOX"]
            uids = [inbox.append(message(f"m{n}"), mailcore.Flag.SEEN) for n in range(5)]
            self.assertEqual([m.uid for m in inbox], uids)
            inbox.flag(uids[:2], add=mailcore.Flag.FLAGGED, remove=mailcore.Flag.SEEN)
            self.assertEqual([m.flags for m in inbox][1:3], [mailcore.Flag.FLAGGED, mailcore.Flag.SEEN])
            inbox.copy(uids[0], work)
            inbox.move(uids[1:3], work)
            inbox.expunge([uids[4]])
            self.assertEqual([m.subject for m in inbox], ["m0", "m3"])
            self.assertEqual([m.subject for m in work], ["m0", "m1", "m2"])
            self.assertEqual([m.subject for m in work.messages(after=1, limit=1)], ["m1"])
            with self.assertRaises(KeyError):
                inbox[uids[4]]
            with self.assertRaises(mailcore.NotFound):
                bob["Nowhere"]
            bob.rename("Work/2026", "Work/old")
            bob.delete("Work/old")

    def test_accounts_and_errors(self):
        engine = self.engine()
        engine.put_account("alice@example.org", "wonderland")
        engine.check_password("alice@example.org", "wonderland")
        with self.assertRaises(mailcore.AuthError):
            engine.check_password("alice@example.org", "looking-glass")
        with self.assertRaises(mailcore.UsageError):
            engine.put_account("no address", "x")
        with self.assertRaises(ValueError):
            engine.put_account("nul\0@example.org", "x")
        engine.put_alias("sales@example.org", "alice@example.org")
        self.assertEqual(engine.aliases(), {"sales@example.org": ["alice@example.org"]})
        self.assertEqual((engine.accounts(), engine.domains()), (["alice@example.org"], ["example.org"]))
        with self.assertRaises(mailcore.Busy):
            mailcore.Engine(os.path.join(self.folder.name, "one"))
        with self.assertRaises(mailcore.NotFound) as caught:
            engine.set("outbound.prot", 25)
        self.assertIn("outbound.port", str(caught.exception))
        with self.assertRaises(mailcore.UsageError):
            engine.set("outbound.port", 0)
        engine.set("outbound.port", 2525)
        self.assertEqual(engine.get("outbound.port"), "2525")
        engine.start()
        with self.assertRaises(mailcore.StateError):
            engine.set("outbound.port", 25)
        with self.assertRaises(mailcore.NotFound) as caught:
            engine.submit(message("to nobody", "nobody@example.org"))
        for refused in (caught.exception, pickle.loads(pickle.dumps(caught.exception))):
            self.assertEqual((refused.smtp_code, refused.enhanced, refused.errno), (550, "5.1.1", None))
        with self.assertRaises(mailcore.StoreError) as caught:
            mailcore.Engine(os.path.join(os.devnull, "store"))
        self.assertEqual((caught.exception.smtp_code, caught.exception.errno), (0, errno.ENOTDIR))
        engine.close()
        engine.close()
        with self.assertRaises(mailcore.ClosedError):
            engine.accounts()

    def test_an_engine_left_open_warns_and_closes(self):
        engine = mailcore.Engine(os.path.join(self.folder.name, "left"))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del engine
        self.assertEqual([w.category for w in caught], [ResourceWarning])
        mailcore.Engine(os.path.join(self.folder.name, "left")).close()


class Road(Case):
    def test_from_one_engine_to_another(self):
        with self.engine("two") as two:
            bob = two.put_account("bob@example.net", "builder")
            at = two.listen("mx")
            with self.engine("one", **{"outbound.port": at.port}) as engine:
                engine.put_account("alice@example.org", "wonderland")
                engine.set_dns("example.net", "MX", "10 mx.example.net")
                engine.set_dns("mx.example.net", "A", "127.0.0.1")
                id = engine.submit(message("over the wire", "bob@example.net"))
                self.assertGreater(id, 0)
                delivery = engine.wait(id, timeout=60)
                self.assertTrue(delivery.delivered, delivery)
                self.assertEqual(delivery.smtp_code, 250)
                (got,) = bob["INBOX"]
                self.assertEqual(got.subject, "over the wire")
                self.assertEqual(list(engine.queue()), [])
                lost = engine.submit(message("to nobody", "nobody@example.net"))
                self.assertEqual(engine.wait(lost, timeout=60).state, mailcore.DeliveryState.FAILED)
                # An event comes a moment after the commit it speaks of, which is what `wait` waits for.
                names = []
                while "bounced" not in names:
                    names.append(engine.next_event(30).name)
                for name in ("started", "queued", "delivered", "failed"):
                    self.assertIn(name, names)
                (report,) = engine.account("alice@example.org")["INBOX"]
                self.assertIn("multipart/report", report.header("Content-Type"))

    def test_deferred_mail_can_be_handled(self):
        with self.engine(**{"outbound.retry_seconds": "3600", "outbound.port": 1}) as engine:
            engine.set_dns("example.net", "A", "127.0.0.1")
            id = engine.submit(message("later", "bob@example.net"))
            with self.assertRaises(mailcore.TimeoutError):
                engine.wait(id, timeout=0.1)
            until = time.monotonic() + 30
            while engine.delivery(id).state is not mailcore.DeliveryState.DEFERRED and time.monotonic() < until:
                time.sleep(0.02)
            (queued,) = engine.queue()
            self.assertEqual((queued.id, queued.recipients), (id, ("bob@example.net",)))
            self.assertIn(b"later", engine.queued_message(id).as_bytes())
            engine.queue_control("hold", id)
            self.assertTrue(next(engine.queue()).held)
            engine.queue_control("drop", id)
            self.assertEqual(list(engine.queue()), [])

    def test_the_queue_explains_itself(self):
        with self.engine(**{"outbound.retry_seconds": "3600", "outbound.port": 1}) as engine:
            engine.set_dns("example.net", "A", "127.0.0.1")
            id = engine.submit(message("later", "bob@example.net"), key="once")
            self.assertEqual(engine.submit(message("later", "bob@example.net"), key="once"), id)
            until = time.monotonic() + 30
            while engine.delivery(id).state is not mailcore.DeliveryState.DEFERRED and time.monotonic() < until:
                time.sleep(0.02)
            told = engine.explain(id)
            (to,) = told["recipients"]
            self.assertEqual((told["id"], to["address"], to["destination"]), (id, "bob@example.net", "example.net"))
            self.assertIn("put off", to["why"])
            kinds = [line["kind"] for line in told["attempts"][0]["trail"]]
            self.assertEqual(kinds[:4], ["route", "route", "policy", "connect"])
            self.assertIn("opportunistic", told["attempts"][0]["recipients"][0]["tls_policy"])
            engine.pause_destination("example.net", "they asked for it")
            (waits,) = engine.destinations()
            self.assertEqual((waits["name"], waits["waiting"], waits["paused"]), ("example.net", 1, True))
            self.assertIn("paused", engine.explain(id)["recipients"][0]["why"])
            engine.resume_destination("example.net")
            soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
            self.assertEqual(engine.queue_select("expire", domain="example.net", at=soon), 1)
            self.assertEqual(engine.queue_select("drop", domain="example.org"), 0)
            self.assertEqual(engine.queue_select("drop", sender="alice@example.org", held=False), 1)
            with self.assertRaises(mailcore.NotFound):
                engine.explain(999)

    def test_a_policy_of_ours_is_written(self):
        with self.engine() as engine:
            policy, record = engine.sts_policy("enforce", max_age=86_400)
            self.assertEqual(policy, "version: STSv1\r\nmode: enforce\r\nmx: one.example.org\r\nmax_age: 86400\r\n")
            self.assertRegex(record, "^v=STSv1; id=[0-9a-f]{32};$")
            self.assertNotEqual(engine.sts_policy("testing")[1], record)
            with self.assertRaises(mailcore.UsageError):
                engine.sts_policy("perhaps")

    def test_mail_for_later_waits(self):
        with self.engine() as engine:
            bob = engine.put_account("bob@example.org", "builder")
            soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
            id = engine.submit(message("later", "bob@example.org"), not_before=soon)
            self.assertEqual((len(bob["INBOX"]), [queued.id for queued in engine.queue()]), (0, [id]))
            engine.wait(id, timeout=30)
            self.assertGreaterEqual(datetime.datetime.now(datetime.timezone.utc), soon)
            self.assertEqual([m.subject for m in bob["INBOX"]], ["later"])

    def test_submission_over_smtp(self):
        with self.engine(**{"login.allow_plaintext": True}) as engine:
            engine.put_account("alice@example.org", "wonderland")
            bob = engine.put_account("bob@example.org", "builder")
            at = engine.listen("submission")
            with smtplib.SMTP("127.0.0.1", at.port, timeout=30) as smtp:
                smtp.login("alice@example.org", "wonderland")
                smtp.send_message(message("by SMTP"))
            self.assertEqual([m.subject for m in bob["INBOX"]], ["by SMTP"])
            at.close()
            with self.assertRaises(OSError):
                smtplib.SMTP("127.0.0.1", at.port, timeout=5)


class Events(Case):
    def test_the_descriptor_is_readable_exactly_while_there_is_an_event(self):
        def readable():
            return bool(select.select([engine], [], [], 0)[0])

        engine = self.engine()
        self.assertFalse(readable())
        engine.start()
        self.assertTrue(readable())
        self.assertEqual(engine.next_event(0).name, "started")
        self.assertFalse(readable())
        self.assertIsNone(engine.next_event(0))
        engine.stop(0)
        self.assertEqual([event.name for event in engine.events(0)], ["stopped"])

    def test_a_wait_is_interrupted_and_closing_is_safe(self):
        engine = self.engine().start()
        engine.next_event(5)
        seen = []

        def wait():
            try:
                seen.append(engine.next_event(60).name)
            except mailcore.Error as e:
                seen.append(type(e))

        for end in (engine.interrupt, engine.close):
            thread = threading.Thread(target=wait)
            thread.start()
            # Both ends may come before the wait has begun; an interrupt is then repeated, a close is found.
            while thread.is_alive():
                if engine._handle:
                    end()
                thread.join(0.01)
        self.assertEqual(seen[0], mailcore.Interrupted)
        self.assertIn(seen[1], ("stopped", mailcore.Interrupted, mailcore.ClosedError, mailcore.StateError))

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_a_forked_child_is_told(self):
        engine = self.engine().start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pid = os.fork()
        if pid == 0:
            try:
                engine.accounts()
            except mailcore.ForkedError:
                os._exit(7)
            finally:
                os._exit(1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 7)


if __name__ == "__main__":
    unittest.main()
