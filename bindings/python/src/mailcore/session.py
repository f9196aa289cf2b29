"""Connections that clients have to an engine's listeners."""

from dataclasses import dataclass
from datetime import datetime
from typing import Iterator, Optional

from . import _abi
from .account import rows, words
from .message import moment


@dataclass(frozen=True)
class Session:
    """A client's connection. `account` is the address that has logged in, "" before; `peer` is address and port."""

    id: int
    account: str
    service: str
    peer: str
    began: Optional[datetime]


def sessions(engine: int) -> Iterator[Session]:
    """The sessions, oldest first."""
    for r in rows(engine, _abi.MAILCORE_LIST_SESSIONS):
        yield Session(r.id, words(r.name), words(r.text), words(r.detail), moment(r.time_ms))
