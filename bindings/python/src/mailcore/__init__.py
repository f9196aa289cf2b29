"""libmailcore: an embeddable mail engine.

    from email.message import EmailMessage
    import mailcore

    with mailcore.Engine("mail", hostname="mx.example.org") as engine:
        engine.put_account("alice@example.org", "wonderland")
        engine.listen("imap", port=1143)
        id = engine.submit(message)
        print(engine.wait(id, timeout=60))

Every function may be called from any thread. A process that has opened an engine cannot use the
package in a child of `os.fork`: fork first, or use `multiprocessing` with "spawn".
"""

from ._library import LIBRARY as _LIBRARY
from ._library import PATH as library_path
from .account import Account, Mailbox, MailboxInfo
from .check import CheckStep
from .dkim import DkimKey
from .engine import Engine, Listener, Property, Stats, properties
from .errors import (
    AuthError,
    Busy,
    ClosedError,
    DNSError,
    Error,
    Exists,
    ForkedError,
    Interrupted,
    LimitError,
    NetworkError,
    NoMemoryError,
    NotFound,
    PanicError,
    PolicyError,
    ProtocolError,
    StateError,
    StoreError,
    TimeoutError,
    TLSError,
    UsageError,
)
from .event import Delivery, DeliveryState, Event, Queued
from .mailauth import (
    ArcSet,
    ArcVerdict,
    BimiVerdict,
    DkimVerdict,
    DmarcVerdict,
    IprevVerdict,
    Resolver,
    SpfVerdict,
    Verdicts,
    arc_seal,
    arc_verify,
    dkim_sign,
    dkim_verify,
    dmarc,
    spf,
    verify,
)
from .message import Flag, Message
from .report import DmarcRecord, DmarcReport, Suppressed, TlsReport
from .request import Request, Verdict, accept, defer, junk, log_in, redirect, reject
from .session import Session
from .sieve import SieveScript

__version__ = "0.1.0"


def build_info() -> str:
    """Version, target and options of the library, for bug reports."""
    return str(_LIBRARY.mailcore_build_info().decode())


__all__ = [
    "Account", "ArcSet", "ArcVerdict", "AuthError", "BimiVerdict", "Busy", "CheckStep", "ClosedError", "DNSError", "Delivery",
    "DeliveryState", "DkimKey", "DkimVerdict", "DmarcRecord", "DmarcReport", "DmarcVerdict", "Engine", "Error", "Event", "Exists",
    "Flag", "ForkedError", "Interrupted", "IprevVerdict", "LimitError", "Listener", "Mailbox", "MailboxInfo", "Message",
    "NetworkError", "NoMemoryError", "NotFound", "PanicError", "PolicyError", "Property", "ProtocolError", "Queued",
    "Request", "Resolver", "Session", "SieveScript", "SpfVerdict", "StateError", "Stats", "StoreError", "Suppressed",
    "TLSError", "TimeoutError", "TlsReport", "UsageError",
    "Verdict", "Verdicts", "accept", "arc_seal", "arc_verify", "build_info", "defer", "dkim_sign", "dkim_verify",
    "dmarc", "junk", "library_path", "log_in", "properties", "redirect", "reject", "spf", "verify",
]  # fmt: skip
