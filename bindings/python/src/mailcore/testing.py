"""A mail server for tests: takes mail for anybody, sends none, and shows what came. Also a pytest plugin.

    def test_welcome(mailserver):
        app.configure(smtp=(mailserver.host, mailserver.port))
        app.sign_up("ann@example.org")
        mail = mailserver.wait_for(to="ann@example.org")
        assert mail.subject == "Welcome"
        app.follow(mail.links[0])

pytest finds the fixtures `mailserver` and `mailserver_factory` by itself where the package is installed, otherwise by
`-p mailcore.testing`. Without pytest, `MailServer` is a context manager. The engine behind it is the whole one: mail can
be read by IMAP and POP3, with any user name and password.
"""

import email.message
import email.policy
import html.parser
import os
import re
import shutil
import smtplib
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from .account import Account
from .engine import Engine, Listener, Setting
from .event import DeliveryState, Event

__all__ = ["Attachment", "Mail", "MailServer", "duration"]

# What makes an engine quick, and of no use for anything but tests.
_QUICK: Dict[str, Setting] = {
    "login.argon2_kib": 8,
    "login.argon2_passes": 1,
    "login.failure_pause_seconds": 0,
    "login.failures_per_peer_max": 0,
    "login.failures_per_network_max": 0,
    "login.failures_per_account_max": 0,
    "sessions.per_account_max": 10_000,
    "login.allow_plaintext": True,
    "sessions.per_peer_max": 10_000,
    "outbound.retry_jitter_percent": 0,
    "events.capacity": 1_000_000,
    "store.readers": 1,
}

_UNITS = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "day": 86_400, "days": 86_400}


def duration(value: "str | float | timedelta") -> timedelta:
    """A time as tests write it: a timedelta, seconds, or a text like "2 h", "90 s", "1 d 12 h"."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        return timedelta(seconds=value)
    parts = re.findall(r"([0-9.]+)\s*([a-z]+)", value.lower())
    if not parts or re.sub(r"([0-9.]+)\s*([a-z]+)", "", value.lower()).strip():
        raise ValueError(f"{value!r} is no time like '2 h' or '1 d 12 h'")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except KeyError as e:
        raise ValueError(f"{value!r}: no unit {e}; there are {', '.join(_UNITS)}") from None


@dataclass(frozen=True)
class Attachment:
    """A file that came with a mail."""

    name: str
    content_type: str
    content: bytes


class Mail:
    """A mail that the server took.

    `sender` and `recipients` are the envelope's. `raw` is the mail as it was sent, below the fields of the server's own.
    """

    def __init__(self, octets: bytes, sender: str, to: str, verdicts: str) -> None:
        own, sent = split(octets)
        self.raw = sent
        self.sender = sender
        self.recipients: Tuple[str, ...] = _recipients(own) or (to,)
        self.verdicts: Dict[str, str] = {}
        """What SPF, DKIM and DMARC came to: `{"spf": "pass", "dkim": "none", "dmarc": "fail"}`."""
        for part in verdicts.split(";"):
            name, is_one, result = part.strip().partition("=")
            if is_one:
                self.verdicts.setdefault(name, result.split()[0] if result.split() else "")
        self.trace = own
        """The fields that the server wrote on top: Return-Path, Envelope-To, Authentication-Results, Received."""
        parsed = email.message_from_bytes(sent, policy=email.policy.default)
        assert isinstance(parsed, email.message.EmailMessage)
        self.email: email.message.EmailMessage = parsed

    def __getitem__(self, field: str) -> Optional[str]:
        """A header field, decoded; None where there is none."""
        value = self.email[field]
        return None if value is None else str(value)

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return self["Subject"] or ""

    @property
    def text(self) -> str:
        """The plain text; of a mail that has none, the text of its HTML."""
        part = self.email.get_body(("plain",))
        if part is not None:
            return str(part.get_content())
        return _text_of(self.html).text

    @property
    def html(self) -> str:
        """The HTML; empty where there is none."""
        part = self.email.get_body(("html",))
        return "" if part is None else str(part.get_content())

    @property
    def links(self) -> List[str]:
        """Links of the HTML and of the plain text, each once, in order."""
        part = self.email.get_body(("plain",))
        found = list(_text_of(self.html).links)
        if part is not None:
            found += [match.rstrip(".,;:!?)>]\"'") for match in _LINK.findall(str(part.get_content()))]
        return list(dict.fromkeys(found))

    @property
    def codes(self) -> List[str]:
        """One-time codes: numbers of 4 to 8 digits that stand alone, outside of links."""
        return codes_in(self.text)

    @property
    def attachments(self) -> List[Attachment]:
        """The files that came with it."""
        found = []
        for part in self.email.iter_attachments():
            content = part.get_content()
            if isinstance(content, str):
                content = content.encode("utf-8")
            elif not isinstance(content, bytes):
                content = content.as_bytes()
            found.append(Attachment(part.get_filename() or "", part.get_content_type(), content))
        return found

    def __repr__(self) -> str:
        return f"<Mail {self.subject!r} from {self.sender or '<>'} to {', '.join(self.recipients)}>"


_LINK = re.compile(r"https?://[^\s<>\"]+")
_CODE = re.compile(r"(?<![\w\-/:.#@+])[0-9]{4,8}(?![\w\-/:@]|\.[0-9])")


def codes_in(text: str) -> List[str]:
    """The one-time codes of a text: numbers of 4 to 8 digits that stand alone, outside of links."""
    return list(dict.fromkeys(_CODE.findall(_LINK.sub(" ", text))))


# The fields that the server puts on top, in its order.
_OWN = re.compile(rb"(?:(?:Return-Path|Envelope-To|Authentication-Results|Received):[^\n]*\n(?:[ \t][^\n]*\n)*)")


def split(octets: bytes) -> Tuple[bytes, bytes]:
    """The fields of the server's own, up to its Received, and what was sent."""
    at = 0
    while True:
        match = _OWN.match(octets, at)
        if match is None:
            return octets[:at], octets[at:]
        at = match.end()
        if match.group().startswith(b"Received:"):
            return octets[:at], octets[at:]


def _recipients(own: bytes) -> Tuple[str, ...]:
    match = re.search(rb"^Envelope-To:((?:[^\n]*\n)(?:[ \t][^\n]*\n)*)", own, re.MULTILINE)
    if match is None:
        return ()
    return tuple(part.strip()[1:-1] for part in match.group(1).decode("utf-8", "replace").split(",\r\n"))


# Elements whose text stands on lines of its own.
_BLOCKS = ("p", "div", "tr", "li", "td", "h1", "h2", "h3")


class _Reader(html.parser.HTMLParser):
    """Text and links of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.links: List[str] = []
        self._parts: List[str] = []
        self._hidden = 0

    @property
    def text(self) -> str:
        return re.sub(r"[ \t]+", " ", "".join(self._parts)).strip()

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        if tag in ("style", "script", "title"):
            self._hidden += 1
        elif tag == "br" or tag in _BLOCKS:
            self._parts.append("\n")
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script", "title") and self._hidden:
            self._hidden -= 1
        elif tag in _BLOCKS:
            self._parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._parts.append(data)


def _text_of(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader


class MailServer:
    """A mail server on ports of its own on the loopback interface, with a store that goes with it.

    `host` and `port` are SMTP's, which takes mail from anybody for anybody, with any login or none. `imap_port` and
    `pop3_port` are opened when they are first asked for. With `tls=True` all ports offer STARTTLS, `certificate` is to be
    trusted, and `smtps_port`, `imaps_port` and `pop3s_port` begin with TLS. Names are those of `dns`: nobody else is asked.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        *,
        hostname: str = "mail.test",
        tls: bool = False,
        sink: str = "each",
        settings: Optional[Mapping[str, Setting]] = None,
    ) -> None:
        # A disk in memory, where there is one: each mail is synced.
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = tempfile.mkdtemp(prefix="mailcore-", dir=shm)
        self._lock = threading.RLock()
        self._mails: List[Mail] = []
        self._traces: Dict[str, Mail] = {}
        self._accounts: Dict[str, Account] = {}
        self._listeners: Dict[str, Listener] = {}
        self.events: List[Event] = []
        """All events so far, as of the last look at `messages`."""
        own: Dict[str, Setting] = {**_QUICK, "sink": sink, "tls.self_signed": tls}
        try:
            self.engine = Engine(
                os.path.join(self._folder, "store"), hostname=hostname, settings={**own, **(settings or {})}
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        try:
            self.engine.start()
            self.port = self._port("mx")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends it; its mail is gone. A second call does nothing."""
        with self._lock:
            for account in self._accounts.values():
                account.close()
            self._accounts.clear()
        self.engine.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "MailServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- where it is -----------------------------------------------------------------------------------------

    def _port(self, service: str) -> int:
        with self._lock:
            if service not in self._listeners:
                self._listeners[service] = self.engine.listen(service, self.host)
            return int(self._listeners[service].port)

    @property
    def imap_port(self) -> int:
        """IMAP. Any user name and password log in, unless `account` gave the address a password."""
        return self._port("imap")

    @property
    def pop3_port(self) -> int:
        """POP3, with logins as of IMAP."""
        return self._port("pop3")

    @property
    def lmtp_port(self) -> int:
        """LMTP."""
        return self._port("lmtp")

    @property
    def smtps_port(self) -> int:
        """SMTP with TLS from the first byte."""
        return self._port("submissions")

    @property
    def imaps_port(self) -> int:
        """IMAP with TLS from the first byte."""
        return self._port("imaps")

    @property
    def pop3s_port(self) -> int:
        """POP3 with TLS from the first byte."""
        return self._port("pop3s")

    @property
    def certificate(self) -> str:
        """The certificate that is shown with `tls=True`, PEM: `ssl.create_default_context(cadata=...)`."""
        return self.engine.get("tls.certificate")

    def smtp(self, **options: Any) -> smtplib.SMTP:
        """A connection to it."""
        return smtplib.SMTP(self.host, self.port, **{"timeout": 30, **options})

    # -- what came -------------------------------------------------------------------------------------------

    @property
    def messages(self) -> List[Mail]:
        """What came so far, in order. A mail to several recipients is there once."""
        with self._lock:
            while True:
                event = self.engine.next_event(0)
                if event is None:
                    return list(self._mails)
                self._note(event)

    def __len__(self) -> int:
        return len(self.messages)

    def __iter__(self) -> Iterator[Mail]:
        return iter(self.messages)

    def __bool__(self) -> bool:
        return True

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if event.name != "filed" or event["mailbox_name"] != "INBOX" or event["trace"] in self._traces:
            return
        address = event["address"]
        if address not in self._accounts:
            self._accounts[address] = self.engine.account(address)
        with self._accounts[address]["INBOX"] as inbox, inbox[event["uid"]] as message:
            mail = Mail(message.as_bytes(), event["from"], address, event["verdicts"])
        if event["trace"]:
            self._traces[event["trace"]] = mail
        self._mails.append(mail)

    def wait(self, count: int = 1, timeout: float = 10.0) -> List[Mail]:
        """Waits until `count` mails have come, and gives all there are; `TimeoutError` after `timeout` seconds."""
        mails: List[Mail] = self._wait(lambda mails: mails if len(mails) >= count else None, timeout, f"{count} mails")
        return mails

    def wait_for(
        self,
        to: Optional[str] = None,
        subject: "str | re.Pattern[str] | None" = None,
        sender: Optional[str] = None,
        timeout: float = 10.0,
    ) -> Mail:
        """Waits for a mail to `to`, from `sender`, whose subject has `subject` in it; the first one there is.

        `TimeoutError` after `timeout` seconds, with what came instead.
        """

        def fits(mail: Mail) -> bool:
            if to is not None and to.lower() not in (one.lower() for one in mail.recipients):
                return False
            if sender is not None and sender.lower() != mail.sender.lower():
                return False
            if isinstance(subject, str):
                return subject in mail.subject
            return subject is None or bool(subject.search(mail.subject))

        wanted = {"to": to, "subject": subject, "sender": sender}
        named = ", ".join(f"{name}={value!r}" for name, value in wanted.items() if value is not None)
        mail: Mail = self._wait(lambda mails: next(filter(fits, mails), None), timeout, f"mail with {named}")
        return mail

    def _wait(self, find: Callable[[List[Mail]], Any], timeout: float, wanted: str) -> Any:
        end = time.monotonic() + timeout
        while True:
            found = find(self.messages)
            if found is not None:
                return found
            left = end - time.monotonic()
            if left <= 0:
                came = ", ".join(map(repr, self._mails)) or "none"
                raise TimeoutError(f"no {wanted} within {timeout:g} seconds; what came: {came}")
            # Short waits, so that other threads may look as well.
            event = self.engine.next_event(min(left, 0.05))
            if event is not None:
                with self._lock:
                    self._note(event)

    def reset(self) -> None:
        """Forgets mail, accounts, the queue, trouble and records of `dns`; the ports stay."""
        with self._lock:
            self.engine.clear_trouble()
            self.engine.queue_control("drop")
            self.engine.set_dns(None)
            self.messages
            for account in self._accounts.values():
                account.close()
            self._accounts.clear()
            for address in self.engine.accounts():
                self.engine.delete_account(address)
            self._mails.clear()
            self._traces.clear()
            self.events.clear()

    # -- what it does ----------------------------------------------------------------------------------------

    def account(self, address: str, password: Optional[str] = None) -> Account:
        """An account, which with a password is logged in to with that password only."""
        return self.engine.put_account(address, password)

    def dns(self, name: str, type: str, rdata: str) -> None:
        """A DNS record: `dns("example.org", "TXT", "v=spf1 ip4:127.0.0.1 -all")`."""
        self.engine.set_dns(name, type, rdata)

    def advance(self, by: "str | float | timedelta") -> None:
        """Moves the server's clock: "2 h". What is due by then happens at once; from then on only this moves it.

        First attempts that are under way are waited for, so that their next ones are counted from before the move.
        """
        end = time.monotonic() + 5
        while any(queued.state is DeliveryState.WAITING for queued in self.engine.queue()) and time.monotonic() < end:
            time.sleep(0.002)
        self.engine.advance_clock(duration(by))

    def fail_next(self, stage: str, code: int = 451, text: Optional[str] = None, **more: Any) -> None:
        """Refuses once: `fail_next("RCPT", 451)`; `more` as for `Engine.add_trouble` (address, protocol, times, ...)."""
        self.engine.fail_next(stage, code, text, **more)

    def drop_next(self, stage: str, **more: Any) -> None:
        """Ends the connection once at `stage`, without a word."""
        self.engine.add_trouble(stage, drop=True, **{"times": 1, **more})

    def delay(self, stage: str, by: "str | float | timedelta", **more: Any) -> None:
        """Waits at `stage` before it goes on, always or `times` times."""
        self.engine.add_trouble(stage, wait=duration(by), **more)

    def bounces(self, address: str, code: int = 550, text: Optional[str] = None, times: int = 0) -> None:
        """Mail to `address` is taken, cannot be delivered, and comes back to its sender as a real report (DSN).

        With a code below 500 it is tried again: `advance` makes it due; with `times` it comes through in the end.
        """
        self.engine.add_trouble("deliver", code, text, address=address, times=times)


Factory = Callable[..., MailServer]

# pytest has imported itself where this is its plugin; nobody else needs to wait for it.
if "pytest" in sys.modules:
    import pytest

    @pytest.fixture
    def mailserver_factory() -> Iterator[Factory]:
        """Makes servers with other options: `mailserver_factory(tls=True)`. They end with the test."""
        made: List[MailServer] = []

        def make(**options: Any) -> MailServer:
            server = MailServer(**options)
            made.append(server)
            return server

        try:
            yield make
        finally:
            for server in made:
                server.close()

    @pytest.fixture
    def mailserver() -> Iterator[MailServer]:
        """A mail server for one test."""
        with MailServer() as server:
            yield server
