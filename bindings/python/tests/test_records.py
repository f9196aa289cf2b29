"""`python -m mailcore dns`: what it prints is a zone file, and mail signed with the key passes by it."""

import base64
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

import mailcore
from mailcore import records

SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
LETTER = b"From: alice@example.org\r\nSubject: hello\r\n\r\nHello.\r\n"


def parse(zone):
    """The records of a zone file: (name, type, data); the strings of a TXT record as a list."""
    text = re.sub(r"^;.*$", "", zone, flags=re.M)
    text = re.sub(r"\(([^)]*)\)", lambda group: " ".join(group.group(1).split()), text)
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, ttl, cls, kind, *data = shlex.split(line)
        assert ttl.isdigit() and cls == "IN" and name.endswith("."), line
        found.append((name[:-1], kind, data))
    return found


class Records(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def dns(self, *arguments):
        command = [sys.executable, "-m", "mailcore", "dns", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    def test_mail_passes_by_what_is_published(self):
        with mailcore.Engine(os.path.join(self.folder, "store"), dns__host_only=True) as engine:
            engine.dkim.generate("example.org", "r1")
        with open(os.path.join(self.folder, "key"), "w") as file:
            file.write(SEED)
        out = self.dns("example.org", "--mx", "mx.example.org", "--ip", "192.0.2.25", "--ip", "2001:db8::25",
                       "--key", f"s1:{self.folder}/key", "--store", f"{self.folder}/store", "--policy", "reject")  # fmt: skip
        self.assertEqual((out.returncode, out.stderr), (0, ""))
        found = parse(out.stdout)
        kinds = {(name, kind) for name, kind, _ in found}
        self.assertLessEqual(
            {("example.org", "MX"), ("mx.example.org", "A"), ("mx.example.org", "AAAA"), ("example.org", "TXT"),
             ("s1._domainkey.example.org", "TXT"), ("r1._domainkey.example.org", "TXT"),
             ("_dmarc.example.org", "TXT"), ("_imaps._tcp.example.org", "SRV")},
            kinds,
        )  # fmt: skip
        rsa = next(data for name, _, data in found if name.startswith("r1."))
        self.assertEqual([len(part) for part in rsa[:-1]], [255] * (len(rsa) - 1))
        self.assertGreater(len(rsa), 1)
        base64.b64decode("".join(rsa).partition("p=")[2], validate=True)
        self.assertIn("; 25.2.0.192.in-addr.arpa.", out.stdout)
        self.assertIn("MTA-STS", out.stdout)

        plain = "".join(f"{name} {kind} {''.join(data) if kind == 'TXT' else ' '.join(data)}\n"
                        for name, kind, data in found if kind != "SRV")  # fmt: skip
        signed = mailcore.dkim_sign(LETTER, "example.org", "s1", SEED) + LETTER
        for ip in ("192.0.2.25", "2001:db8::25"):
            with mailcore.Resolver(zone=plain) as names:
                verdicts = mailcore.verify(signed, ip=ip, helo="mx.example.org", mail_from="alice@example.org", resolver=names)
            got = (verdicts.spf.result, verdicts.dkim[0].result, verdicts.dmarc.result)
            self.assertEqual(got, ("pass", "pass", "pass"))

    def test_without_key_or_address_it_says_what_is_missing(self):
        out = self.dns("example.org")
        self.assertEqual(out.returncode, 0, out)
        self.assertIn("say --key SELECTOR:FILE", out.stdout)
        self.assertIn("say --ip ADDRESS", out.stdout)
        self.assertIn("10 mx.example.org.", out.stdout)
        parse(out.stdout)

    def test_wrong_use_is_told(self):
        with open(os.path.join(self.folder, "key"), "w") as file:
            file.write("no key")
        for arguments, text in [
            (["not a domain"], '"not a domain": not a domain name'),
            (["example.org", "--ip", "one"], '--ip "one": not an IP address'),
            (["example.org", "--key", "key.pem"], '--key "key.pem": want SELECTOR:FILE'),
            (["example.org", "--key", f"s1:{self.folder}/none"], "/none"),
            (["example.org", "--key", f"s1:{self.folder}/key"], "key"),
            (["example.org", "--store", f"{self.folder}/none"], "/none: there is no such folder"),
        ]:
            out = self.dns(*arguments)
            self.assertEqual((out.returncode, out.stdout), (2, ""), arguments)
            self.assertIn(text, out.stderr)

    def test_names_are_made_fit_for_dns(self):
        zone = records.zone_file("Bücher.example.", "MX.example.org", ["192.0.2.1"], services=())
        self.assertIn("xn--bcher-kva.example.", zone)
        self.assertNotIn("SRV", zone)


if __name__ == "__main__":
    unittest.main()
