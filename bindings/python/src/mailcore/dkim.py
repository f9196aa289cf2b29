"""The keys that an engine signs mail with."""

import ctypes
from dataclasses import dataclass
from datetime import datetime
from typing import List, Optional, Union

from . import _abi
from ._library import Unique, call, take, text
from .account import rows, words
from .mailauth import algorithm_number
from .message import moment

_ALGORITHMS = {
    _abi.MAILCORE_ALGORITHM_RSA_SHA256: "rsa-sha256",
    _abi.MAILCORE_ALGORITHM_ED25519_SHA256: "ed25519-sha256",
}

_STATES = {
    _abi.MAILCORE_DKIM_PENDING: "pending",
    _abi.MAILCORE_DKIM_ACTIVE: "active",
    _abi.MAILCORE_DKIM_PUBLISHED: "published",
    _abi.MAILCORE_DKIM_RETIRED: "retired",
}


@dataclass(frozen=True)
class DkimKey:
    """A key that mail is signed with, or was."""

    domain: str
    selector: str
    #: "rsa-sha256" or "ed25519-sha256"
    algorithm: str
    #: "pending" until its record is seen in DNS, "active", "published" (signs no more, its record must stay), "retired"
    state: str
    #: When it came into its state.
    since: Optional[datetime]
    #: What TXT of selector._domainkey.domain must say; empty for a retired key.
    record: str


class Keyring(Unique):
    """The keys of one engine: `engine.dkim`."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def set(self, domain: str, selector: str, key: Union[str, bytes]) -> None:
        """Signs mail of `domain` with this key (PEM, or the base64 of an Ed25519 seed) from now on."""
        octets = key.encode("ascii") if isinstance(key, str) else key
        call("mailcore_dkim_set", self._handle, text(domain), text(selector), octets)

    def generate(self, domain: str, selector: str, algorithm: str = "rsa-sha256") -> str:
        """Makes a key; gives the TXT record to publish at selector._domainkey.domain. It signs once that is seen."""
        record = _abi.mailcore_buf()
        number = algorithm_number(algorithm)
        call("mailcore_dkim_generate", self._handle, text(domain), text(selector), number, ctypes.byref(record))
        return take(record).decode("ascii")

    def activate(self, domain: str, selector: str) -> None:
        """Signs with a key from now on, whether its record has been seen in DNS or not."""
        self.set(domain, selector, b"")

    def remove(self, domain: str, selector: str) -> None:
        """Forgets a key."""
        call("mailcore_dkim_set", self._handle, text(domain), text(selector), None)

    def list(self) -> List[DkimKey]:
        """All keys."""
        return [
            DkimKey(
                words(row.name),
                words(row.text),
                _ALGORITHMS.get(row.code, ""),
                _STATES.get(row.state, ""),
                moment(row.time_ms),
                words(row.detail),
            )
            for row in rows(self._handle, _abi.MAILCORE_LIST_DKIM_KEYS)
        ]
