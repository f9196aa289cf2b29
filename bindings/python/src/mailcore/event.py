"""What the engine tells, and how deliveries fare."""

import enum
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Dict, Optional

from . import _abi
from .message import moment


class DeliveryState(enum.IntEnum):
    """How a queued message fares."""

    WAITING = _abi.MAILCORE_DELIVERY_WAITING
    DELIVERED = _abi.MAILCORE_DELIVERY_DELIVERED
    DEFERRED = _abi.MAILCORE_DELIVERY_DEFERRED
    FAILED = _abi.MAILCORE_DELIVERY_FAILED
    EXPIRED = _abi.MAILCORE_DELIVERY_EXPIRED


@dataclass(frozen=True)
class Event:
    """Something that happened. `name` says what ("filed", "delivered", "bounced", ...), `detail` has the rest."""

    name: str
    seq: int
    time: Optional[datetime]
    subject: int
    code: int
    count: int
    detail: Dict[str, Any] = field(repr=False)

    def __getitem__(self, key: str) -> Any:
        return self.detail[key]


def event_of(raw: Any) -> Event:
    """An event from the C interface."""
    import ctypes

    detail: Dict[str, Any] = json.loads(ctypes.string_at(raw.detail.data, raw.detail.len))
    name = detail.pop("event")
    return Event(name, raw.seq, moment(raw.time_ms), raw.subject, raw.code, raw.count, detail)


@dataclass(frozen=True)
class Delivery:
    """How a queued message fares; of several recipients, the one that fares worst."""

    state: DeliveryState
    attempts: int
    smtp_code: int
    enhanced: str
    host: str
    reply: str
    next: Optional[datetime]

    @property
    def delivered(self) -> bool:
        """Whether every recipient's next host has it."""
        return self.state is DeliveryState.DELIVERED


def delivery_of(raw: Any) -> Delivery:
    """A delivery from the C interface."""
    return Delivery(
        DeliveryState(raw.state),
        raw.attempts,
        raw.smtp_code,
        raw.enhanced.decode("ascii", "replace"),
        raw.host.decode("utf-8", "replace"),
        raw.reply.decode("utf-8", "replace"),
        moment(raw.next_ms),
    )


@dataclass(frozen=True)
class Queued:
    """A message in the outbound queue."""

    id: int
    sender: str
    recipients: "tuple[str, ...]"
    size: int
    accepted: Optional[datetime]
    due: Optional[datetime]
    attempts: int
    smtp_code: int
    reply: str
    held: bool
    state: DeliveryState
