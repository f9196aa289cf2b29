"""SPF, DKIM, ARC and DMARC without an engine: as functions and as commands, over real DNS packets."""

import base64
import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from datetime import datetime, timezone
from unittest import mock

import mailcore
from mailcore.__main__ import main
from nameserver import NameServer

PACKAGE = pathlib.Path(__file__).resolve().parent.parent
VECTORS = PACKAGE.parent.parent / "tests" / "vectors"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PACKAGE / "src")}

# The keys of RFC 8463: Ed25519 as a seed, RSA as PKCS #1.
SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
RSA = """-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
-----END RSA PRIVATE KEY-----
"""
# Keys with a passphrase, in the new form and the old.
LOCKED = (
    """-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiDD/Z6aMB+8QICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEG4tlyo31xNg+KIdvqB3sKoEQH5u
R/F/iiYiYe60yl6qE8ftD/exHH+du9eHsrTSOcdGFeRCX3Q8JuZ9AGMsEYVWi+iv
yiASYBdQJvJIFHUYbKM=
-----END ENCRYPTED PRIVATE KEY-----
""",
    RSA.replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC," + "00" * 16 + "\n\n", 1),
)
KEYS = {
    "ed._domainkey.example.org": [("TXT", b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")],
    "rsa._domainkey.example.org": [
        (
            "TXT",
            [
                b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6",
                b"wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZy",
                b"VYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
            ],
        )
    ],
}
MESSAGE = b"From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\nHello Bob.\r\n"
ZONE = {
    **KEYS,
    "example.org": [("TXT", b"v=spf1 ip4:192.0.2.1 exp=why.example.org -all")],
    "why.example.org": [("TXT", b"%{c} may not send for %{d}")],
    "_dmarc.example.org": [("TXT", b"v=DMARC1; p=quarantine")],
    "silent.example": [("TIMEOUT", True)],
    "failing.example": [("SERVFAIL", True)],
}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def serve(self, zone, **more):
        server = NameServer(zone, **more)
        self.addCleanup(server.close)
        return server

    def file(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def program(self, *arguments, message=b""):
        """A command in a process of its own: status, stdout, stderr."""
        command = [sys.executable, "-m", "mailcore", *arguments]
        out = subprocess.run(command, env=ENVIRONMENT, input=message, capture_output=True, timeout=60)
        return out.returncode, out.stdout, out.stderr

    def command(self, *arguments, message=b""):
        """The same within this process, which is quicker."""
        streams = [io.TextIOWrapper(io.BytesIO(octets), write_through=True) for octets in (message, b"", b"")]
        with mock.patch("sys.stdin", streams[0]), mock.patch("sys.stdout", streams[1]), mock.patch("sys.stderr", streams[2]):
            try:
                status = main(arguments)
            except SystemExit as e:
                status = e.code
        return status, streams[1].buffer.getvalue(), streams[2].buffer.getvalue()

    def said(self, *arguments, message=b""):
        """What a command printed."""
        status, out, trouble = self.command(*arguments, message=message)
        self.assertEqual((status, trouble), (0, b""))
        return out


class Commands(Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve(ZONE)
        self.dns = ("--dns", self.server.at)

    def test_spf(self):
        for arguments, line in [
            (("192.0.2.1", "mx.example", "a@example.org"), "pass\tip4:192.0.2.1 of example.org matched"),
            (("192.0.2.2", "mx.example", "a@example.org"), "fail\t192.0.2.2 may not send for example.org"),
            (("192.0.2.2", "mx.example", "<a@example.org>"), "fail\t192.0.2.2 may not send for example.org"),
            (("::ffff:192.0.2.1", "mx.example", "example.org"), "pass\tip4:192.0.2.1 of example.org matched"),
            (("2001:db8::1", "example.org", ""), "fail\t2001:db8::1 may not send for example.org"),
            (("192.0.2.1", "example.org", "<>"), "pass\tip4:192.0.2.1 of example.org matched"),
            (("192.0.2.1", "mx.example", "a@nothing.example"), "none\tnothing.example has no record"),
            (("192.0.2.1", "mx.example", "a@failing.example"), "temperror\tTXT of failing.example: the name server failed"),
        ]:
            self.assertEqual(self.said("spf", *arguments, *self.dns).decode(), line + "\n")
        whole = json.loads(self.said("spf", "192.0.2.1", "x", "a@example.org", "--json", *self.dns))
        self.assertEqual((whole["result"], whole["domain"]), ("pass", "example.org"))

    def test_silence_is_a_temporary_error_in_time(self):
        out = self.said("spf", "192.0.2.1", "x", "a@silent.example", "--timeout", "0.3", *self.dns)
        self.assertTrue(out.startswith(b"temperror\t"), out)

    def test_ipv6_server_and_zone_file(self):
        if socket.has_ipv6:
            try:
                server = self.serve(ZONE, family=socket.AF_INET6)
            except OSError:
                self.skipTest("no IPv6 on loopback")
            self.assertIn(b"pass\t", self.said("spf", "192.0.2.1", "x", "example.org", "--dns", server.at))
        zone = self.file("zone", "# ours\nexample.org TXT v=spf1 +all\n")
        self.assertIn(b"pass\tall of", self.said("spf", "192.0.2.9", "x", "example.org", "--zone", zone).replace(b"+", b""))
        self.assertIn(b"pass\tall of", self.said("spf", "192.0.2.9", "x", "example.org", "--zone", zone, *self.dns).replace(b"+", b""))
        self.assertEqual(self.said("spf", "192.0.2.1", "x", "why.example.org", "--zone", zone, *self.dns)[:5], b"none\t")

    def test_sign_and_verify(self):
        keys = {"ed": self.file("ed", SEED + "\n"), "rsa": self.file("rsa", RSA)}
        long = b"X: " + b"word " * 3000 + b"\r\n"
        messages = {
            "plain": MESSAGE,
            "file": MESSAGE.replace(b"\r\n", b"\n"),
            "no body": b"From: a@example.org\r\n\r\n",
            "no end of header": b"From: a@example.org\r\nSubject: x\r\n",
            "no line end": b"From: a@example.org\nSubject: x\n\nbody",
            "octets": b"From: a@example.org\r\nSubject: \xff\xfe\r\n\r\n\0\x80\xff\r\n \t \r\n\r\n\r\n",
            "long": long + MESSAGE,
            "mbox": b"From alice Thu Jan  1 00:00:00 1970\n" + MESSAGE.replace(b"\r\n", b"\n"),
            "empty": b"",
        }
        forms = (("ed", "ed25519-sha256", "relaxed/relaxed"), ("rsa", "rsa-sha256", "simple/simple"))
        for name, message in messages.items():
            for selector, algorithm, form in forms:
                with self.subTest(name, algorithm=algorithm, form=form):
                    signed = self.said(
                        "dkim-sign", "--domain", "example.org", "--selector", selector, "--key", keys[selector],
                        "--algorithm", algorithm, "--canonicalization", form, message=message,
                    )  # fmt: skip
                    head, field, rest = signed.partition(b"DKIM-Signature: ")
                    self.assertTrue(field and rest.endswith(message[len(head) :]))
                    self.assertEqual(head, message[: len(head)])
                    self.assertEqual(b"\r\n" in signed, b"\r\n" in message or message == b"")
                    line = self.said("dkim-verify", *self.dns, message=signed).decode()
                    self.assertRegex(line, rf"^pass\td=example.org s={selector} b=\S{{8}}\n$")
        line = self.said("dkim-verify", *self.dns, message=signed.replace(b"d=", b"d =")).decode()
        self.assertRegex(line, r"^fail\td=example.org s=rsa b=\S{8}: .*signature.*\n$")
        self.assertEqual({over for name, _, over in self.server.asked if name.startswith("rsa.")}, {"udp"})

    def test_verify_says_none_and_every_signature(self):
        self.assertEqual(self.said("dkim-verify", *self.dns, message=MESSAGE), b"none\tthe message is not signed\n")
        self.assertEqual(self.said("dkim-verify", *self.dns, message=b""), b"none\tthe message is not signed\n")
        time = ("--time", "1528637999")
        signed = (VECTORS / "dkim" / "01-rfc8463.msg").read_bytes()
        zone = (VECTORS / "dkim" / "01-rfc8463.dns").read_text().splitlines()
        zone = self.file("zone", "".join(line.replace(" ", " TXT ", 1) + "\n" for line in zone))
        lines = self.said("dkim-verify", *time, "--zone", zone, message=signed).decode().splitlines()
        self.assertEqual([line.split("\t")[0] for line in lines], ["pass", "pass"])
        lines = self.said("dkim-verify", *time, *self.dns, message=signed).decode().splitlines()
        self.assertEqual([line.split("\t")[0] for line in lines], ["permerror", "permerror"])
        whole = json.loads(self.said("dkim-verify", "--json", *time, "--zone", zone, message=signed))
        self.assertEqual([one["algorithm"] for one in whole], ["ed25519-sha256", "rsa-sha256"])

    def test_long_answers_come_over_tcp(self):
        # A key of 4 KiB in strings, of which the answer fits in no datagram.
        text = b"v=DKIM1; n=" + b"long " * 700 + b"; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
        signed = mailcore.dkim_sign(MESSAGE, "example.org", "ed", SEED) + MESSAGE
        # A server that says that it cuts, and one that sends more than it was told will be taken.
        for udp_octets in (512, 65535):
            server = self.serve({"ed._domainkey.example.org": [("TXT", text)]}, udp_octets=udp_octets)
            self.assertEqual(self.said("dkim-verify", "--dns", server.at, message=signed)[:5], b"pass\t")
            self.assertIn(("ed._domainkey.example.org", 16, "tcp"), server.asked)

    def test_arc(self):
        key = self.file("ed", SEED)
        seal = ("arc-seal", "--domain", "example.org", "--selector", "ed", "--key", key, *self.dns)
        self.assertEqual(self.said("arc-verify", *self.dns, message=MESSAGE), b"none\tthere is no chain\n")
        for message in (MESSAGE, MESSAGE.replace(b"\r\n", b"\n")):
            found = b"Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=a@example.org\n"
            message = (found if b"\r" not in message else found.replace(b"\n", b"\r\n")) + message
            for instance in (1, 2):
                message = self.said(*seal, "--authserv-id", "mx.example.org", message=message)
                self.assertIn(b"i=%d; mx.example.org;" % instance, message)
                line = self.said("arc-verify", *self.dns, message=message)
                self.assertEqual(line, b"pass\tsealed by " + b", ".join([b"example.org"] * instance) + b"\n")
            self.assertEqual(message.count(b"spf=pass"), 3)
            broken = message + b"more\n"
            self.assertEqual(self.said("arc-verify", *self.dns, message=broken)[:5], b"fail\t")
            ended = self.said(*seal, message=broken)
            self.assertIn(b"cv=fail", ended)
            status, out, trouble = self.command(*seal, message=ended)
            self.assertEqual((status, out), (0, ended))
            self.assertIn(b"not sealed", trouble)

    def test_arc_of_what_was_found_on_arrival(self):
        seal = ("arc-seal", "--domain", "example.org", "--selector", "ed", "--key", self.file("ed", SEED), *self.dns)
        first = self.said(*seal, message=MESSAGE)
        changed = first + b"-- the list\r\n"
        self.assertIn(b"cv=fail", self.said(*seal, message=changed))
        given = ("--chain", "pass", "--results", "mx.example.net; spf=softfail smtp.mailfrom=a@example.org")
        second = self.said(*seal, *given, message=changed)
        self.assertIn(b"i=2; mx.example.net;\r\n\tspf=softfail smtp.mailfrom=a@example.org;\r\n\tarc=pass\r\n", second)
        self.assertEqual(self.said("arc-verify", *self.dns, message=second)[:5], b"pass\t")
        status, out, trouble = self.command(*seal, "--results", "; spf=pass", message=changed)
        self.assertEqual((status, out), (2, b""))
        with mailcore.Resolver(self.server.at) as names:
            found = mailcore.verify(first, ip="192.0.2.1", mail_from="a@example.org", receiver="mx.example.net", resolver=names)
            self.assertTrue(found.results.startswith("mx.example.net;\r\n\tiprev=permerror"), found.results)
            set = mailcore.arc_seal(changed, "example.org", "ed", SEED, chain=found.arc.result, results=found.results, resolver=names)
            self.assertIn(b"cv=pass", set)
            self.assertIn(b"spf=pass smtp.mailfrom=a@example.org", set)
            self.assertEqual(mailcore.arc_verify(set + changed, resolver=names).oldest_pass, 2)
            with self.assertRaises(mailcore.UsageError):
                mailcore.arc_seal(changed, "example.org", "ed", SEED, chain="neutral", resolver=names)

    def test_dmarc(self):
        self.server.zone["_dmarc.sampled.example"] = [("TXT", b"v=DMARC1; p=reject; pct=0")]
        self.server.zone["_dmarc.half.example"] = [("TXT", b"v=DMARC1; p=reject; pct=50")]
        for arguments, line in [
            (("sampled.example", "fail", "", "none", ""), "fail\tquarantine"),
            (("half.example", "fail", "", "none", ""), "fail\treject"),
            (("example.org", "pass", "example.org", "none", ""), "pass\tnone"),
            (("example.org", "pass", "mail.example.org", "none", ""), "pass\tnone"),
            (("example.org", "fail", "example.org", "pass", "example.org"), "pass\tnone"),
            (("Example.ORG.", "pass", "example.net", "pass", "example.net"), "fail\tquarantine"),
            (("example.org", "none", "", "none", ""), "fail\tquarantine"),
            (("nothing.example", "pass", "nothing.example", "none", ""), "none\tnone"),
        ]:
            self.assertEqual(self.said("dmarc", *arguments, *self.dns).decode(), line + "\n", arguments)

    def test_wrong_usage(self):
        for arguments in [
            ("spf", "192.0.2", "x", "y", *self.dns),
            ("spf", "192.0.2.1", "x"),
            ("spf", "192.0.2.1", "x", "y", "--dns", "nowhere"),
            ("dkim-sign", "--domain", "example.org", "--selector", "s", "--key", "/nonexistent"),
            ("dkim-sign", "--domain", "example.org", "--selector", "s", "--key", self.file("bad", "no key")),
            ("dkim-sign", "--domain", "a b", "--selector", "s", "--key", self.file("key", SEED)),
            ("dkim-sign", "--domain", "a", "--selector", "s", "--algorithm", "rsa-sha256", "--key", self.file("ed", SEED)),
            ("dmarc", "example.org", "perhaps", "x", "none", ""),
            ("dkim-verify", "--zone", self.file("zone", "example.org NS x\n")),
            ("unknown",),
        ]:
            status, out, trouble = self.command(*arguments, message=MESSAGE)
            self.assertEqual((status, out), (2, b""), arguments)
            self.assertIn(b"python -m mailcore", trouble)

    def test_as_programs(self):
        key = self.file("rsa", RSA)
        message = MESSAGE + b"\xff\0\r\n.\r\n"
        sign = ("dkim-sign", "--domain", "example.org", "--selector", "rsa", "--key", key, "--algorithm", "rsa-sha256",
                *self.dns)  # fmt: skip
        status, signed, trouble = self.program(*sign, message=message)
        self.assertEqual((status, trouble, signed[-len(message) :]), (0, b"", message))
        status, out, _ = self.program("dkim-verify", *self.dns, message=signed)
        self.assertEqual((status, out[:19]), (0, b"pass\td=example.org "))
        status, out, _ = self.program("dkim-verify", *self.dns, message=signed + b"more\r\n")
        self.assertEqual((status, out[:5]), (0, b"fail\t"))
        self.assertIn(b"body hash", out)
        self.assertEqual(self.program("spf", "192.0.2.1", "x", "y", "--dns", "nowhere")[:2], (2, b""))
        self.assertEqual(self.program("dmarc", "example.org", "fail", "", "none", "", *self.dns), (0, b"fail\tquarantine\n", b""))


    def test_nobody_is_asked_for_a_passphrase(self):
        for form in LOCKED:
            sign = ("dkim-sign", "--domain", "example.org", "--selector", "s", "--key", self.file("key", form))
            status, out, trouble = self.program(*sign, message=b"secret\n" + MESSAGE)
            self.assertEqual((status, out), (2, b""))
            self.assertNotIn(b"pass phrase", trouble)


class Functions(Case):
    def test_everything_about_a_message(self):
        server = self.serve(ZONE)
        signed = mailcore.dkim_sign(MESSAGE, "example.org", "ed", SEED) + MESSAGE
        with mailcore.Resolver(server.at) as names:
            found = mailcore.verify(
                signed, ip="192.0.2.1", helo="mx.example.org", mail_from="a@example.org", resolver=names
            )
            self.assertEqual((found.spf.result, found.dmarc.result, found.arc.result), ("pass", "pass", "none"))
            self.assertEqual((found.spf_helo.result, found.iprev.result), ("none", "permerror"))
            self.assertEqual(([d.result for d in found.dkim], found.from_domain), (["pass"], "example.org"))
            self.assertTrue(found.dmarc.spf_aligned and found.dmarc.dkim_aligned)
            json.dumps(found.as_dict())
            found = mailcore.verify(signed, resolver=names)
            self.assertEqual((found.spf, found.dmarc, found.dkim[0].result), (None, None, "pass"))
        with self.assertRaises(mailcore.ClosedError):
            mailcore.verify(signed, resolver=names)

    def test_indicator_is_data_on_request(self):
        record = b"v=BIMI1; l=https://example.org/i.svg; a=https://example.org/e.pem; avp=personal"
        server = self.serve({**ZONE, "default._bimi.example.org": [("TXT", record)]})
        given = {"helo": "mx.example.org", "mail_from": "a@example.org"}
        with mailcore.Resolver(server.at) as names:
            found = mailcore.verify(MESSAGE, ip="192.0.2.1", bimi=True, resolver=names, **given)
            self.assertEqual(found.bimi, mailcore.BimiVerdict(
                "found", "example.org", "default", "https://example.org/i.svg", "https://example.org/e.pem", True, "",
            ))  # fmt: skip
            self.assertEqual((found.spf.result, found.arc.result), ("pass", "none"))
            self.assertEqual(found.as_dict()["bimi"]["result"], "found")
            found = mailcore.verify(MESSAGE, ip="192.0.2.2", bimi=True, resolver=names, **given)
            self.assertEqual((found.bimi.result, found.bimi.why), ("skipped", "dmarc fail"))
            self.assertIsNone(mailcore.verify(MESSAGE, ip="192.0.2.1", resolver=names, **given).bimi)
            with self.assertRaises(mailcore.UsageError):
                mailcore.verify(MESSAGE, bimi=True, resolver=names)

    def test_reproducible_by_zone_and_time(self):
        zone = ["example.org TXT v=spf1 exp=why.example.org -all", "why.example.org TXT at %{t}, says %{r}"]
        with mailcore.Resolver(zone=zone) as names:
            at = datetime(2024, 1, 1, tzinfo=timezone.utc)
            said = mailcore.spf("192.0.2.1", "x", "example.org", resolver=names, receiver="mx.example", time=at)
            self.assertEqual(said.explanation, "at 1704067200, says mx.example")
            self.assertEqual(mailcore.spf("192.0.2.1", "x", "example.org", resolver=names, receiver="mx.example",
                                          time=1704067200), said)  # fmt: skip
            key = {"domain": "example.org", "selector": "ed", "key": SEED, "time": at}
            self.assertEqual(mailcore.dkim_sign(MESSAGE, **key), mailcore.dkim_sign(memoryview(MESSAGE), **key))

    def test_keys_in_every_form(self):
        def der(tag, *parts):
            inside = b"".join(parts)
            return bytes([tag, 0x82]) + len(inside).to_bytes(2, "big") + inside

        def pem(octets):
            return f"-----BEGIN PRIVATE KEY-----\n{base64.encodebytes(octets).decode()}-----END PRIVATE KEY-----\n"

        pkcs1 = base64.b64decode("".join(RSA.splitlines()[1:-1]))
        rsa = bytes.fromhex("020100300d06092a864886f70d0101010500")
        ed = bytes.fromhex("302e020100300506032b657004220420") + base64.b64decode(SEED)
        seeds = (SEED, SEED.rstrip("="), SEED.encode() + b"\r\n")
        for forms in ((RSA, pem(der(0x30, rsa, der(0x04, pkcs1)))), (pem(ed), *seeds)):
            made = {mailcore.dkim_sign(MESSAGE, "example.org", "s", key, time=1) for key in forms}
            self.assertEqual(len(made), 1, made)

    def test_many_threads_on_one_resolver(self):
        server = self.serve(ZONE)
        signed = mailcore.dkim_sign(MESSAGE, "example.org", "rsa", RSA) + MESSAGE
        results = []
        with mailcore.Resolver(server.at) as names:
            work = lambda: results.extend(d.result for _ in range(20) for d in mailcore.dkim_verify(signed, resolver=names))
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(set(results), {"pass"})
        self.assertEqual(len(results), 160)
        # Answers are remembered.
        self.assertEqual(len(server.asked), 1)

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_a_forked_child_leaves_it_to_its_parent(self):
        names = mailcore.Resolver(self.serve(ZONE).at)
        child = os.fork()
        if not child:
            sys.unraisablehook = lambda _: os._exit(1)
            del names
            os._exit(0)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(mailcore.spf("192.0.2.1", "x", "example.org", resolver=names).result, "pass")
        names.close()

    def test_wrong_values(self):
        for call in [
            lambda: mailcore.Resolver("nowhere"),
            lambda: mailcore.Resolver(zone="example.org NS x"),
            lambda: mailcore.spf("nowhere", "x", "y", resolver=mailcore.Resolver(zone="")),
            lambda: mailcore.dkim_sign(MESSAGE, "example.org", "s", "no key"),
            lambda: mailcore.dkim_sign(MESSAGE, "example.org", "s", SEED, algorithm="rsa-sha1"),
            lambda: mailcore.dkim_sign(MESSAGE, "example.org", "s", SEED, headers=["To"]),
            lambda: mailcore.dkim_sign(MESSAGE, "example.org", "s", SEED, canonicalization="loose"),
            lambda: mailcore.dkim_sign(MESSAGE, "example.org", "s", SEED, identity="a@example.net"),
            lambda: mailcore.dmarc("example.org", spf=("perhaps", ""), resolver=mailcore.Resolver(zone="")),
        ]:
            self.assertRaises(mailcore.UsageError, call)


class OpenSpf(Case):
    """The test suites of OpenSPF, served by packets."""

    def suite(self, name):
        scenarios = json.loads((VECTORS / "spf" / name).read_text())
        count = 0
        for scenario in scenarios:
            with NameServer({owner: self.entries(given) for owner, given in scenario["zone"].items()}) as server:
                with mailcore.Resolver(server.at, timeout=1) as names:
                    for test in scenario["tests"]:
                        with self.subTest(test["name"]):
                            said = mailcore.spf(test["host"], test["helo"], test["mailfrom"], resolver=names, time=1)
                            self.assertIn(said.result, test["result"], said.why)
                            if test.get("explanation"):
                                self.assertEqual(said.explanation or "DEFAULT", test["explanation"])
                            count += 1
        self.assertGreater(count, 100)

    @staticmethod
    def entries(given):
        """SPF entries stand for TXT where a name has no TXT entry."""
        found = [tuple(entry) for entry in given]
        if not any(of == "TXT" for of, _ in found):
            found += [("TXT", data) for of, data in found if of == "SPF"]
        latin = lambda text: text.encode("latin-1")
        made = []
        for of, data in found:
            if of == "TXT" and data != "NONE":
                made.append((of, [latin(one) for one in data] if isinstance(data, list) else latin(data)))
            elif of not in ("SPF", "TXT"):
                made.append((of, data))
        return made

    def test_rfc_7208(self):
        self.suite("rfc7208.json")

    def test_rfc_4408(self):
        self.suite("rfc4408.json")


if __name__ == "__main__":
    unittest.main()
