"""Decisions about clients, logins, recipients and messages, asked of the host while a peer waits."""

import asyncio
import ctypes
import inspect
import logging
from dataclasses import dataclass, field
from typing import Any, Awaitable, Callable, Dict, Mapping, Optional, Tuple, Union

from . import _abi
from ._library import LIBRARY, Unique, call, text
from .errors import ClosedError, Error, Interrupted, StateError
from .event import Event, event_of
from .mailauth import Verdicts, verdicts_of
from .message import Message, Offered


_log = logging.getLogger("mailcore.hook")


@dataclass(frozen=True)
class Verdict:
    """What the host decides. Made by `accept`, `junk`, `reject`, `defer`, `redirect` and `log_in`."""

    action: int
    smtp_code: int = 0
    enhanced: str = ""
    text: Optional[str] = None
    to: Optional[str] = None
    secret: Optional[str] = None


def accept() -> Verdict:
    """Accepted, whatever the engine's own policy says."""
    return Verdict(_abi.MAILCORE_DECISION_ACCEPT)


def junk() -> Verdict:
    """Accepted, into the Junk mailbox of the recipients here. Messages only."""
    return Verdict(_abi.MAILCORE_DECISION_JUNK)


def reject(text: Optional[str] = None, smtp_code: int = 550, enhanced: str = "") -> Verdict:
    """Refused for good. `text` may have lines; peers that did not ask for UTF-8 get ? for what is not ASCII."""
    return Verdict(_abi.MAILCORE_DECISION_REJECT, smtp_code, enhanced, text)


def defer(text: Optional[str] = None, smtp_code: int = 451, enhanced: str = "") -> Verdict:
    """Refused for now: the peer tries again."""
    return Verdict(_abi.MAILCORE_DECISION_DEFER, smtp_code, enhanced, text)


def redirect(to: str) -> Verdict:
    """Accepted for the address `to` in place of all recipients, or of the recipient in question."""
    return Verdict(_abi.MAILCORE_DECISION_REDIRECT, to=to)


def log_in(account: Optional[str] = None, secret: Optional[str] = None) -> Verdict:
    """A login succeeds: in to `account`, which is made where it is missing; None is that of the user's name.

    For "scram" `secret` is the user's password: the client's proof then decides.
    """
    return Verdict(_abi.MAILCORE_DECISION_ACCEPT, to=account, secret=secret)


@dataclass(frozen=True)
class Request(Unique):
    """A question of the engine's, answered once by `reply` while the peer waits (setting `hook.timeout_ms`).

    `hook` says what about: "data" for a message, "rcpt" for a recipient, and the others of `Engine.ask`; `policy` what the engine would do by itself: "accept",
    "junk" or "reject". `detail` has everything there is to know, `message` is the message as the peer sent it.
    """

    id: int
    hook: str
    service: str
    policy: str
    peer: str
    helo: str
    tls: Optional[str]
    account: Optional[str]
    sender: str
    recipients: Tuple[str, ...]
    size: int
    detail: Dict[str, Any]
    message: Optional[Message]
    verdicts: Optional[Verdicts]
    """What SPF, DKIM and DMARC came to; None but for messages, and for mail that is not checked."""
    user: Optional[str]
    """Who logs in, for "login" and "scram"."""
    password: Optional[str] = field(repr=False)
    """With which password, for "login"."""
    _engine: int

    def reply(self, verdict: Optional[Verdict] = None) -> None:
        """Answers; None is what the engine's own policy says.

        `StateError` where nobody waits any more, `UsageError` for an answer that cannot be sent.
        """
        verdict = verdict or Verdict(_abi.MAILCORE_DECISION_POLICY)
        raw = _abi.mailcore_verdict(
            action=verdict.action,
            smtp_code=verdict.smtp_code,
            enhanced=verdict.enhanced.encode("ascii", "replace"),
            text=text(verdict.text),
            redirect=text(verdict.to),
            secret=text(verdict.secret),
        )
        call("mailcore_reply", self._engine, self.id, ctypes.byref(raw))

    def close(self) -> None:
        """Closes the message, which can otherwise be read also after the answer."""
        if self.message is not None:
            self.message.close()

    def __enter__(self) -> "Request":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Handler = Callable[[Request], Union[Optional[Verdict], Awaitable[Optional[Verdict]]]]


def request_of(engine: int, event: Event) -> Optional[Request]:
    """The request of an event; None where nobody waits any more."""
    detail = event.detail
    message: Optional[Message] = None
    if detail["hook"] == "data":
        handle = _abi.mailcore_message()
        try:
            call("mailcore_request_open", engine, event.subject, ctypes.byref(handle))
        except StateError:
            return None
        message = Offered(handle.value)
    return Request(
        event.subject,
        detail["hook"],
        detail["service"],
        detail["policy"],
        detail["peer"],
        detail["helo"],
        detail.get("tls"),
        detail.get("account"),
        detail["from"],
        tuple(detail["to"]),
        detail["size"],
        detail,
        message,
        verdicts_of(detail["verdicts"]) if "verdicts" in detail else None,
        detail.get("user"),
        detail.get("password"),
        engine,
    )


def next_request(engine: int, wait_ms: int) -> Tuple[bool, Optional[Request]]:
    """Waits for a request: whether one came, and the request, unless nobody waits for it any more."""
    raw = _abi.mailcore_event()
    try:
        if call("mailcore_requests_next", engine, wait_ms, ctypes.byref(raw)) == 0:
            return False, None
        return True, request_of(engine, event_of(raw))
    finally:
        LIBRARY.mailcore_event_clear(ctypes.byref(raw))


def answer(request: Request, handlers: Mapping[str, Handler]) -> None:
    """Has the handler answer. One that fails, or gives what is no verdict, costs the peer a later attempt, never a
    message, and nobody else anything."""
    with request:
        try:
            request.reply(_decided(handlers[request.hook], request))
        except (StateError, ClosedError):
            _log.warning("the handler of %r answered too late", request.hook)
        except Exception:
            _log.exception("the handler of %r failed", request.hook)
            try:
                request.reply(defer("Local trouble, try again later", enhanced="4.3.0"))
            except Error as e:
                _log.error("no answer to %r could be given: %s", request.hook, e)


def _decided(handler: Handler, request: Request) -> Optional[Verdict]:
    """What a handler gives, or what an `async def` comes to."""
    verdict = handler(request)
    if inspect.isawaitable(verdict):
        verdict = asyncio.run(_awaited(verdict))
    if verdict is not None and not isinstance(verdict, Verdict):
        raise TypeError(f"a handler gives accept(), junk(), reject(), defer(), redirect(), log_in() or None, not {verdict!r}")
    return verdict


async def _awaited(verdict: Awaitable[Optional[Verdict]]) -> Optional[Verdict]:
    return await verdict


def serve(engine: int, handlers: Mapping[str, Handler]) -> None:
    """Answers requests until the engine has stopped. Knows the engine's number only, so that it keeps none alive."""
    while True:
        try:
            _, request = next_request(engine, -1)
        except Interrupted:
            # Meant for others, or the engine is being closed, which the next call tells.
            continue
        except Error:
            return
        if request is not None:
            answer(request, handlers)
