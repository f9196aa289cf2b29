"""Decisions about recipients and messages, asked of the host while a peer waits."""

import ctypes
import logging
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from . import _abi
from ._library import LIBRARY, call, text
from .errors import Error, Interrupted, StateError
from .event import Event, event_of
from .mailauth import Verdicts, verdicts_of
from .message import Message, Offered


_log = logging.getLogger("mailcore.hook")


@dataclass(frozen=True)
class Verdict:
    """What the host decides. Made by `accept`, `junk`, `reject`, `defer` and `redirect`."""

    action: int
    smtp_code: int = 0
    enhanced: str = ""
    text: Optional[str] = None
    to: Optional[str] = None


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
    """Accepted for the address `to` in place of all recipients. Messages only."""
    return Verdict(_abi.MAILCORE_DECISION_REDIRECT, to=to)


@dataclass(frozen=True)
class Request:
    """A question of the engine's, answered once by `reply` while the peer waits (setting `hook.timeout_ms`).

    `hook` is "data" for a message, "rcpt" for a recipient; `policy` what the engine would do by itself: "accept",
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
    """What SPF, DKIM and DMARC came to; None for a recipient and for mail that is not checked."""
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


Handler = Callable[[Request], Optional[Verdict]]


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
    """Has the handler answer. One that fails costs the peer a later attempt, never a message."""
    with request:
        try:
            verdict = handlers[request.hook](request)
        except Exception:
            _log.exception("the handler of %r failed", request.hook)
            verdict = defer("Local trouble, try again later", enhanced="4.3.0")
        try:
            request.reply(verdict)
        except Error as e:
            _log.error("the answer of the handler of %r was not taken: %s", request.hook, e)


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
