#!/usr/bin/env python3
"""Compares what our Sieve says with what Pigeonhole's sieve-test says (Debian: dovecot-sieve).

    python3 tests/sieve/oracle.py            every script with every message; exit 1 where one differs unexpectedly
    python3 tests/sieve/oracle.py --write    writes what we say into expected/, which tests/vectors_sieve.rs replays

Needs MAILCORE_LIBRARY and PYTHONPATH as the Python tests do. `differs` lists scripts on which both disagree, each with
the reason. A message's first line is its envelope: reverse-path and recipient.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import mailcore

HERE = pathlib.Path(__file__).resolve().parent
CONFIG = """
mail_location = maildir:{home}/Maildir
mail_home = {home}
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 0
protocols =
log_path = /dev/stderr
recipient_delimiter = +
plugin {{
  sieve_extensions = +editheader +ereject +spamtest +spamtestplus +virustest +mboxmetadata +servermetadata +vacation-seconds
  sieve_vacation_min_period = 0
  sieve_max_redirects = 8
  sieve_user_email = bob@example.org
}}
"""


def messages():
    for path in sorted((HERE / "messages").glob("*.eml")):
        envelope, _, octets = path.read_bytes().partition(b"\n")
        sender, recipient = envelope.decode().split()
        yield path.stem, sender.strip("<>"), recipient, octets


def ours(engine, script, sender, recipient, octets):
    """Actions as lines; one line with the place of the fault where the script is wrong."""
    try:
        found = engine.sieve.test("bob@example.org", octets.replace(b"\n", b"\r\n"), script, sender, recipient)
    except mailcore.UsageError as wrong:
        return ["wrong: " + re.match(r"line \d+, column \d+", str(wrong.message)).group()]
    lines = []
    for one in found["actions"]:
        action = one["action"]
        flags = " ".join(sorted(flag.lower() for flag in one.get("flags", [])))
        flags = f" [{flags}]" if flags else ""
        if action == "keep":
            lines.append("file INBOX" + flags)
        elif action == "fileinto":
            lines.append(f"file {one['mailbox']}{flags}")
        elif action == "redirect":
            lines.append("redirect " + one["to"].lower())
        elif action == "reject":
            lines.append("reject " + one["reason"].strip())
        elif action == "vacation":
            lines.append(f"vacation {one['seconds']}")
        else:
            lines.append(action)
    if found["error"]:
        lines.append("failed")
    return sorted(set(lines))


def theirs(home, command, script, sender, recipient, octets):
    message = home / "message.eml"
    message.write_bytes(octets)
    run = subprocess.run(
        [*command, "-f", sender or "mailer-daemon@x.org", "-r", "bob@example.org", "-a", recipient, script, message],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "HOME": str(home), "USER": "nobody"}, check=False,
    )  # fmt: skip
    text = run.stdout.decode("utf-8", "replace")
    if "Performed actions" not in text and "compil" in text:
        return ["wrong"]
    lines = []
    flags = re.compile(r"\n\s+\+ add IMAP flags: ([^\n]*)")
    part = re.split(r"\nImplicit keep:\n|\nsieve-test\(", text.split("Performed actions:")[-1])
    implicit = text.split("Implicit keep:\n")[-1] if "Implicit keep:" in text else ""
    for block in re.split(r"\n \* ", part[0] + "\n * ".join([""] + re.split(r"\n \* ", implicit)[1:])):
        found = flags.search("\n" + block)
        mark = f" [{' '.join(sorted(set(found.group(1).lower().split())))}]" if found else ""
        head = block.split("\n")[0]
        if head.startswith("store message in folder: "):
            lines.append("file " + head.split(": ", 1)[1] + mark)
        elif head.startswith("redirect message to: <"):
            lines.append("redirect " + head.split("<", 1)[1].rstrip(">").lower())
        elif head.startswith("reject message with reason") or head.startswith("reject message"):
            lines.append("reject " + re.search(r"(?:reason: |START MESSAGE\n)(.*?)(?:\nEND MESSAGE|\n|$)", block, re.S).group(1).strip())
        elif head.startswith("send vacation message"):
            lines.append("vacation " + re.search(r"seconds : (\d+)", block).group(1))
    if "final result: failed" in text or "Fatal" in text:
        lines = [line for line in lines if line.startswith("file INBOX")] or ["file INBOX"]
        lines.append("failed")
    return sorted(set(lines))


def main():
    write = "--write" in sys.argv
    differs = {}
    for line in (HERE / "differs").read_text().splitlines() if (HERE / "differs").exists() else []:
        name, _, reason = line.partition(": ")
        differs[name] = reason
    home = pathlib.Path(tempfile.mkdtemp(prefix="sieve-oracle-"))
    try:
        uid, gid = ("nobody", "nogroup") if os.getuid() == 0 else (os.getuid(), os.getgid())
        (home / "dovecot.conf").write_text(CONFIG.format(home=home, uid=uid, gid=gid))
        command = ["sieve-test", "-c", str(home / "dovecot.conf")]
        if os.getuid() == 0:
            shutil.chown(home, uid, gid)
            command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]
        with mailcore.Engine(str(home / "engine"), hostname="mx.example.org") as engine:
            engine.put_account("bob@example.org", "x")
            return compare(engine, home, command, differs, write)
    finally:
        shutil.rmtree(home)


def compare(engine, home, command, differs, write):
    (HERE / "expected").mkdir(exist_ok=True)
    compared, bad, unused = 0, 0, set(differs)
    for path in sorted((HERE / "scripts").glob("*.sieve")):
        script, lines = path.read_text(), []
        copy = home / "script.sieve"
        copy.write_text(script)
        for name, sender, recipient, octets in messages():
            we = ours(engine, script, sender, recipient, octets)
            lines.append(f"{name}: {', '.join(we)}\n")
            # sieve-test cannot be given a null reverse-path.
            if shutil.which("sieve-test") is None or (not sender and "envelope" in script):
                continue
            they = theirs(home, command, copy, sender, recipient, octets)
            compared += 1
            # They decide on sending a reply later than sieve-test goes.
            they = [line for line in they if not line.startswith("vacation") or line in we]
            if ["wrong" if line.startswith("wrong") else line for line in we] != they:
                unused.discard(path.stem)
                if path.stem not in differs:
                    bad += 1
                    print(f"{path.stem} with {name}: ours {we}, theirs {they}")
        if write:
            (HERE / "expected" / f"{path.stem}.txt").write_text("".join(lines))
    for name in sorted(unused):
        print(f"differs: {name} does not")
    print(f"{compared} compared, {bad} differ unexpectedly")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
