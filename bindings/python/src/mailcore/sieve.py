"""Sieve scripts of accounts and domains."""

import ctypes
import json
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Union

from . import _abi
from ._library import Unique, call, take, text


@dataclass(frozen=True)
class SieveScript:
    """A script as it is listed."""

    name: str
    #: Whether it is run for mail of its account.
    active: bool
    #: Bytes.
    size: int


class Sieve(Unique):
    """The Sieve scripts of one engine: `engine.sieve`.

    An owner is the address of an account, "@example.org" for a domain, or "@" for all domains. Of a domain's scripts,
    "before" is run before the active script of each account and "after" behind it.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def set(self, owner: str, name: str, script: Union[str, bytes], activate: bool = False) -> None:
        """Stores a script. One that is wrong is a UsageError whose message begins with line and column."""
        octets = script.encode("utf-8") if isinstance(script, str) else bytes(script)
        # NULL would remove it: an empty script is not NULL.
        room = ctypes.create_string_buffer(octets, len(octets) + 1)
        call("mailcore_sieve_set", self._handle, text(owner), text(name), room, len(octets))
        if activate:
            self.activate(owner, name)

    def get(self, owner: str, name: str) -> str:
        """A script. NotFound where there is none of this name."""
        found = _abi.mailcore_buf()
        call("mailcore_sieve_get", self._handle, text(owner), text(name), ctypes.byref(found))
        return take(found).decode("utf-8")

    def list(self, owner: str) -> List[SieveScript]:
        """All scripts of an owner, by name."""
        found = _abi.mailcore_buf()
        call("mailcore_sieve_get", self._handle, text(owner), None, ctypes.byref(found))
        return [SieveScript(**one) for one in json.loads(take(found))]

    def remove(self, owner: str, name: str) -> None:
        """Removes a script. StateError where it is active."""
        call("mailcore_sieve_set", self._handle, text(owner), text(name), None, 0)

    def activate(self, owner: str, name: Optional[str]) -> None:
        """Makes a script of an account the one that is run; with None none is."""
        call("mailcore_sieve_activate", self._handle, text(owner), None if name is None else text(name))

    def test(
        self,
        owner: str,
        message: bytes,
        script: Optional[Union[str, bytes]] = None,
        sender: str = "",
        to: Optional[str] = None,
    ) -> Dict[str, Any]:
        """What a script would do with a message, and why; without a script those that are run for the account now.

        Nothing is done. Keys: "actions", "error" and "notes", as mailcore_sieve_test() in mailcore.h describes them.
        """
        octets = script.encode("utf-8") if isinstance(script, str) else script
        room = None if octets is None else ctypes.create_string_buffer(octets, len(octets) + 1)
        found = _abi.mailcore_buf()
        call(
            "mailcore_sieve_test",
            self._handle,
            text(owner),
            room,
            len(octets or b""),
            bytes(message),
            len(message),
            text(sender),
            None if to is None else text(to),
            ctypes.byref(found),
        )
        answer: Dict[str, Any] = json.loads(take(found))
        return answer
