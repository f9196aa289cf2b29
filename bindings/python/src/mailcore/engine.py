"""The engine: a store, its servers and its queue."""

import contextlib
import ctypes
import dataclasses
import email.message
import email.utils
import json
import os
import socket
import threading
import time
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Union

from . import _abi
from ._library import LIBRARY, Unique, call, close, get, get_number, take, text, until_interrupted
from ._library import text as _text
from .account import Account, rows, words
from .check import CheckStep, check
from .dkim import Keyring
from .errors import ClosedError, StateError, TimeoutError
from .event import Delivery, DeliveryState, Event, Queued, delivery_of, event_of
from .message import Draft, Message, moment, octets_of
from .report import DmarcReport, Suppressed, TlsReport, reports, suppressed, tls_reports
from .request import Handler, Request, answer, next_request, request_of, serve
from .session import Session, sessions
from .sieve import Sieve

# Waits are cut into slices so that Ctrl-C works meanwhile.
_SLICE_MS = 200

_SERVICES = {
    "mx": _abi.MAILCORE_SERVICE_MX,
    "submission": _abi.MAILCORE_SERVICE_SUBMISSION,
    "submissions": _abi.MAILCORE_SERVICE_SUBMISSIONS,
    "lmtp": _abi.MAILCORE_SERVICE_LMTP,
    "imap": _abi.MAILCORE_SERVICE_IMAP,
    "imaps": _abi.MAILCORE_SERVICE_IMAPS,
    "pop3": _abi.MAILCORE_SERVICE_POP3,
    "pop3s": _abi.MAILCORE_SERVICE_POP3S,
    "managesieve": _abi.MAILCORE_SERVICE_MANAGESIEVE,
}

_ACTIONS = {
    "retry": _abi.MAILCORE_QUEUE_RETRY,
    "hold": _abi.MAILCORE_QUEUE_HOLD,
    "release": _abi.MAILCORE_QUEUE_RELEASE,
    "bounce": _abi.MAILCORE_QUEUE_BOUNCE,
    "drop": _abi.MAILCORE_QUEUE_DROP,
    "expire": _abi.MAILCORE_QUEUE_EXPIRE,
    "reroute": _abi.MAILCORE_QUEUE_REROUTE,
}

_HOOKS = {
    "data": _abi.MAILCORE_HOOK_DATA,
    "rcpt": _abi.MAILCORE_HOOK_RCPT,
    "connect": _abi.MAILCORE_HOOK_CONNECT,
    "hello": _abi.MAILCORE_HOOK_HELLO,
    "login": _abi.MAILCORE_HOOK_LOGIN,
    "scram": _abi.MAILCORE_HOOK_SCRAM,
    "mail": _abi.MAILCORE_HOOK_MAIL,
    "rcpt_refused": _abi.MAILCORE_HOOK_RCPT_REFUSED,
}

# Stages of scripted trouble, also by the words that SMTP has for them.
_STAGES = {
    "connect": _abi.MAILCORE_STAGE_CONNECT,
    "hello": _abi.MAILCORE_STAGE_HELLO,
    "ehlo": _abi.MAILCORE_STAGE_HELLO,
    "login": _abi.MAILCORE_STAGE_LOGIN,
    "auth": _abi.MAILCORE_STAGE_LOGIN,
    "mail": _abi.MAILCORE_STAGE_MAIL,
    "rcpt": _abi.MAILCORE_STAGE_RCPT,
    "data": _abi.MAILCORE_STAGE_DATA,
    "message": _abi.MAILCORE_STAGE_MESSAGE,
    "accepted": _abi.MAILCORE_STAGE_ACCEPTED,
    "deliver": _abi.MAILCORE_STAGE_DELIVER,
}

Setting = Union[str, int, bool]


@dataclass(frozen=True)
class Property:
    """What can be set, or read, by name."""

    name: str
    doc: str
    initial: str
    minimum: int
    maximum: int
    writable: bool


@dataclass(frozen=True)
class Stats:
    """What an engine has done since it was opened (counters), and how it stands (gauges)."""

    uptime_ms: int
    smtp_sessions: int
    lmtp_sessions: int
    imap_sessions: int
    pop3_sessions: int
    smtp_open: int
    lmtp_open: int
    imap_open: int
    pop3_open: int
    logins: int
    logins_failed: int
    refused: int
    connections_broken: int
    queued: int
    filed: int
    filed_octets: int
    delivered: int
    deferred: int
    failed: int
    expired: int
    bounced: int
    events_dropped: int
    events_waiting: int
    accounts: int
    queue_messages: int

    def prometheus(self, prefix: str = "mailcore") -> str:
        """All of it in the text format of Prometheus."""
        lines = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "uptime_ms":
                name, kind, value = "uptime_seconds", "gauge", value / 1000
            elif field.name in _GAUGES:
                name, kind = field.name, "gauge"
            else:
                name, kind = field.name + "_total", "counter"
            lines.append(f"# TYPE {prefix}_{name} {kind}\n{prefix}_{name} {value}\n")
        return "".join(lines)


_GAUGES = {
    "smtp_open", "lmtp_open", "imap_open", "pop3_open", "events_waiting", "accounts", "queue_messages",
}  # fmt: skip


class Listener(Unique):
    """A listening socket of an engine."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.address = get(handle, "listener.address")
        self.port = get_number(handle, "listener.port")

    def close(self) -> None:
        """Listens no more; its sessions go on."""
        handle, self._handle = self._handle, 0
        if handle:
            close(handle)


class Engine(Unique):
    """A mail engine on the store in `folder`, or on the server of `store` ("postgres://user@host/db?schema=name").

    `with Engine(...) as engine:` starts it, and stops and closes it in the end; without `with`, call `start` and
    `close`. Settings are given as a mapping by their names in the C header ("outbound.port"), or as keyword
    arguments with `__` for the dot (`outbound__port=2525`).
    """

    def __init__(
        self,
        folder: "str | bytes | Any | None" = None,
        hostname: Optional[str] = None,
        *,
        store: Optional[str] = None,
        settings: Optional[Mapping[str, Setting]] = None,
        **more: Setting,
    ) -> None:
        self._handle = 0
        self._started = False
        self._asked = 0
        self._handlers: Dict[str, Handler] = {}
        self._answering: Optional[threading.Thread] = None
        lines: Dict[str, Setting] = dict(settings or {})
        if more:
            known = {known.name for known in properties()}
            for name, value in more.items():
                if name.replace("__", ".") not in known:
                    raise TypeError(f"Engine() has no argument and no setting {name!r}")
                lines[name.replace("__", ".")] = value
        options = _abi.mailcore_open(
            folder=None if folder is None else os.fsencode(folder),
            hostname=text(hostname),
            settings=text("".join(f"{name}={_written(name, value)}\n" for name, value in lines.items())),
            store=text(store),
        )
        handle = _abi.mailcore_engine()
        call("mailcore_engine_open", ctypes.byref(options), ctypes.byref(handle))
        self._handle = handle.value

    # -- life ------------------------------------------------------------------------------------------------

    @property
    def handle(self) -> int:
        """The number of the C interface."""
        if not self._handle:
            raise ClosedError(_abi.MAILCORE_E_HANDLE, "the engine is closed")
        return self._handle

    def start(self) -> "Engine":
        """Starts it: the queue is delivered, listeners may be opened."""
        call("mailcore_engine_start", self.handle)
        self._started = True
        if self._handlers:
            arguments = (self._handle, self._handlers)
            self._answering = threading.Thread(target=serve, args=arguments, name="mailcore-requests", daemon=True)
            self._answering.start()
        return self

    def stop(self, timeout: Optional[float] = 10.0) -> None:
        """Lets sessions and deliveries end for at most `timeout` seconds, then drops them."""
        handle, at_most = self.handle, _milliseconds(timeout)
        until_interrupted(handle, lambda: call("mailcore_engine_stop", handle, at_most))

    def close(self) -> None:
        """Stops it and closes the store. A second call does nothing."""
        handle, self._handle = self._handle, 0
        if handle:
            close(handle)
        answering, self._answering = self._answering, None
        if answering and answering is not threading.current_thread():
            answering.join()

    def interrupt(self) -> None:
        """Ends the waits of other threads on this engine."""
        LIBRARY.mailcore_interrupt(self.handle)

    def __enter__(self) -> "Engine":
        return self if self._started else self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", 0):
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self)
            self.close()

    def __repr__(self) -> str:
        return f"<Engine {self._handle:#x}>" if self._handle else "<Engine closed>"

    # -- settings, names, keys, clock ------------------------------------------------------------------------

    def get(self, name: str) -> str:
        """A setting as text."""
        return get(self.handle, name)

    def set(self, name: str, value: Setting) -> None:
        """Changes a setting, before the start."""
        call("mailcore_set_str", self.handle, text(name), text(_written(name, value)))

    def set_tls(self, certificate: "str | bytes", key: "str | bytes", server_name: Optional[str] = None) -> None:
        """The certificate chain and key that are served, PEM; for clients that ask for `server_name`, or all."""
        call("mailcore_tls_set", self.handle, text(server_name), _pem(certificate), _pem(key))

    def trust(self, authorities: "str | bytes") -> None:
        """Adds authorities (PEM) to those trusted for outgoing connections."""
        call("mailcore_tls_trust", self.handle, _pem(authorities))

    def set_dns(
        self, name: Optional[str], type: Optional[str] = None, rdata: Optional[str] = None, ttl: int = 300
    ) -> None:
        """A DNS record in place of what the DNS says: `set_dns("example.net", "MX", "10 mx.example.net")`."""
        call("mailcore_dns_set", self.handle, text(name), text(type), text(rdata), ttl)

    def set_clock(self, at: datetime) -> None:
        """Sets the engine's clock."""
        call("mailcore_clock_set", self.handle, int(at.timestamp() * 1000))

    def advance_clock(self, by: "timedelta | float") -> None:
        """Moves the engine's clock forward, by a timedelta or by seconds."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        call("mailcore_clock_advance", self.handle, int(seconds * 1000))

    # -- accounts --------------------------------------------------------------------------------------------

    def put_account(self, address: str, password: Optional[str]) -> Account:
        """Makes an account, or gives it a new password (None: nobody can log in)."""
        call("mailcore_account_put", self.handle, text(address), text(password))
        return self.account(address)

    def account(self, address: str) -> Account:
        """An account; `NotFound`."""
        return Account(self, address)

    def delete_account(self, address: str) -> None:
        """Deletes an account with all its mail."""
        call("mailcore_account_delete", self.handle, text(address))

    def check_password(self, address: str, password: str) -> None:
        """Checks a password; `AuthError`."""
        call("mailcore_account_check", self.handle, text(address), text(password))

    def accounts(self) -> List[str]:
        """Addresses of all accounts."""
        return [words(r.name) for r in rows(self.handle, _abi.MAILCORE_LIST_ACCOUNTS)]

    def put_domain(self, domain: str) -> None:
        """Makes a domain local."""
        call("mailcore_domain_put", self.handle, text(domain))

    def delete_domain(self, domain: str) -> None:
        """Makes a domain foreign again."""
        call("mailcore_domain_delete", self.handle, text(domain))

    def domains(self) -> List[str]:
        """The local domains."""
        return [words(r.name) for r in rows(self.handle, _abi.MAILCORE_LIST_DOMAINS)]

    def export_directory(self) -> "dict[str, Any]":
        """Domains with their settings, accounts, aliases and groups as one document (docs/directory.md)."""
        buf = _abi.mailcore_buf()
        call("mailcore_directory_export", self.handle, ctypes.byref(buf))
        exported: "dict[str, Any]" = json.loads(take(buf))
        return exported

    def apply_directory(
        self, document: "Mapping[str, Any]", *, dry_run: bool = False, whole: bool = False
    ) -> "dict[str, Any]":
        """Changes the directory by a document, all of it or nothing, and gives what changes (docs/directory.md).

        With `dry_run` nothing changes. With `whole` domains, aliases and groups that it does not name are removed.
        """
        flags = (_abi.MAILCORE_DIRECTORY_DRY_RUN if dry_run else 0) | (_abi.MAILCORE_DIRECTORY_WHOLE if whole else 0)
        buf = _abi.mailcore_buf()
        call("mailcore_directory_apply", self.handle, text(json.dumps(document)), flags, ctypes.byref(buf))
        changed: "dict[str, Any]" = json.loads(take(buf))
        return changed

    def put_alias(self, pattern: str, target: Optional[str]) -> None:
        """Adds a target to an alias ("sales@example.org", "@example.org"); None removes it with all targets."""
        call("mailcore_alias_put", self.handle, text(pattern), text(target))

    def aliases(self) -> Dict[str, List[str]]:
        """Targets by alias."""
        found: Dict[str, List[str]] = {}
        for r in rows(self.handle, _abi.MAILCORE_LIST_ALIASES):
            found.setdefault(words(r.name), []).append(words(r.text))
        return found

    @property
    def dkim(self) -> Keyring:
        """The keys that mail is signed with."""
        return Keyring(self.handle)

    @property
    def sieve(self) -> Sieve:
        """The Sieve scripts of accounts and domains."""
        return Sieve(self.handle)

    # -- outbound --------------------------------------------------------------------------------------------

    def submit(
        self,
        message: "email.message.Message | bytes",
        sender: Optional[str] = None,
        recipients: "str | Iterable[str] | None" = None,
        *,
        key: Optional[str] = None,
        not_before: Optional[datetime] = None,
    ) -> int:
        """Takes a message: recipients here have it, the others are queued. When this returns, it is on disk.

        A second submission under the same `key` within a week is not taken and gives the queue id of the first. Before
        `not_before` nobody gets the message.

        Sender and recipients are read from the header (Sender or From; To, Cc, Bcc) where they are not given and
        `message` is not bytes; of a message that was resent, from its Resent- fields (RFC 5322 3.6.6), as smtplib
        does: `ValueError` where it was resent more than once. "" is the null sender. Bcc does not leave. Gives the
        queue id, 0 where every recipient is here.
        """
        if isinstance(message, email.message.Message):
            prefix = _resent(message) if sender is None or recipients is None else ""
            if sender is None:
                authors = _addresses(message, prefix + "sender") or _addresses(message, prefix + "from")
                sender = authors[0] if authors else ""
            if recipients is None:
                recipients = _addresses(message, prefix + "to", prefix + "cc", prefix + "bcc")
        elif sender is None or recipients is None:
            raise TypeError("a message given as bytes has no sender and recipients of its own: give them")
        to = [recipients] if isinstance(recipients, str) else list(recipients)
        array = (ctypes.c_char_p * len(to))(*[text(address) for address in to])
        envelope = _abi.mailcore_envelope(**{"from": text(sender), "to": array, "to_count": len(to)})
        envelope.submit_key = text(key)
        if not_before is not None:
            envelope.not_before_ms = int(not_before.timestamp() * 1000)
        id = ctypes.c_uint64()
        with Draft(self.handle, octets_of(message)) as draft:
            call("mailcore_submit", draft.handle, ctypes.byref(envelope), ctypes.byref(id))
        return id.value

    def wait(self, id: int, timeout: Optional[float] = None) -> Delivery:
        """Waits until a queued message is finished; `TimeoutError` after `timeout` seconds.

        `id` is what `submit` gave: where that is 0, every recipient was here and has the message.
        """
        delivery = _abi.mailcore_delivery()
        for slice_ms in _slices(timeout):
            try:
                call("mailcore_queue_wait", self.handle, id, slice_ms, ctypes.byref(delivery))
                return delivery_of(delivery)
            except TimeoutError as e:
                late = e
        raise late

    def delivery(self, id: int) -> Delivery:
        """How a queued message fares now."""
        delivery = _abi.mailcore_delivery()
        try:
            call("mailcore_queue_wait", self.handle, id, 0, ctypes.byref(delivery))
        except TimeoutError:
            pass
        return delivery_of(delivery)

    def queue(self) -> Iterator[Queued]:
        """The queued messages."""
        for r in rows(self.handle, _abi.MAILCORE_LIST_QUEUE):
            recipients = tuple(words(r.text).split(",")) if r.text else ()
            state = DeliveryState(r.state)
            yield Queued(r.id, words(r.name), recipients, r.size, moment(r.time_ms), moment(r.due_ms), r.attempts,
                         r.code, words(r.detail), bool(r.flags & 1), state)  # fmt: skip

    def queue_control(self, action: str, id: int = 0) -> None:
        """"retry", "hold", "release", "bounce" or "drop" one queued message, or (0) all."""
        call("mailcore_queue_control", self.handle, id, _ACTIONS[action])

    def queue_select(
        self,
        action: str,
        *,
        id: int = 0,
        sender: Optional[str] = None,
        recipient: Optional[str] = None,
        domain: Optional[str] = None,
        held: Optional[bool] = None,
        at: Optional[datetime] = None,
    ) -> int:
        """As `queue_control`, for all queued messages that fit what is given; "expire" too, at the time `at`.

        Gives how many there were.
        """
        query = _abi.mailcore_queue_filter(id=id)
        query.held = 0 if held is None else (1 if held else 2)
        setattr(query, "from", text(sender))
        query.to, query.domain = text(recipient), text(domain)
        if (action == "expire") != (at is not None):
            raise TypeError('"expire" and a time belong together')
        at_ms = 0 if at is None else int(at.timestamp() * 1000)
        count = ctypes.c_uint64()
        call("mailcore_queue_select", self.handle, ctypes.byref(query), _ACTIONS[action], at_ms, ctypes.byref(count))
        return count.value

    def explain(self, id: int) -> "dict[str, Any]":
        """Why a queued message is where it is: its recipients, and each attempt line by line (docs/queue.md)."""
        buf = _abi.mailcore_buf()
        call("mailcore_queue_explain", self.handle, id, ctypes.byref(buf))
        explained: "dict[str, Any]" = json.loads(take(buf))
        return explained

    def sts_policy(self, mode: str, hosts: Iterable[str] = (), max_age: int = 604_800) -> "tuple[str, str]":
        """The MTA-STS policy to serve for a domain of ours, and its TXT record (RFC 8461).

        `mode` is "enforce", "testing" or "none"; without `hosts` the engine's hostname takes the mail.
        """
        policy, record = _abi.mailcore_buf(), _abi.mailcore_buf()
        call("mailcore_sts_policy", self.handle, text(mode), text(",".join(hosts)), max_age, ctypes.byref(policy),
             ctypes.byref(record))  # fmt: skip
        return take(policy).decode(), take(record).decode()

    def pause_destination(self, destination: str, reason: str = "") -> None:
        """Lets a domain, or host:port of the smart host, get no mail until `resume_destination`."""
        call("mailcore_destination_pause", self.handle, text(destination), text(reason))

    def resume_destination(self, destination: str) -> None:
        """Lets a destination get mail again."""
        call("mailcore_destination_resume", self.handle, text(destination))

    def destinations(self) -> "Iterator[dict[str, Any]]":
        """What waits for each destination: name, waiting, held, attempts, code, reply, paused and so on."""
        for r in rows(self.handle, _abi.MAILCORE_LIST_DESTINATIONS):
            detail = json.loads(words(r.detail))
            yield {"name": words(r.name), "waiting": r.total, "oldest": moment(r.time_ms), "due": moment(r.due_ms),
                   "attempts": r.attempts, "code": r.code, "reply": words(r.text), "paused": bool(r.flags & 1),
                   **detail}  # fmt: skip

    def queued_message(self, id: int) -> Message:
        """A queued message."""
        message = Message(self.handle, id)
        message._open()
        return message

    def dmarc_reports(self, after: int = 0) -> Iterator[DmarcReport]:
        """DMARC aggregate reports that came to "dmarc.report_address", with ids above `after`."""
        return reports(self.handle, after)

    def tls_reports(self, after: int = 0) -> Iterator[TlsReport]:
        """TLS reports that came to "tlsrpt.report_address", with ids above `after`."""
        return tls_reports(self.handle, after)

    def suppress(self, address: str, reason: str = "manual", detail: str = "", until: Optional[datetime] = None,
                 account: Optional[str] = None) -> None:  # fmt: skip
        """Lets an address, or "@domain" all of a domain's, get no mail: everybody's, or that of one account."""
        ends = 0 if until is None else int(until.timestamp() * 1000)
        with self._whose(account) as handle:
            call("mailcore_suppress", handle, text(address), text(reason), text(detail), ends)

    def unsuppress(self, address: str, account: Optional[str] = None) -> None:
        """Ends that. `NotFound` where the address was not suppressed."""
        with self._whose(account) as handle:
            call("mailcore_unsuppress", handle, text(address))

    @contextlib.contextmanager
    def _whose(self, address: Optional[str]) -> Iterator[int]:
        if address is None:
            yield self.handle
            return
        account = Account(self, address)
        try:
            yield account._handle
        finally:
            account.close()

    def suppressed(self) -> Iterator[Suppressed]:
        """Addresses that get no mail."""
        return suppressed(self.handle)

    def advice(self, domain: str) -> "dict[str, Any]":
        """What to publish in DNS for a domain, each record compared with what is there (docs/reports.md)."""
        buf = _abi.mailcore_buf()
        call("mailcore_dns_advice", self.handle, text(domain), ctypes.byref(buf))
        advice: "dict[str, Any]" = json.loads(take(buf))
        return advice

    def check(self) -> Iterator[CheckStep]:
        """Checks the store, step by step, beside all other work: a sound one gives no step with a `disagreement`.

        To stop early, close the iterator. One check runs at a time: `Busy`. Only a check that came to its end without
        an error has a result.
        """
        return check(self.handle)

    def sessions(self) -> Iterator[Session]:
        """Connections that clients have to the listeners, oldest first."""
        return sessions(self.handle)

    def end_session(self, id: int) -> None:
        """Ends one of them: its client is told so. `NotFound` where it has ended."""
        call("mailcore_session_end", self.handle, id)

    def backup(
        self, folder: "str | bytes | Any", progress: Optional[Callable[[int, int], object]] = None
    ) -> None:
        """Copies the store into `folder`, beside all other work, and checks the copy: then `Engine(folder)` opens it.

        `progress(done, total)` hears of bytes after each step; what it raises gives the backup up. `Exists` where the
        folder has a store.
        """
        cursor = _abi.mailcore_cursor()
        call("mailcore_backup", self.handle, os.fsencode(folder), ctypes.byref(cursor))
        try:
            row = _abi.mailcore_row()
            while call("mailcore_next", cursor, ctypes.byref(row)) == 1:
                if progress is not None:
                    progress(row.id, row.size)
        finally:
            LIBRARY.mailcore_close(cursor)

    # -- servers and events ----------------------------------------------------------------------------------

    def listen(self, service: str, address: str = "127.0.0.1", port: int = 0, trace: bool = False) -> Listener:
        """Listens: "mx", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s". With `trace` what both
        sides say becomes "dialog" events."""
        if service not in _SERVICES:
            raise ValueError(f"no service {service!r}; there are {', '.join(_SERVICES)}")
        options = _abi.mailcore_listen_options(service=_SERVICES[service], address=text(address), port=port)
        options.flags = _abi.MAILCORE_LISTEN_TRACE if trace else 0
        handle = _abi.mailcore_listener()
        call("mailcore_listen", self.handle, ctypes.byref(options), ctypes.byref(handle))
        return Listener(handle.value)

    def fileno(self) -> int:
        """A descriptor that is readable exactly while there is an event: for select and event loops."""
        fd = ctypes.c_int32()
        call("mailcore_events_fd", self.handle, ctypes.byref(fd))
        return fd.value

    def next_event(self, timeout: Optional[float] = None) -> Optional[Event]:
        """The next event; None when there was none within `timeout` seconds (0: there is none now)."""
        raw = _abi.mailcore_event()
        try:
            for slice_ms in _slices(timeout):
                if call("mailcore_events_next", self.handle, slice_ms, ctypes.byref(raw)) == 1:
                    event = event_of(raw)
                    if event.name != "request" or not self._handlers:
                        return event
                    # It came here before the thread that answers saw it.
                    request = request_of(self.handle, event)
                    if request is not None:
                        answer(request, self._handlers)
            return None
        finally:
            LIBRARY.mailcore_event_clear(ctypes.byref(raw))

    def events(self, timeout: Optional[float] = None) -> Iterator[Event]:
        """Events as they come; ends when the engine has stopped, or when none came within `timeout` seconds."""
        while True:
            try:
                event = self.next_event(timeout)
            except (StateError, ClosedError):
                return
            if event is None:
                return
            yield event


    def serve(self, service: str, socket: "socket.socket | int", trace: bool = False) -> None:
        """Serves one connection that the program made or accepted, in the background: one end of a `socketpair`, an
        inherited descriptor. It belongs to the engine from here on."""
        fd = socket if isinstance(socket, int) else socket.detach()
        flags = _abi.MAILCORE_LISTEN_TRACE if trace else 0
        try:
            call("mailcore_serve_fd", self.handle, _SERVICES[service], fd, flags)
        except BaseException:
            os.close(fd)
            raise

    def stats(self) -> Stats:
        """Counters and gauges; `stats().prometheus()` is their text for Prometheus."""
        raw = _abi.mailcore_stats()
        call("mailcore_engine_stats", self.handle, ctypes.byref(raw))
        return Stats(**{field.name: getattr(raw, field.name) for field in dataclasses.fields(Stats)})

    # -- decisions of the host -------------------------------------------------------------------------------

    def ask(self, *hooks: str) -> None:
        """Before the start: asks for decisions about each message ("data"), recipient that the engine takes ("rcpt")
        or refuses ("rcpt_refused"), sender ("mail"), connection ("connect"), name in EHLO ("hello"), login with a
        password ("login") or by SCRAM ("scram").

        Answer what `next_request` gives, in the time of the setting `hook.timeout_ms`; afterwards the peer is told
        to try again later. With `on_message` and `on_recipient` nothing of this is needed.
        """
        for hook in hooks:
            if hook not in _HOOKS:
                raise ValueError(f"no hook {hook!r}; there are {', '.join(_HOOKS)}")
            self._asked |= _HOOKS[hook]
        raw = _abi.mailcore_hooks(as_events=self._asked)
        call("mailcore_engine_set_hooks", self.handle, ctypes.byref(raw))

    def next_request(self, timeout: Optional[float] = None) -> Optional[Request]:
        """The next request, past the events in front of it; None when there was none within `timeout` seconds."""
        for slice_ms in _slices(timeout):
            came, request = next_request(self.handle, slice_ms)
            while came and request is None:
                came, request = next_request(self.handle, 0)
            if request is not None:
                return request
        return None

    def on_message(self, handler: Handler) -> Handler:
        """Before the start, also as a decorator: `handler(request)` decides about each message.

        It gives `accept()`, `junk()`, `reject(...)`, `defer(...)`, `redirect(...)`, or None for what the engine's
        own policy says; it may be an `async def`. Handlers run on one thread, one after the other. One that raises,
        or gives anything else, defers the message: the peer hears 451 at once, and the log "mailcore.hook" says why.
        """
        return self._handle_by("data", handler)

    def on_recipient(self, handler: Handler) -> Handler:
        """As `on_message`, for each recipient that the engine's own policy takes: None, `reject`, `defer` or
        `redirect`."""
        return self._handle_by("rcpt", handler)

    def on_refused_recipient(self, handler: Handler) -> Handler:
        """As `on_message`, for each recipient that the engine's own policy refuses: `accept` relays to it, `redirect`
        takes it for another address."""
        return self._handle_by("rcpt_refused", handler)

    def on_sender(self, handler: Handler) -> Handler:
        """As `on_message`, for each sender that the engine's own policy takes: None, `reject` or `defer`."""
        return self._handle_by("mail", handler)

    def on_connect(self, handler: Handler) -> Handler:
        """As `on_message`, for each connection of any protocol: None, `reject` or `defer`."""
        return self._handle_by("connect", handler)

    def on_hello(self, handler: Handler) -> Handler:
        """As `on_message`, for each name in EHLO: None, `reject` or `defer`."""
        return self._handle_by("hello", handler)

    def on_login(self, handler: Handler) -> Handler:
        """As `on_message`, for each login with a password (`request.user`, `request.password`): `log_in`, `reject`,
        `defer`, or None for the engine's own accounts. Without `on_scram` SCRAM is not offered."""
        return self._handle_by("login", handler)

    def on_scram(self, handler: Handler) -> Handler:
        """As `on_message`, for each login by SCRAM (`request.user`): `log_in(secret=password)`, `reject`, `defer`, or
        None for the engine's own accounts."""
        return self._handle_by("scram", handler)

    # -- scripted trouble ------------------------------------------------------------------------------------

    def add_trouble(
        self,
        stage: str,
        code: int = 0,
        text: Optional[str] = None,
        *,
        address: Optional[str] = None,
        protocol: Optional[str] = None,
        wait: "timedelta | float" = 0,
        drop: bool = False,
        skip: int = 0,
        times: int = 0,
    ) -> None:
        """Has the engine refuse with `code`, wait first, or drop the connection at `stage`, as a test wants it.

        Stages: "connect", "hello", "login", "mail", "rcpt", "data", "message" (complete, not accepted), "accepted" (not
        answered), "deliver" (in a sink: put off, or given up, with real reports). `address` is a pattern with * and
        ?. It lets pass `skip` times and applies `times` times, 0 for always. The first rule that fits decides.
        """
        name = stage.lower()
        if name not in _STAGES:
            raise ValueError(f"no stage {stage!r}; there are {', '.join(_STAGES)}")
        seconds = wait.total_seconds() if isinstance(wait, timedelta) else wait
        rule = _abi.mailcore_trouble(
            stage=_STAGES[name],
            flags=_abi.MAILCORE_TROUBLE_DROP if drop else 0,
            smtp_code=code,
            text=_text(text),
            address=_text(address),
            protocol=_text(protocol),
            wait_ms=int(seconds * 1000),
            skip=skip,
            times=times,
        )
        call("mailcore_trouble_add", self.handle, ctypes.byref(rule))

    def fail_next(self, stage: str, code: int = 451, text: Optional[str] = None, **more: Any) -> None:
        """Refuses once at `stage`: `fail_next("RCPT", 451)`. `more` as for `add_trouble`."""
        self.add_trouble(stage, code, text, **{"times": 1, **more})

    def clear_trouble(self) -> None:
        """Removes all scripted trouble."""
        call("mailcore_trouble_add", self.handle, None)

    def _handle_by(self, hook: str, handler: Handler) -> Handler:
        self.ask(hook)
        self._handlers[hook] = handler
        return handler


def properties() -> List[Property]:
    """Everything that can be set, or read, by name."""
    found = []
    raw = _abi.mailcore_property()
    index = 0
    while LIBRARY.mailcore_property_info(index, ctypes.byref(raw)) == 1:
        found.append(
            Property(words(raw.name), words(raw.doc), words(raw.initial), raw.min, raw.max, bool(raw.writable))
        )
        index += 1
    return found


def _written(name: str, value: Setting) -> str:
    written = str(int(value)) if isinstance(value, bool) else str(value)
    if "\n" in written or "\n" in name:
        raise ValueError(f"setting {name}: a value has one line")
    return written


def _pem(value: "str | bytes") -> "bytes | None":
    return text(value.decode("ascii") if isinstance(value, bytes) else value)


def _resent(message: email.message.Message) -> str:
    """What the fields that count begin with: those of the resending, where there was one."""
    blocks = max(len(message.get_all("resent-" + name, [])) for name in ("date", "from", "to"))
    if blocks > 1:
        raise ValueError("the message was resent more than once: give sender and recipients")
    return "resent-" if blocks else ""


def _addresses(message: email.message.Message, *names: str) -> List[str]:
    fields = [str(field) for name in names for field in message.get_all(name, [])]
    return [address for _, address in email.utils.getaddresses(fields) if address]


def _milliseconds(timeout: Optional[float]) -> int:
    return -1 if timeout is None else max(0, int(timeout * 1000))


def _slices(timeout: Optional[float]) -> Iterator[int]:
    """Waits that add up to `timeout` seconds; at least one."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _SLICE_MS if end is None else min(_SLICE_MS, max(0, round((end - time.monotonic()) * 1000)))
        yield left
        if end is not None and time.monotonic() >= end:
            return
