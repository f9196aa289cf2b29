"""A mail as the inbox shows it: its summary, its parts, its links, its header explained."""

import email.header
import email.message
import email.policy
import email.utils
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..testing import Mail, codes_in

#: Characters of the text that a search looks at.
SEARCHED_CHARACTERS = 4_000
#: Characters of the text that a row shows.
SNIPPET_CHARACTERS = 140
#: Parts of a message that are shown; further ones are in the source.
PARTS_MAX = 500

_TRACE = re.compile(rb"^Received:(?:[^\n]*\n[ \t])*[^\n]*?\bid\s+([0-9A-Za-z]+)", re.MULTILINE)

_YEAR = re.compile("(19|20)[0-9][0-9]")

#: What the fields of a header are for.
_MEANING = {
    "return-path": "The envelope sender. Bounces go there.",
    "envelope-to": "The recipients of the envelope, which need not be those of To and Cc.",
    "authentication-results": "What this server found when it checked the origin of the mail.",
    "received": "A server that took the mail. The topmost one is the last.",
    "from": "The author, as mail programs show it. DMARC checks this domain.",
    "sender": "Who sent it, where that is not the author.",
    "reply-to": "Where replies go.",
    "to": "The recipients that everybody sees.",
    "cc": "Further recipients that everybody sees.",
    "bcc": "Hidden recipients. A mail that is sent should not have this field.",
    "subject": "The subject.",
    "date": "When the author wrote it, by the author's clock.",
    "message-id": "The name of this mail. It must be different for each mail.",
    "in-reply-to": "The mail that this one answers.",
    "references": "The mails of the thread so far.",
    "mime-version": "The message uses MIME. Always 1.0.",
    "content-type": "What the body is, and its character set.",
    "content-transfer-encoding": "How the body is written so that it survives the way.",
    "content-disposition": "Whether a part is shown or attached.",
    "content-id": "The name by which the HTML refers to this part.",
    "dkim-signature": "A signature by the domain after d=, over the body and the fields after h=.",
    "arc-seal": "A signature of a forwarder over what it found.",
    "arc-message-signature": "A signature of a forwarder over the mail.",
    "arc-authentication-results": "What a forwarder found when it checked the mail.",
    "list-unsubscribe": "Where readers unsubscribe. Large providers ask for it in bulk mail.",
    "list-unsubscribe-post": "One click unsubscribes (RFC 8058).",
    "list-id": "The name of the mailing list.",
    "auto-submitted": "A program wrote this. Other programs should not answer it.",
    "precedence": "An old way to say that the mail is bulk.",
    "x-mailer": "The program that wrote it.",
    "user-agent": "The program that wrote it.",
    "x-priority": "How urgent the author thinks it is. 1 is high, 5 is low.",
    "importance": "How important the author thinks it is.",
}


@dataclass
class Letter:
    """What the inbox keeps of a mail. The octets stay in the store."""

    id: int
    trace: str
    sender: str
    recipients: List[str]
    author: str
    subject: str
    snippet: str
    time_ms: int
    size: int
    attachments: int
    codes: List[str]
    words: str = field(repr=False)
    seen: bool = False
    state: str = "filed"
    filings: List[Dict[str, Any]] = field(default_factory=list)
    queue: List[str] = field(default_factory=list)
    releases: List[Dict[str, Any]] = field(default_factory=list)
    outcomes: List[Dict[str, Any]] = field(default_factory=list)
    connection: List[Dict[str, Any]] = field(default_factory=list)
    peer: str = ""
    checks: List[Dict[str, Any]] = field(default_factory=list)
    raw: Optional[bytes] = field(default=None, repr=False)

    def row(self) -> Dict[str, Any]:
        """What the list shows."""
        return {
            "id": self.id,
            "sender": self.sender,
            "recipients": self.recipients[:20],
            "author": self.author,
            "subject": self.subject,
            "snippet": self.snippet,
            "time_ms": self.time_ms,
            "size": self.size,
            "attachments": self.attachments,
            "codes": self.codes[:5],
            "seen": self.seen,
            "state": self.state,
        }


def trace_of(octets: bytes) -> str:
    """The id in the topmost Received field."""
    match = _TRACE.search(octets.partition(b"\r\n\r\n")[0][:20_000])
    return match.group(1).decode("ascii") if match else ""


def return_path(octets: bytes) -> str:
    """The envelope sender, as the server wrote it on top."""
    match = re.match(rb"Return-Path:\s*<([^>\r\n]*)>", octets)
    return match.group(1).decode("utf-8", "replace") if match else ""


def mail_of(octets: bytes, sender: str, to: str = "") -> Mail:
    """A mail, parsed. One that Python's parser cannot take (parts inside parts, a thousand deep) is its header alone."""
    try:
        mail = Mail(octets, sender, to, "")
        for _ in parts_of(mail.email):
            pass
        return mail
    except Exception:
        header = octets.partition(b"\r\n\r\n")[0]
        plain = re.sub(rb"(?im)^content-[^\r\n]*(?:\r\n[ \t][^\r\n]*)*(?:\r\n|\Z)", b"", header).rstrip(b"\r\n")
        return Mail(plain + b"\r\n\r\nThis mail is too deep to be shown: see its source.\r\n", sender, to, "")


def letter_of(id: int, octets: bytes, sender: str, to: List[str], time_ms: int) -> Letter:
    """A letter from what the store has."""
    mail = mail_of(octets, sender, to[0] if to else "")
    text = _safely(lambda: mail.text, "")
    author = str(_safely(lambda: mail["From"], None) or "")
    subject = str(_safely(lambda: mail.subject, "") or "")
    recipients = list(mail.recipients) if mail.trace else to
    return Letter(
        id=id,
        trace=trace_of(octets),
        sender=sender,
        recipients=[one for one in recipients if one],
        author=one_line(author),
        subject=one_line(subject),
        snippet=one_line(text)[:SNIPPET_CHARACTERS],
        time_ms=time_ms,
        size=len(octets) - len(mail.trace),
        attachments=len(_safely(lambda: mail.attachments, [])),
        codes=[code for code in codes_in(text) if not _YEAR.fullmatch(code)],
        words=" ".join((author, subject, sender, *recipients, text[:SEARCHED_CHARACTERS])).lower(),
    )


def one_line(text: str) -> str:
    """A text on one line, without characters that are no text."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def detail_of(octets: bytes, letter: Letter) -> Dict[str, Any]:
    """All that the page shows of a mail, without the octets of its parts."""
    mail = mail_of(octets, letter.sender)
    parts = [describe(path, part) for path, part in parts_of(mail.email)]
    return {
        **letter.row(),
        "recipients": letter.recipients,
        "trace": letter.trace,
        "filings": letter.filings,
        "queue": letter.queue,
        "text": _safely(lambda: mail.text, ""),
        "html": bool(_safely(lambda: mail.html, "")),
        "codes": letter.codes,
        "links": _safely(lambda: mail.links, []),
        "headers": headers_of(mail),
        "parts": parts,
        "advice": advice_for(mail),
    }


def headers_of(mail: Mail) -> List[Dict[str, Any]]:
    """Each field of the header: as it is, decoded, and what it is for. `own` are those that this server wrote."""
    found = []
    for own, octets in ((True, mail.trace), (False, mail.raw)):
        compat = email.message_from_bytes(octets, policy=email.policy.compat32)
        for name, value in compat.items():
            raw = str(value)
            decoded = _safely(lambda: str(email.header.make_header(email.header.decode_header(raw))), raw)  # noqa: B023
            found.append(
                {
                    "name": name,
                    "value": re.sub(r"\s*\r?\n\s+", " ", decoded).strip(),
                    "own": own,
                    "meaning": _MEANING.get(name.lower(), ""),
                }
            )
    return found


def parts_of(message: email.message.EmailMessage) -> Iterator[Tuple[str, email.message.EmailMessage]]:
    """The parts with their place in the tree ("1.2"), from the outside in; at most `PARTS_MAX`."""
    waiting: List[Tuple[str, Any]] = [("", message)]
    count = 0
    while waiting and count < PARTS_MAX:
        path, part = waiting.pop(0)
        yield path or "0", part
        count += 1
        inner = part.get_payload() if part.is_multipart() else []
        if isinstance(inner, list):
            at = [(f"{path}.{n}" if path else str(n), one) for n, one in enumerate(inner, 1)]
            waiting[:0] = at


def describe(path: str, part: email.message.EmailMessage) -> Dict[str, Any]:
    """A part of the MIME tree."""
    return {
        "path": path,
        "type": part.get_content_type(),
        "charset": str(part.get_content_charset() or ""),
        "encoding": str(_safely(lambda: part["Content-Transfer-Encoding"], "") or ""),
        "disposition": str(_safely(part.get_content_disposition, "") or ""),
        "name": one_line(str(_safely(part.get_filename, "") or "")),
        "cid": str(_safely(lambda: part["Content-ID"], "") or "").strip("<> "),
        "size": len(content_of(part)),
        "multipart": part.is_multipart(),
    }


def content_of(part: email.message.EmailMessage) -> bytes:
    """The decoded octets of a part; of a message inside, its source; of a multipart, nothing."""
    if part.get_content_type() == "message/rfc822" and part.is_multipart():
        inner = part.get_payload(0)
        return bytes(_safely(lambda: inner.as_bytes(), b"")) if isinstance(inner, email.message.Message) else b""
    if part.is_multipart():
        return b""
    payload = _safely(lambda: part.get_payload(decode=True), b"")
    return payload if isinstance(payload, bytes) else b""


def advice_for(mail: Mail) -> List[str]:
    """What is wrong with a mail, as its sender should know it."""
    found = []
    for name, why in (
        ("Date", "RFC 5322 asks for it"),
        ("From", "RFC 5322 asks for it"),
        ("Message-ID", "filters and threads rely on it"),
    ):
        count = len(_safely(lambda: mail.email.get_all(name, []), []))  # noqa: B023
        if count == 0:
            found.append(f"There is no {name} field: {why}.")
        elif count > 1:
            found.append(f"There are {count} {name} fields: there may be one.")
    if mail.email["Bcc"] is not None:
        found.append("The Bcc field is still there: hidden recipients are shown to everybody.")
    if _safely(lambda: mail.html, "") and mail.email.get_body(("plain",)) is None:
        found.append("There is HTML and no plain text: filters count that against it.")
    if any(len(line) > 998 for line in mail.raw.split(b"\r\n")):
        found.append("A line is longer than 998 octets, the most that RFC 5322 allows.")
    return found


def _safely(read: Any, otherwise: Any) -> Any:
    """What `read` gives. Python's parser raises many kinds of errors for a broken message."""
    try:
        return read()
    except Exception:
        return otherwise
