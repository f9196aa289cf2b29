#!/usr/bin/env python3
"""Follows docs/server.md word by word, on loopback, and ends with a mail received and a mail sent.

    python3 tests/guide/follow.py LIBRARY SCRATCH

Every `sh` block of the page is run, in order, in one shell. What cannot be had on loopback is replaced, and nothing else:
paths of the system lie under SCRATCH; the address 192.0.2.25 is 127.0.0.1; cargo, apt-get, useradd, chown, git, systemctl
and certbot are the small programs in `STAND_INS` (systemctl runs the ExecStart of the unit that the page writes); curl is
the real one, told the ports and the password. DNS is a server here, which serves the zone that step 4 prints. The other
side, example.net, is an engine of its own.
"""

import json
import os
import pathlib
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PASSWORD = "correct horse"
SERVICES = (25, 465, 587, 993)
#: Programs by name: what they do in place of the real ones.
STAND_INS = {
    "cargo": "exit 0",  # the library is there
    "apt-get": "exit 0",
    "git": "exit 0",
    "useradd": "exit 0",
    "chown": "exit 0",
    "certbot": """
name=mx.example.org live="$SCRATCH/etc/letsencrypt/live/mx.example.org"
case " $* " in *" --domain $name "*) ;; *) exit 1 ;; esac
mkdir -p "$live"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$name" \\
  -addext "subjectAltName=DNS:$name" -keyout "$live/privkey.pem" -out "$live/fullchain.pem" 2>/dev/null
""",
    "curl": """
case " $* " in *" --user alice@example.org "*) ;; *) exit 1 ;; esac
exec "$REAL_CURL" --cacert "$SCRATCH/etc/mailcore/fullchain.pem" --user "alice@example.org:$PASSWORD" $CONNECT "$@" \\
  --user "alice@example.org:$PASSWORD"
""",
    "systemctl": """exec "$PYTHON" "$GUIDE" systemctl "$@" """,
    "python3": """
case "$*" in *" account "*) echo "$PASSWORD" | exec "$PYTHON" "$@" ;; *" dns "*) "$PYTHON" "$@" >"$SCRATCH/zone" && cat "$SCRATCH/zone" ;;
*) exec "$PYTHON" "$@" ;; esac
""",
}


def main(library, scratch):
    sys.path[:0] = [str(ROOT / "bindings/python/src"), str(ROOT / "bindings/python/tests")]
    os.environ["MAILCORE_LIBRARY"] = library
    scratch = pathlib.Path(scratch).resolve()
    places = prepare(scratch, library)
    shell = Shell(scratch, places)
    try:
        far = Far(scratch, places)
        try:
            follow(shell, far, scratch, places)
        finally:
            far.close()
    finally:
        shell.close()
        systemctl(scratch, "stop", "mailcore")
    print("docs/server.md holds")


def prepare(scratch, library):
    """Folders, stand-ins, a checkout with a release build; free ports for those of the page."""
    for folder in ("bin", "checkout/target/release", "usr/local/lib", "usr/local/bin", "etc/systemd/system", "var/lib", "tmp"):
        (scratch / folder).mkdir(parents=True)
    for part in ("examples", "include", "bindings", "tests"):
        (scratch / "checkout" / part).symlink_to(ROOT / part)
    (scratch / "checkout/target/release/libmailcore.so").symlink_to(library)
    for name, text in STAND_INS.items():
        program = scratch / "bin" / name
        program.write_text(f"#!/bin/sh\n{text.strip()}\n")
        program.chmod(0o755)
    held = [socket.socket() for _ in range(len(SERVICES) + 1)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return {"ports": dict(zip(SERVICES, ports)), "far": ports[-1]}


# -- the page --------------------------------------------------------------------------------------------------


def follow(shell, far, scratch, places):
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs/server.md").read_text(), re.S | re.M)
    assert len(blocks) >= 12, "docs/server.md lost its commands"
    done = set()
    for block in blocks:
        if "INBOX;MAILINDEX=1" in block:
            far.sends_to("alice@example.org")
            done.add("answered")
        said = shell.run(block)
        if " dns " in block:
            far.publish((scratch / "zone").read_text())
            (scratch / "options").write_text(f"--dns {far.dns.at} --remote-port {places['far']}")
            done.add("published")
        if "--upload-file" in block:
            mail = far.receives("First mail")
            found = mail.as_email()["Authentication-Results"]
            for verdict in ("iprev=pass", "spf=pass", "dkim=pass", "dmarc=pass"):
                assert verdict in found, f"{verdict}: {found}"
            done.add("sent")
        if "INBOX;MAILINDEX=1" in block:
            assert "Subject: The answer" in said and "dmarc=pass" in said, said
            done.add("received")
        if " check " in block:
            assert said == "the store is sound\n", said
            done.add("checked")
        if "is-active mailcore" in block:
            assert said.strip().endswith("active"), said
            done.add("active")
    assert done == {"published", "sent", "answered", "received", "checked", "active"}, done
    renew(shell, places)
    assert shell.run("python3 -m mailcore --version").startswith("mailcore ")
    systemctl(scratch, "stop", "mailcore")
    listed = shell.run("python3 -m mailcore alias --store /var/lib/mailcore/store")
    assert "postmaster@example.org\talice@example.org" in listed, listed


def renew(shell, places):
    """A new certificate is served after the script of step 5, by the process that ran before."""
    before = shell.run("certbot --domain mx.example.org; /etc/letsencrypt/renewal-hooks/deploy/mailcore; cat $SCRATCH/pid")
    wanted = (shell.scratch / "etc/mailcore/fullchain.pem").read_text()
    until = time.monotonic() + 30
    while served(places["ports"][993]) != wanted:
        assert time.monotonic() < until, "the old certificate is still served"
        time.sleep(0.05)
    assert shell.run("cat $SCRATCH/pid") == before


def served(port):
    """The certificate that the IMAP listener shows, PEM."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain) as tls:
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(True))


class Shell:
    """One shell for all blocks; each must end with status 0."""

    def __init__(self, scratch, places):
        self.scratch = scratch
        connect = " ".join(f"--connect-to mx.example.org:{port}:127.0.0.1:{at}" for port, at in places["ports"].items())
        environment = {
            **os.environ,
            "SCRATCH": str(scratch),
            "PASSWORD": PASSWORD,
            "PYTHON": sys.executable,
            "GUIDE": str(pathlib.Path(__file__).resolve()),
            "PORTS": json.dumps(places["ports"]),
            "REAL_CURL": subprocess.run(["sh", "-c", "command -v curl"], capture_output=True, text=True).stdout.strip(),
            "CONNECT": connect,
            "PATH": f"{scratch}/bin:{scratch}/usr/local/bin:{os.environ['PATH']}",
        }
        (scratch / "bin/curl").chmod(0o755)
        self.errors = open(scratch / "errors", "wb")
        self.shell = subprocess.Popen(
            ["sh", "-e"], cwd=scratch / "checkout", env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
        )  # fmt: skip

    def here(self, text):
        """The page's text with paths and the address of this place."""
        text = re.sub(r"(?<![\w.$/])/(usr/local|etc|var/lib|tmp)/", rf"{self.scratch}/\1/", text)
        return text.replace("192.0.2.25", "127.0.0.1")

    def run(self, block):
        self.shell.stdin.write(self.here(block) + "\necho END-OF-BLOCK\n")
        self.shell.stdin.flush()
        said = ""
        for line in self.shell.stdout:
            if line == "END-OF-BLOCK\n":
                return said
            said += line
        self.shell.wait()
        raise AssertionError(f"failed:\n{block}\n{said}\n{(self.scratch / 'errors').read_text()[-3000:]}")

    def close(self):
        self.shell.stdin.close()
        self.shell.wait(30)
        self.shell.stdout.close()
        self.errors.close()


class Far:
    """example.net: a server of its own, and the DNS of the world."""

    def __init__(self, scratch, places):
        import mailcore
        import nameserver
        from mailcore import records

        self.dns = nameserver.NameServer({})
        settings = {"dns.server": self.dns.at, "outbound.port": places["ports"][25], "login.argon2_kib": 8}
        self.engine = mailcore.Engine(scratch / "far", hostname="mx.example.net", settings=settings)
        self.engine.start()
        self.you = self.engine.put_account("you@example.net", None)
        self.engine.listen("mx", "127.0.0.1", places["far"])
        self.publish(records.zone_file("example.net", "mx.example.net", ["127.0.0.1"]))
        # Both servers have one address here; its name belongs to the one that is followed.
        for engine in (self.engine,):
            engine.set_dns("1.0.0.127.in-addr.arpa", "PTR", "mx.example.org.")

    def publish(self, zone):
        """Adds the records of a zone file to the DNS."""
        text = re.sub(r"^;.*$", "", zone, flags=re.M)
        text = re.sub(r"\(([^)]*)\)", lambda group: " ".join(group.group(1).split()), text)
        for line in filter(None, map(str.strip, text.splitlines())):
            name, _, _, kind, *data = shlex.split(line)
            if kind == "SRV":
                continue
            if kind == "MX":
                entry = (kind, (int(data[0]), data[1].rstrip(".")))
            elif kind == "TXT":
                entry = (kind, [part.encode() for part in data])
            else:
                entry = (kind, data[0].rstrip("."))
            self.dns.zone.setdefault(name.rstrip("."), []).append(entry)

    def sends_to(self, address):
        from email.message import EmailMessage

        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "you@example.net", address, "The answer"
        message.set_content("It came.\n")
        delivery = self.engine.wait(self.engine.submit(message), timeout=60)
        assert delivery.delivered, delivery

    def receives(self, subject):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for mail in self.you["INBOX"]:
                if mail.subject == subject:
                    return mail
            self.engine.next_event(1)
        raise AssertionError(f"no mail {subject!r} came to you@example.net")

    def close(self):
        self.engine.close()
        self.dns.close()


# -- systemctl ---------------------------------------------------------------------------------------------------


def systemctl(scratch, verb, *arguments):
    """Runs, stops and looks at the one service there is: by the ExecStart of its unit."""
    running = scratch / "pid"

    def alive():
        try:
            return running.exists() and os.kill(int(running.read_text()), 0) is None
        except ProcessLookupError:
            return False

    def stop():
        if alive():
            os.kill(int(running.read_text()), signal.SIGTERM)
            until = time.monotonic() + 30
            while alive() and time.monotonic() < until:
                time.sleep(0.02)
        running.unlink(missing_ok=True)

    if verb == "enable":
        assert arguments[0] == "--now", arguments
        verb = "start"
    if verb in ("restart", "stop"):
        stop()
    if verb in ("start", "restart") and not alive():
        start(scratch, running)
    if verb == "kill":
        assert arguments[0] == "--signal=HUP", arguments
        os.kill(int(running.read_text()), signal.SIGHUP)
    if verb == "is-active":
        if "--quiet" not in arguments:
            print("active" if alive() else "inactive")
        return 0 if alive() else 3
    return 0


def start(scratch, running):
    unit = (scratch / "etc/systemd/system/mailcore.service").read_text().replace("\\\n", " ")
    command = re.search(r"^ExecStart=(.*)$", unit, re.M).group(1)
    for port, at in json.loads(os.environ["PORTS"]).items():
        command = re.sub(rf"0\.0\.0\.0:{port}\b", f"127.0.0.1:{at}", command)
    command = [*shlex.split(command), *shlex.split((scratch / "options").read_text()), "--set", "login.argon2_kib=8"]
    log = open(scratch / "journal", "ab")
    begin = log.seek(0, 2)
    # A process of its own session: it outlives this call, and nobody waits for it.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    running.write_text(f"{process.pid}\n")
    until = time.monotonic() + 60
    while b'"event":"ready"' not in (scratch / "journal").read_bytes()[begin:]:
        assert process.poll() is None and time.monotonic() < until, (scratch / "journal").read_text()
        time.sleep(0.02)


if __name__ == "__main__":
    if sys.argv[1] == "systemctl":
        sys.exit(systemctl(pathlib.Path(os.environ["SCRATCH"]), *sys.argv[2:]))
    else:
        main(*sys.argv[1:])
