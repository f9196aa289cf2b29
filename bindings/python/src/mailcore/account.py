"""Accounts, their mailboxes, and the messages in them."""

import ctypes
import email.message
import operator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Iterable, Iterator, List, Optional, Union

from . import _abi
from ._library import LIBRARY, Unique, call, get, get_number, text
from .errors import ClosedError, NotFound, UsageError
from .message import Draft, Flag, Message, moment, octets_of

if TYPE_CHECKING:
    from .engine import Engine

# UIDs there can be.
_UIDS = range(1, 2**32)

Uids = Union[int, Message, Iterable[Union[int, Message]]]


def rows(source: int, kind: int, **query: int) -> Iterator[Any]:
    """Rows of a listing, each copied before the next is read."""
    cursor = _abi.mailcore_cursor()
    wanted = _abi.mailcore_query(**query)
    call("mailcore_list", source, kind, ctypes.byref(wanted), ctypes.byref(cursor))
    try:
        row = _abi.mailcore_row()
        while call("mailcore_next", cursor, ctypes.byref(row)) == 1:
            yield row
    finally:
        LIBRARY.mailcore_close(cursor)


def words(value: bytes) -> str:
    """A text of a row."""
    return value.decode("utf-8", "replace")


@dataclass(frozen=True)
class MailboxInfo:
    """A mailbox and its counts."""

    name: str
    special_use: str
    total: int
    unseen: int
    octets: int
    subscribed: bool
    selectable: bool


class Account(Unique):
    """An account of an engine. `account["INBOX"]` opens a mailbox."""

    def __init__(self, engine: "Engine", address: str) -> None:
        handle = _abi.mailcore_account()
        call("mailcore_account_open", engine.handle, text(address), ctypes.byref(handle))
        self._handle: int = handle.value
        self._engine = engine
        self.address = get(self._handle, "account.address")

    def __getitem__(self, name: str) -> "Mailbox":
        return Mailbox(self, name)

    def __contains__(self, name: object) -> bool:
        """Whether `account[name]` gives a mailbox."""
        if not isinstance(name, str):
            return False
        try:
            self[name].close()
        except (NotFound, UsageError) as e:
            if isinstance(e, ClosedError):
                raise
            return False
        return True

    def mailboxes(self) -> List[MailboxInfo]:
        """All its mailboxes, by name."""
        return [
            MailboxInfo(words(r.name), words(r.text), r.total, r.unseen, r.size, bool(r.flags & 1), bool(r.flags & 2))
            for r in rows(self._handle, _abi.MAILCORE_LIST_MAILBOXES)
        ]

    def create(self, name: str) -> "Mailbox":
        """Makes a mailbox and the levels above it."""
        self._control(_abi.MAILCORE_CONTROL_CREATE, name)
        return self[name]

    def delete(self, name: str) -> None:
        """Deletes a mailbox with its messages."""
        self._control(_abi.MAILCORE_CONTROL_DELETE, name)

    def rename(self, name: str, to: str) -> None:
        """Renames a mailbox and those below it."""
        self._control(_abi.MAILCORE_CONTROL_RENAME, name, to)

    def subscribe(self, name: str, on: bool = True) -> None:
        """Subscribes or unsubscribes a name."""
        self._control(_abi.MAILCORE_CONTROL_SUBSCRIBE if on else _abi.MAILCORE_CONTROL_UNSUBSCRIBE, name)

    @property
    def octets(self) -> int:
        """Bytes it keeps."""
        return get_number(self._handle, "account.octets")

    @property
    def quota(self) -> Optional[int]:
        """Bytes it may keep; None is no limit."""
        return get_number(self._handle, "account.quota_octets") or None

    @quota.setter
    def quota(self, octets: Optional[int]) -> None:
        call("mailcore_set_i64", self._handle, b"account.quota_octets", octets or 0)

    def close(self) -> None:
        """Lets the handle go; the account stays."""
        handle, self._handle = self._handle, 0
        if handle:
            LIBRARY.mailcore_close(handle)

    def __enter__(self) -> "Account":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Account {self.address}>"

    def _control(self, action: int, name: str, argument: Optional[str] = None) -> None:
        call("mailcore_mailbox_control", self._handle, action, text(name), text(argument))


class Mailbox(Unique):
    """A mailbox. Iterating gives its messages, oldest first; `mailbox[uid]` gives one of them."""

    def __init__(self, account: Account, name: str, create: bool = False) -> None:
        handle = _abi.mailcore_mailbox()
        flags = _abi.MAILCORE_MAILBOX_CREATE if create else 0
        call("mailcore_mailbox_open", account._handle, text(name), flags, ctypes.byref(handle))
        self._handle: int = handle.value
        self._account = account
        self.name = get(self._handle, "mailbox.name")

    def __iter__(self) -> Iterator[Message]:
        return self.messages()

    def __len__(self) -> int:
        return get_number(self._handle, "mailbox.total")

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, uid: int) -> Message:
        number = operator.index(uid)
        if number in _UIDS:
            for message in self.messages(after=number - 1, limit=1):
                if message.uid == number:
                    message._open()
                    return message
        raise NotFound(_abi.MAILCORE_E_NOT_FOUND, f"no message {number}")

    def __contains__(self, message: object) -> bool:
        """Whether there is a message with this UID; of a `Message`, whether it is one of this mailbox."""
        if isinstance(message, Message):
            if message._source != self._handle:
                return False
            message = message.uid
        if not isinstance(message, int) or message not in _UIDS:
            return False
        return any(found.uid == message for found in self.messages(after=message - 1, limit=1))

    def messages(self, after: int = 0, limit: int = 0) -> Iterator[Message]:
        """Messages with UIDs above `after`, at most `limit` (0 for all)."""
        for r in rows(self._handle, _abi.MAILCORE_LIST_MESSAGES, after=after, limit=limit):
            yield Message(
                self._handle,
                r.id,
                size=r.size,
                time=moment(r.time_ms),
                flags=Flag(r.flags),
                sender=words(r.name),
                subject=words(r.text),
                message_id=words(r.detail),
            )

    @property
    def unseen(self) -> int:
        """Messages that were not read."""
        return get_number(self._handle, "mailbox.unseen")

    @property
    def uid_validity(self) -> int:
        """Changes when UIDs start anew."""
        return get_number(self._handle, "mailbox.uid_validity")

    def append(
        self,
        message: "email.message.Message | bytes",
        flags: Flag = Flag(0),
        time: Optional[datetime] = None,
    ) -> int:
        """Adds a message; gives its UID."""
        uid = ctypes.c_uint64()
        unix_ms = int(time.timestamp() * 1000) if time else 0
        with Draft(self._account._engine.handle, octets_of(message)) as draft:
            call("mailcore_mailbox_append", self._handle, draft.handle, int(flags), unix_ms, ctypes.byref(uid))
        return uid.value

    def flag(self, messages: Uids, add: Flag = Flag(0), remove: Flag = Flag(0)) -> None:
        """Sets and clears flags."""
        numbers = _numbers(messages)
        call("mailcore_mailbox_flag", self._handle, numbers, len(numbers), int(add), int(remove))

    def copy(self, messages: Uids, destination: "Mailbox") -> None:
        """Copies messages to another mailbox of the account, all or none."""
        numbers = _numbers(messages)
        call("mailcore_mailbox_copy", self._handle, numbers, len(numbers), destination._handle, 0)

    def move(self, messages: Uids, destination: "Mailbox") -> None:
        """Moves messages to another mailbox of the account, all or none."""
        numbers = _numbers(messages)
        call("mailcore_mailbox_copy", self._handle, numbers, len(numbers), destination._handle, 1)

    def expunge(self, messages: Uids) -> None:
        """Removes messages for good."""
        numbers = _numbers(messages)
        call("mailcore_mailbox_expunge", self._handle, numbers, len(numbers))

    def close(self) -> None:
        """Lets the handle go; the mailbox stays."""
        handle, self._handle = self._handle, 0
        if handle:
            LIBRARY.mailcore_close(handle)

    def __enter__(self) -> "Mailbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Mailbox {self.name} of {self._account.address}>"


def _numbers(messages: Uids) -> Any:
    if isinstance(messages, (int, Message)):
        messages = [messages]
    uids = [m.uid if isinstance(m, Message) else m for m in messages]
    return (ctypes.c_uint64 * len(uids))(*uids)
