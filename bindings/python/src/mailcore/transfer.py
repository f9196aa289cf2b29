"""Mail into and out of a store: `mailcore import` and `mailcore export`, as .eml files, mbox or Maildir.

What was written is verified: after an import each message is read back from the store and compared, after an export each
file is read back and compared. Octets stay as they are; LF line ends become CRLF on the way in, and mbox and Maildir have
LF line ends on the way out.
"""

import argparse
import contextlib
import email.utils
import hashlib
import json
import os
import re
from datetime import datetime, timezone
from typing import BinaryIO, Iterator, List, Optional, Tuple

from . import control, progress
from .account import Account, Mailbox
from .errors import NotFound
from .message import Flag, Message

#: Octets of one message that is read from a file.
MESSAGE_OCTETS_MAX = 256 << 20

_FLAGS = {"S": Flag.SEEN, "R": Flag.ANSWERED, "F": Flag.FLAGGED, "T": Flag.DELETED, "D": Flag.DRAFT}

Item = Tuple[str, bytes, Flag, Optional[datetime]]


def arguments(importing: argparse.ArgumentParser, exporting: argparse.ArgumentParser) -> None:
    """The options of `mailcore import` and `mailcore export`."""
    importing.add_argument(
        "source", metavar="SOURCE", help="a file, or a folder (eml: its *.eml; maildir: the Maildir)"
    )
    exporting.add_argument(
        "target", metavar="TARGET", help="a folder that is new or empty (eml, maildir), a new file (mbox)"
    )
    for both in (importing, exporting):
        both.add_argument("--store", metavar="FOLDER", required=True, help="a store that no server has open")
        both.add_argument("--account", metavar="ADDRESS", required=True, help="whose mail it is")
        both.add_argument("--mailbox", metavar="NAME", default="INBOX", help="the mailbox (default: INBOX)")
        both.add_argument("--format", choices=("eml", "mbox", "maildir"), required=True, help="how the mail lies there")
        both.add_argument("--json", action="store_true", help="tells the outcome as a JSON object")


def import_(options: argparse.Namespace) -> int:
    """Reads mail into a mailbox, and compares what the store then has."""
    items = _read(options.format, options.source)
    total, done, octets = _octets_of(options.source), 0, 0
    with control.connect(options.store) as store, store.engine.account(options.account) as account:
        with _opened(account, options.mailbox) as mailbox:
            for name, message, flags, when in items:
                uid = mailbox.append(message, flags, when)
                with mailbox[uid] as kept:
                    if kept.as_bytes() != message:
                        raise OSError(f"{name}: the store does not give back what was put in")
                done, octets = done + 1, octets + len(message)
                progress.show(octets, total, f"{done} messages")
    _told(options, done, octets)
    return 0


def export(options: argparse.Namespace) -> int:
    """Writes the mail of a mailbox, and reads back what was written."""
    target = options.target
    if options.format == "mbox":
        if os.path.exists(target):
            raise ValueError(f"{target}: there is a file already")
    elif os.path.isdir(target) and os.listdir(target) or os.path.isfile(target):
        raise ValueError(f"{target}: not an empty folder")
    with control.connect(options.store) as store, store.engine.account(options.account) as account:
        with account[options.mailbox] as mailbox:
            total = sum(message.size for message in mailbox)
            writing = {"eml": _write_eml, "mbox": _write_mbox, "maildir": _write_maildir}[options.format]
            done, octets = 0, 0
            for size in writing(mailbox, target):
                done, octets = done + 1, octets + size
                progress.show(octets, total, f"{done} messages")
    _told(options, done, octets)
    return 0


def _told(options: argparse.Namespace, messages: int, octets: int) -> None:
    progress.end()
    if options.json:
        print(json.dumps({"messages": messages, "octets": octets, "verified": True}))
    else:
        print(f"{messages} messages, {octets} octets, verified")


@contextlib.contextmanager
def _opened(account: Account, name: str) -> Iterator[Mailbox]:
    try:
        mailbox = account[name]
    except NotFound:
        mailbox = account.create(name)
    with mailbox:
        yield mailbox


# -- reading ------------------------------------------------------------------------------------------------


def _octets_of(source: str) -> int:
    if os.path.isfile(source):
        return os.path.getsize(source)
    sizes = (os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(source) for name in names)
    return sum(sizes)


def _read(kind: str, source: str) -> Iterator[Item]:
    if not os.path.exists(source):
        raise ValueError(f"{source}: there is no such file or folder")
    if kind == "mbox":
        return _read_mbox(source)
    if kind == "maildir":
        return _read_maildir(source)
    return _read_eml(source)


def _read_eml(source: str) -> Iterator[Item]:
    names = [source]
    if os.path.isdir(source):
        names = [os.path.join(source, name) for name in sorted(os.listdir(source)) if name.lower().endswith(".eml")]
    for name in names:
        with open(name, "rb") as file:
            message = _crlf(_bounded(name, file))
        yield name, message, Flag(0), _date_of(message)


def _read_maildir(source: str) -> Iterator[Item]:
    if not os.path.isdir(os.path.join(source, "cur")):
        raise ValueError(f"{source}: no Maildir: there is no folder cur in it")
    for part in ("cur", "new"):
        folder = os.path.join(source, part)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if name.startswith("."):
                continue
            path = os.path.join(folder, name)
            letters = name.rpartition(":2,")[2] if ":2," in name else ""
            flags = Flag(0)
            for letter in letters:
                flags |= _FLAGS.get(letter, Flag(0))
            with open(path, "rb") as file:
                message = _crlf(_bounded(path, file))
            yield path, message, flags, datetime.fromtimestamp(os.stat(path).st_mtime, timezone.utc)


def _read_mbox(source: str) -> Iterator[Item]:
    """An mbox file (mboxrd, mboxo): a message begins at "From " behind an empty line."""
    with open(source, "rb") as file:
        lines: List[bytes] = []
        number, size, empty, began = 0, 0, True, False
        for line in file:
            if empty and line.startswith(b"From "):
                if began:
                    yield _mbox_item(source, number, lines)
                lines, size, began = [], 0, True
                number += 1
            elif began:
                lines.append(line[1:] if re.match(rb">+From ", line) else line)
                size += len(line)
                if size > MESSAGE_OCTETS_MAX:
                    raise ValueError(f"{source}: message {number} is longer than {MESSAGE_OCTETS_MAX} octets")
            elif line.strip():
                raise ValueError(f"{source}: no mbox file: it does not begin with a From line")
            empty = not line.strip(b"\r\n")
        if began:
            yield _mbox_item(source, number, lines)


def _mbox_item(source: str, number: int, lines: List[bytes]) -> Item:
    if lines and not lines[-1].strip(b"\r\n"):
        lines = lines[:-1]  # the line between two messages
    message = _crlf(b"".join(lines))
    header = message.partition(b"\r\n\r\n")[0]
    status = re.findall(rb"(?im)^(?:X-)?Status:[ \t]*([A-Z]+)", header)
    letters = b"".join(status).decode("ascii")
    flags = Flag(0)
    for letter, flag in (
        ("R", Flag.SEEN),
        ("A", Flag.ANSWERED),
        ("F", Flag.FLAGGED),
        ("D", Flag.DELETED),
        ("T", Flag.DRAFT),
    ):
        if letter in letters:
            flags |= flag
    return f"{source}, message {number}", message, flags, _date_of(message)


def _bounded(name: str, file: BinaryIO) -> bytes:
    octets = file.read(MESSAGE_OCTETS_MAX + 1)
    if len(octets) > MESSAGE_OCTETS_MAX:
        raise ValueError(f"{name}: longer than {MESSAGE_OCTETS_MAX} octets")
    return octets


def _crlf(octets: bytes) -> bytes:
    return re.sub(rb"(?<!\r)\n", b"\r\n", octets)


def _date_of(message: bytes) -> Optional[datetime]:
    """When it was written, by its own Date field."""
    match = re.search(rb"(?im)^Date:([^\r\n]*)", message.partition(b"\r\n\r\n")[0])
    if match is None:
        return None
    try:
        found = email.utils.parsedate_to_datetime(match.group(1).decode("ascii", "replace").strip())
        return found if found.timestamp() > 0 else None
    except (TypeError, ValueError, OverflowError):
        return None


# -- writing ------------------------------------------------------------------------------------------------


def _write_eml(mailbox: Mailbox, target: str) -> Iterator[int]:
    os.makedirs(target, exist_ok=True)
    for message in mailbox:
        with message:
            octets = message.as_bytes()
        _written(os.path.join(target, f"{message.uid:08}.eml"), octets, message)
        yield len(octets)


def _write_maildir(mailbox: Mailbox, target: str) -> Iterator[int]:
    for part in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(target, part), exist_ok=True)
    for message in mailbox:
        with message:
            octets = message.as_bytes()
        letters = "".join(sorted(letter for letter, flag in _FLAGS.items() if flag in message.flags))
        seconds = int(message.time.timestamp()) if message.time else 0
        name = f"{seconds}.U{message.uid}.mailcore:2,{letters}"
        _written(os.path.join(target, "cur", name), octets.replace(b"\r\n", b"\n"), message)
        yield len(octets)


def _write_mbox(mailbox: Mailbox, target: str) -> Iterator[int]:
    digest = hashlib.sha256()
    with open(target, "xb") as out:
        for message in mailbox:
            with message:
                octets = message.as_bytes()
            when = message.time or datetime.fromtimestamp(0, timezone.utc)
            text = re.sub(rb"(?m)^(>*From )", rb">\1", octets.replace(b"\r\n", b"\n"))
            sender = re.match(rb"Return-Path:\s*<([^>\s]+)>", octets)
            who = sender.group(1) if sender else b"MAILER-DAEMON"
            entry = b"From " + who + b" " + when.strftime("%a %b %d %H:%M:%S %Y").encode("ascii") + b"\n" + text
            entry += b"\n" if text.endswith(b"\n") else b"\n\n"
            out.write(entry)
            digest.update(entry)
            yield len(octets)
        out.flush()
        os.fsync(out.fileno())
    with open(target, "rb") as back:
        found = hashlib.sha256()
        for piece in iter(lambda: back.read(1 << 20), b""):
            found.update(piece)
    if found.digest() != digest.digest():
        raise OSError(f"{target}: the file does not give back what was written")


def _written(path: str, octets: bytes, message: Message) -> None:
    """Writes a file, synced, and reads it back."""
    with open(path, "xb") as out:
        out.write(octets)
        out.flush()
        os.fsync(out.fileno())
    with open(path, "rb") as back:
        if back.read() != octets:
            raise OSError(f"{path}: the file does not give back what was written")
    if message.time:
        os.utime(path, (message.time.timestamp(), message.time.timestamp()))
