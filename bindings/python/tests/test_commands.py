"""The commands on a store, alone and beside a server that runs: serve, queue, keys, send, import, export, dns-check."""

import hashlib
import json
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

MESSAGE = (
    "From: ann@example.org\nTo: bob@far.example\nBcc: hidden@far.example\nSubject: hello\n\nHello.\n.\nFrom here\n"
)


class Commands(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.store = os.path.join(self.folder, "store")

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(text)
        return path

    def command(self, *arguments, given=""):
        command = [sys.executable, "-m", "mailcore", *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)

    def good(self, *arguments, given=""):
        done = self.command(*arguments, given=given)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout

    def rows(self, *arguments, given=""):
        return [json.loads(line) for line in self.good(*arguments, "--json", given=given).splitlines()]

    def serve(self, *arguments, **environment):
        command = [sys.executable, "-m", "mailcore", "serve", *arguments, "--json"]
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        self.addCleanup(
            lambda: (
                server.poll() is None and server.kill(),
                server.wait(),
                server.stdout.close(),
                server.stderr.close(),
            )
        )
        line = server.stdout.readline()
        self.assertTrue(line, "the server did not start: " + (server.stderr.read() if not line else ""))
        return server, json.loads(line)

    def end(self, server):
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(30), 0)

    def test_a_server_and_the_commands_beside_it(self):
        port = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(port.close)
        plan = (
            self.path(
                "server.toml",
                f'''
store = "{self.store}"
hostname = "mx.example.org"
domains = ["example.org"]
[listen]
mx = "127.0.0.1:0"
imap = ["127.0.0.1:0"]
[settings]
"dns.host_only" = true
"outbound.smart_host" = "127.0.0.1:{port.getsockname()[1]}"
''',
            )
            if sys.version_info >= (3, 11)
            else None
        )
        flags = [
            "--store",
            self.store,
            "--domain",
            "example.org",
            "--mx",
            "127.0.0.1:0",
            "--imap",
            "127.0.0.1:0",
            "--set",
            "dns.host_only=1",
            "--set",
            f"outbound.smart_host=127.0.0.1:{port.getsockname()[1]}",
        ]
        server, told = self.serve(*([plan] if plan else flags))
        self.good("account", "ann@example.org", "--store", self.store, given="wonderland\n")
        self.assertEqual([row["address"] for row in self.rows("account", "--store", self.store)], ["ann@example.org"])
        self.good("alias", "sales@example.org", "ann@example.org", "--store", self.store)
        follow = subprocess.Popen(
            [sys.executable, "-m", "mailcore", "events", "--follow", "--store", self.store],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(lambda: (follow.kill(), follow.wait(), follow.stdout.close()))
        self.wait_for_follower(server, told, follow)
        # The smart host takes the connection and says nothing: the message stays.
        (sent,) = self.rows("send", "--store", self.store, given=MESSAGE)
        self.good("queue", "hold", str(sent["id"]), "--store", self.store)
        (row,) = self.rows("queue", "list", "--store", self.store)
        self.assertEqual(
            (row["id"], row["from"], sorted(row["to"]), row["held"]),
            (sent["id"], "ann@example.org", ["bob@far.example", "hidden@far.example"], True),
        )
        shown = self.good("queue", "show", str(row["id"]), "--store", self.store)
        self.assertIn("Subject: hello", shown)
        self.assertNotIn("Bcc", shown)
        self.assertEqual(self.rows("queue", "explain", str(row["id"]), "--store", self.store)[0]["held"], True)
        self.assertIn("bob@far.example", self.good("queue", "explain", str(row["id"]), "--store", self.store))
        self.good("queue", "release", "--all", "--store", self.store)
        self.good("queue", "drop", "--domain", "far.example", "--store", self.store)
        self.assertEqual(self.rows("queue", "list", "--store", self.store), [])
        self.assertEqual(self.command("queue", "retry", "4711", "--store", self.store).returncode, 1)
        self.good("backup", self.path("copy"), "--store", self.store)
        self.good("check", self.path("copy"))
        self.assertEqual(self.rows("check", self.store)[-1], {"sound": True, "disagreements": 0})
        self.end(server)
        self.assertEqual(follow.wait(30), 0)
        self.assertFalse(os.path.exists(os.path.join(self.store, "control")))

    def wait_for_follower(self, server, told, follow):
        """Mail comes until an event of it arrives: those before the follower are not for it."""
        import select

        host, port = told["mx"].split(", ")[0].rsplit(":", 1)
        for _ in range(100):
            with smtplib.SMTP(host, int(port), timeout=30) as smtp:
                smtp.sendmail("x@far.example", ["sales@example.org"], "From: x@far.example\r\nSubject: s\r\n\r\nx\r\n")
            if select.select([follow.stdout], [], [], 0.1)[0]:
                break
        self.assertIn("event", json.loads(follow.stdout.readline()))

    def test_the_service_manager_is_told(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(self.path("notify"))
        manager.settimeout(30)
        server, _ = self.serve(
            "--store", self.store, "--mx", "127.0.0.1:0", NOTIFY_SOCKET=self.path("notify"), WATCHDOG_USEC="500000"
        )
        self.assertTrue(manager.recv(1000).startswith(b"READY=1"))
        self.assertEqual(manager.recv(1000), b"WATCHDOG=1")
        server.send_signal(signal.SIGHUP)
        heard = b""
        while not heard.startswith(b"RELOADING=1"):
            heard = manager.recv(1000)
        self.assertEqual(manager.recv(1000), b"READY=1")
        server.send_signal(signal.SIGTERM)
        while heard != b"STOPPING=1":
            heard = manager.recv(1000)
        self.assertEqual(server.wait(30), 0)

    @unittest.skipUnless(shutil.which("openssl"), "openssl makes the certificates")
    def test_hangup_serves_a_new_certificate(self):
        cert, key = self.path("cert.pem"), self.path("key.pem")

        def renew():
            subprocess.run(
                [
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-days",
                    "90",
                    "-subj",
                    "/CN=mx",
                    "-addext",
                    "subjectAltName=DNS:mx.example.org",
                    "-keyout",
                    key,
                    "-out",
                    cert,
                ],
                check=True,
                capture_output=True,
            )
            with open(cert, encoding="ascii") as file:
                return ssl.PEM_cert_to_DER_cert(file.read())

        def served():
            trusting = ssl.create_default_context()
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            host, port = told["imaps"].rsplit(":", 1)
            with socket.create_connection((host, int(port)), 30) as plain, trusting.wrap_socket(plain) as tls:
                return tls.getpeercert(True)

        first = renew()
        server, told = self.serve(
            "--store",
            self.store,
            "--imaps",
            "127.0.0.1:0",
            "--hostname",
            "mx.example.org",
            "--tls-cert",
            cert,
            "--tls-key",
            key,
        )
        self.assertEqual(served(), first)
        (record,) = self.rows("keys", "tls", cert)
        public = subprocess.run(
            ["openssl", "x509", "-in", cert, "-pubkey", "-noout"], check=True, capture_output=True
        ).stdout
        der = subprocess.run(
            ["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, check=True, capture_output=True
        )
        self.assertEqual(record["name"], "_25._tcp.mx.example.org")
        self.assertEqual(record["data"], "3 1 1 " + hashlib.sha256(der.stdout).hexdigest())
        with open(cert, "w", encoding="ascii") as file:
            file.write("no certificate")
        server.send_signal(signal.SIGHUP)
        self.assertIn("what was read before stays", server.stderr.readline())
        self.assertEqual(served(), first)
        second = renew()
        server.send_signal(signal.SIGHUP)
        self.assertIn("were read again", server.stderr.readline())
        self.assertEqual(served(), second)
        self.end(server)

    def test_what_a_file_may_not_say(self):
        if sys.version_info < (3, 11):
            self.skipTest("TOML comes with Python 3.11")
        for text, told in (
            ("stoer = 1", "there is no stoer"),
            ("[listen]\nsmtp = '127.0.0.1:0'", "there is no such service"),
            ("[listen]\nmx = '25'", "want ADDR:PORT"),
            ("store = ", "wrong.toml: "),
            ("store = 1", "store is a text"),
            ("[settings]\noutbound.port = 25", "needs quotes"),
            ("[listen]\nmx = '127.0.0.1:0'", "--store"),
        ):
            done = self.command("serve", self.path("wrong.toml", text))
            self.assertEqual(done.returncode, 2, text)
            self.assertIn(told, done.stderr)

    def test_keys(self):
        (made,) = self.rows("keys", "new", "example.org", "s1", "--algorithm", "ed25519-sha256", "--store", self.store)
        self.assertEqual(made["name"], "s1._domainkey.example.org")
        self.assertIn("k=ed25519", made["record"])
        self.good("keys", "activate", "example.org", "s1", "--store", self.store)
        self.assertEqual([row["state"] for row in self.rows("keys", "list", "--store", self.store)], ["active"])
        self.good("keys", "remove", "example.org", "s1", "--store", self.store)

    def test_mail_goes_in_and_comes_out_unchanged(self):
        self.good("account", "ann@example.org", "--store", self.store, given="wonderland\n")
        mbox = self.path(
            "in.mbox",
            "From a@b Thu Jan  1 00:00:00 1970\nSubject: one\nStatus: RO\n\n>From me\n>>From you\n\n"
            "From a@b Thu Jan  1 00:00:00 1970\nSubject: two\nDate: Sat, 28 Nov 2026 10:00:00 +0000\n\nx\n",
        )
        where = ("--store", self.store, "--account", "ann@example.org", "--mailbox", "Old/2026", "--format")
        self.assertEqual(self.rows("import", mbox, *where, "mbox")[0]["messages"], 2)
        self.good("export", self.path("eml"), *where, "eml")
        first = b"Subject: one\r\nStatus: RO\r\n\r\nFrom me\r\n>From you\r\n"
        self.assertEqual(self.contents("eml")[0], first)
        for kind in ("maildir", "mbox", "eml"):
            self.good("export", self.path("out-" + kind), *where, kind)
            to = ("--store", self.store, "--account", "ann@example.org", "--mailbox", "Again-" + kind, "--format")
            self.assertEqual(self.rows("import", self.path("out-" + kind), *to, kind)[0]["messages"], 2)
            self.good("export", self.path("again-" + kind), *to, "eml")
            self.assertEqual(self.contents("again-" + kind), self.contents("eml"), kind)
        seen = [name for name in os.listdir(os.path.join(self.path("out-maildir"), "cur")) if name.endswith(":2,S")]
        self.assertEqual(len(seen), 1)
        for wrong in (
            ("export", mbox, *where, "mbox"),
            ("import", self.path("none"), *where, "eml"),
            ("import", self.path("eml"), *where, "maildir"),
        ):
            self.assertEqual(self.command(*wrong).returncode, 2, wrong)

    def contents(self, folder):
        found = []
        for name in os.listdir(self.path(folder)):
            with open(os.path.join(self.path(folder), name), "rb") as file:
                found.append(file.read())
        return sorted(found)

    def test_send_by_a_server(self):
        server, told = self.serve("--store", self.store, "--domain", "example.org", "--mx", "127.0.0.1:0")
        self.good("account", "ann@example.org", "--store", self.store, given="wonderland\n")
        (sent,) = self.rows(
            "send", "ann@example.org", "--from", "x@far.example", "--server", told["mx"], "--tls", "off", given=MESSAGE
        )
        self.assertEqual(sent, {"sent": 1, "refused": []})
        self.assertEqual(
            self.command("send", "no@example.org", "--server", told["mx"], "--tls", "off", given=MESSAGE).returncode, 1
        )
        self.end(server)

    def test_dns_check(self):
        zone = self.path(
            "zone",
            """example.org MX 10 mx.example.org
mx.example.org A 192.0.2.25
25.2.0.192.in-addr.arpa PTR mx.example.org
example.org TXT v=spf1 mx -all
s1._domainkey.example.org TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
_dmarc.example.org TXT v=DMARC1; p=reject
_25._tcp.mx.example.org TLSA 3 1 1 00
bad.example MX 10 alias.bad.example
alias.bad.example CNAME mx.example.org
alias.bad.example A 192.0.2.26
bad.example TXT v=spf1 +all
bad.example TXT v=spf1 -all
null.example MX 0 .
""",
        )
        done = self.command("dns-check", "example.org", "--zone", zone, "--selector", "s1", "--json")
        found = {row["what"]: row["state"] for row in map(json.loads, done.stdout.splitlines())}
        self.assertEqual(
            found,
            {
                "MX": "ok",
                "PTR 192.0.2.25": "ok",
                "SPF": "ok",
                "DKIM s1": "ok",
                "DMARC": "ok",
                "MTA-STS": "missing",
                "TLS-RPT": "missing",
                "TLSA mx.example.org": "ok",
            },
        )
        done = self.command("dns-check", "bad.example", "--zone", zone, "--selector", "s1", "--json")
        self.assertEqual(done.returncode, 1)
        found = {row["what"]: row["state"] for row in map(json.loads, done.stdout.splitlines())}
        self.assertEqual(
            (found["host alias.bad.example"], found["PTR 192.0.2.26"], found["SPF"], found["DMARC"], found["DKIM s1"]),
            ("bad", "bad", "bad", "missing", "missing"),
        )
        self.assertIn("RFC 7505", self.command("dns-check", "null.example", "--zone", zone).stdout)

    def test_completion(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.good("completion", shell)
            self.assertIn("dns-check", script)
        script = self.path("complete", self.good("completion", "bash"))

        def completes(*words):
            line = " ".join(f"'{word}'" for word in words)
            code = (
                f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _mailcore; echo ${{COMPREPLY[@]}}"
            )
            return subprocess.run(["bash", "-c", code], capture_output=True, text=True, cwd=self.folder).stdout.split()

        self.assertIn("queue", completes("mailcore", "q"))
        self.assertIn("explain", completes("mailcore", "queue", "e"))
        self.assertIn("--all", completes("mailcore", "queue", "drop", "--"))
        self.assertIn("--mailbox", completes("mailcore", "import", "--m"))


if __name__ == "__main__":
    unittest.main()
