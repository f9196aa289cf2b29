"""Sieve scripts: managed, tried, and obeyed when mail is filed; ManageSieve over a socket."""

import pathlib
import socket
import subprocess
import sys
from email.message import EmailMessage

import mailcore
from test_main_job import Case

ALICE, BOB = "alice@example.org", "bob@example.org"


def message(subject="hello", to=ALICE, sender="carol@example.com", **fields):
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = sender, to, subject
    for name, value in fields.items():
        m[name.replace("_", "-")] = value
    m.set_content("text\n")
    return m


class Sieve(Case):
    def people(self, engine):
        for address in (ALICE, BOB, "carol@example.com"):
            engine.put_account(address, "secret")

    def wait_filed(self, engine, address):
        next(e for e in engine.events(60) if e.name == "filed" and address in str(e.detail))

    def subjects(self, engine, address, mailbox="INBOX"):
        return [m.as_email()["Subject"] for m in engine.account(address)[mailbox]]

    def test_scripts_are_stored_compiled_and_listed(self):
        with self.engine() as engine:
            self.people(engine)
            engine.sieve.set(ALICE, "main", "keep;")
            engine.sieve.set(ALICE, "other", "")
            engine.sieve.activate(ALICE, "main")
            self.assertEqual([(s.name, s.active) for s in engine.sieve.list(ALICE)], [("main", True), ("other", False)])
            self.assertEqual(engine.sieve.get(ALICE, "main"), "keep;")
            with self.assertRaises(mailcore.UsageError) as wrong:
                engine.sieve.set(ALICE, "main", "keep;\nfileinto \"x\";")
            self.assertIn("line 2, column 1", str(wrong.exception))
            with self.assertRaises(mailcore.StateError):
                engine.sieve.remove(ALICE, "main")
            with self.assertRaises(mailcore.NotFound):
                engine.sieve.activate(ALICE, "nothing")
            with self.assertRaises(mailcore.NotFound):
                engine.sieve.set("nobody@example.org", "main", "keep;")
            with self.assertRaises(mailcore.UsageError):
                engine.sieve.set(ALICE, "a/b", "keep;")
            engine.sieve.activate(ALICE, None)
            engine.sieve.remove(ALICE, "main")
            with self.assertRaises(mailcore.NotFound):
                engine.sieve.get(ALICE, "main")

    def test_filing(self):
        script = """require ["fileinto", "mailbox", "imap4flags", "copy", "editheader", "special-use", "variables"];
        if header :matches "subject" "[*] *" { addheader "X-List" "${1}"; fileinto :create :flags ["\\\\Seen", "\\\\Flagged"] "Lists/${1}"; }
        elsif header :is "subject" "gone" { discard; }
        elsif header :is "subject" "nowhere" { fileinto "Nowhere"; }
        elsif header :is "subject" "junk" { fileinto :specialuse "\\\\Junk" "Spam"; }
        elsif header :is "subject" "both" { fileinto :copy "Archive"; }
        elsif header :is "subject" "broken" { redirect "${nobody}"; }
        """
        with self.engine() as engine:
            self.people(engine)
            engine.sieve.set(ALICE, "main", script, activate=True)
            for subject in ("[news] one", "gone", "nowhere", "junk", "both", "broken"):
                engine.submit(message(subject))
            self.assertEqual(self.subjects(engine, ALICE), ["nowhere", "both", "broken"])
            self.assertEqual(self.subjects(engine, ALICE, "Junk"), ["junk"])
            self.assertEqual(self.subjects(engine, ALICE, "Archive"), ["both"])
            (filed,) = engine.account(ALICE)["Lists/news"]
            self.assertEqual(filed.as_email()["X-List"], "news")
            self.assertEqual(filed.flags, mailcore.Flag.SEEN | mailcore.Flag.FLAGGED)
            engine.sieve.activate(ALICE, None)
            engine.submit(message("gone"))
            self.assertEqual(self.subjects(engine, ALICE)[-1], "gone")
            warnings = [e for e in engine.events(0) if e.name == "warning" and "sieve" in str(e.detail)]
            self.assertEqual(len(warnings), 2, warnings)

    def test_before_and_after_and_include(self):
        with self.engine() as engine:
            self.people(engine)
            engine.sieve.set("@example.org", "before", 'if header :is "subject" "spam" { discard; }')
            engine.sieve.set("@", "after", 'require "imap4flags"; addflag "\\\\Flagged"; keep;')
            engine.sieve.set("@example.org", "shared", 'require "imap4flags"; addflag "\\\\Answered";')
            engine.sieve.set(ALICE, "main", 'require "include"; include :global "shared";', activate=True)
            for subject in ("spam", "ham"):
                engine.submit(message(subject))
            (filed,) = engine.account(ALICE)["INBOX"]
            self.assertEqual(filed.as_email()["Subject"], "ham")
            self.assertEqual(filed.flags, mailcore.Flag.FLAGGED | mailcore.Flag.ANSWERED)

    def test_redirect_ends_where_it_began(self):
        with self.engine() as engine:
            self.people(engine)
            engine.sieve.set(ALICE, "main", f'redirect "{BOB}";', activate=True)
            engine.sieve.set(BOB, "main", f'redirect "{ALICE}";', activate=True)
            engine.submit(message("round"))
            self.wait_filed(engine, ALICE)
            self.assertEqual(self.subjects(engine, ALICE), ["round"])
            self.assertEqual(self.subjects(engine, BOB), [])
            (kept,) = engine.account(ALICE)["INBOX"]
            marks = kept.as_email().get_all("X-Sieve-Redirected-From")
            self.assertEqual(marks, [BOB, ALICE])
            self.assertEqual(kept.as_email()["Return-Path"], "<carol@example.com>")

    def test_vacation_answers_once(self):
        with self.engine() as engine:
            self.people(engine)
            engine.sieve.set(ALICE, "main", 'require "vacation"; vacation "away";', activate=True)
            for _ in range(3):
                engine.submit(message("are you there"))
            engine.submit(message("list", List_Id="<x.y>"))
            self.wait_filed(engine, "carol@example.com")
            self.assertEqual(self.subjects(engine, "carol@example.com"), ["Auto: are you there"])
            self.assertEqual(len(self.subjects(engine, ALICE)), 4)
            (answer,) = engine.account("carol@example.com")["INBOX"]
            answer = answer.as_email()
            self.assertEqual(answer["Return-Path"], "<>")
            self.assertTrue(answer["Auto-Submitted"].startswith("auto-replied"))
            self.assertEqual(answer["From"], ALICE)

    def test_reject(self):
        with self.engine() as engine:
            self.people(engine)
            engine.sieve.set(ALICE, "main", 'require "reject"; reject "not\r\nthis";', activate=True)
            with self.assertRaises(mailcore.PolicyError) as refused:
                engine.submit(message("one"))
            self.assertEqual(refused.exception.smtp_code, 550)
            self.assertIn("not this", str(refused.exception))
            engine.submit(message("two", to=f"{ALICE}, {BOB}"))
            self.assertEqual(self.subjects(engine, BOB), ["two"])
            self.assertEqual(self.subjects(engine, ALICE), [])
            (report,) = engine.account("carol@example.com")["INBOX"]
            self.assertIn("not this", report.as_email().as_string())

    def test_duplicate(self):
        with self.engine() as engine:
            self.people(engine)
            engine.sieve.set(ALICE, "main", 'require "duplicate"; if duplicate { discard; }', activate=True)
            for n in (1, 1, 2, 1):
                engine.submit(message(f"n{n}", Message_ID=f"<{n}@x.org>"))
            self.assertEqual(self.subjects(engine, ALICE), ["n1", "n2"])

    def test_try(self):
        with self.engine() as engine:
            self.people(engine)
            script = 'require "fileinto";\nif header :contains "subject" "x" { fileinto "A"; }'
            found = engine.sieve.test(ALICE, bytes(message("has x")), script)
            (action,) = found["actions"]
            self.assertEqual((action["action"], action["mailbox"], action["line"]), ("fileinto", "A", 2))
            self.assertTrue(any(":contains" in note["text"] for note in found["notes"]))
            self.assertEqual(engine.sieve.test(ALICE, bytes(message()))["actions"][0]["action"], "keep")


class CommandLine(Case):
    def test_a_script_is_tried(self):
        script = pathlib.Path(self.folder.name) / "a.sieve"
        for text, status, said in (
            ('require "fileinto"; fileinto "A";', 0, "fileinto\tA (line 1)\n"),
            ("discard;", 0, "discard\t\n"),
            ("keep", 2, ""),
        ):
            script.write_text(text)
            command = [sys.executable, "-m", "mailcore", "sieve", str(script), "--from", "carol@example.com"]
            run = subprocess.run(command, input=bytes(message()), capture_output=True, check=False)
            self.assertEqual((run.returncode, run.stdout.decode()), (status, said), run.stderr)


class Manage:
    """A client of ManageSieve that knows lines and literals."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=60)
        self.file = self.socket.makefile("rwb")
        self.capabilities = self.answer()

    def answer(self):
        lines = []
        while True:
            line = self.file.readline().decode()
            if line.startswith("{"):
                line = self.file.read(int(line.strip().strip("{}+"))).decode() + self.file.readline().decode()
            lines.append(line.rstrip("\r\n"))
            if line.split(" ")[0].strip() in ("OK", "NO", "BYE") or not line:
                if line.rstrip().endswith("}"):
                    lines[-1] += self.file.read(int(line.rstrip().rpartition("{")[2].strip("}"))).decode()
                    self.file.readline()
                return lines

    def say(self, text):
        self.file.write(text.encode() + b"\r\n")
        self.file.flush()
        return self.answer()

    def close(self):
        self.file.close()
        self.socket.close()


class ManageSieve(Case):
    def test_a_session(self):
        with self.engine(**{"login.allow_plaintext": True}) as engine:
            engine.put_account(ALICE, "secret")
            listener = engine.listen("managesieve", "127.0.0.1", 0)
            client = Manage(("127.0.0.1", listener.port))
            self.addCleanup(client.close)
            names = " ".join(client.capabilities)
            for part in ('"SIEVE" "fileinto', '"VERSION" "1.0"', '"SASL" "', "PLAIN"):
                self.assertIn(part, names)
            self.assertTrue(client.say("LISTSCRIPTS")[0].startswith("NO"))
            self.assertTrue(client.say('AUTHENTICATE "PLAIN" "AGFsaWNlQGV4YW1wbGUub3JnAHdyb25n"')[0].startswith("NO"))
            self.assertEqual(client.say('AUTHENTICATE "PLAIN" "AGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldA=="')[0][:2], "OK")
            self.assertEqual(client.say('PUTSCRIPT "a" {7+}\r\nkeep;\r\n'), ["OK"])
            self.assertIn("line 1, column 5", client.say('PUTSCRIPT "b" "keep"')[0])
            self.assertEqual(client.say('CHECKSCRIPT "stop;"'), ["OK"])
            self.assertEqual(client.say('HAVESPACE "a" 1000'), ["OK"])
            self.assertIn("QUOTA/MAXSIZE", client.say('HAVESPACE "a" 99999999')[0])
            self.assertEqual(client.say('SETACTIVE "a"'), ["OK"])
            self.assertEqual(client.say("LISTSCRIPTS"), ['"a" ACTIVE', "OK"])
            self.assertEqual(client.say('GETSCRIPT "a"')[0], "keep;\r\n".rstrip())
            self.assertIn("(ACTIVE)", client.say('DELETESCRIPT "a"')[0])
            self.assertEqual(client.say('RENAMESCRIPT "a" "c"'), ["OK"])
            self.assertIn("(NONEXISTENT)", client.say('GETSCRIPT "a"')[0])
            self.assertEqual(client.say('SETACTIVE ""'), ["OK"])
            self.assertEqual(client.say('DELETESCRIPT "c"'), ["OK"])
            self.assertEqual(client.say('NOOP "tag"'), ['OK (TAG "tag") "done"'])
            self.assertEqual(client.say("LISTSCRIPTS"), ["OK"])
            self.assertEqual(client.say("LOGOUT")[0][:2], "OK")
