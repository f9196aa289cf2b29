"""Messages: read like a file, or as `email.message.EmailMessage`."""

import ctypes
import email
import email.message
import email.policy
import enum
import io
from datetime import datetime, timezone
from typing import Any, Optional

from . import _abi
from ._library import LIBRARY, Unique, call, close, get_number, take, text


class Flag(enum.IntFlag):
    """System flags of a message."""

    SEEN = _abi.MAILCORE_FLAG_SEEN
    ANSWERED = _abi.MAILCORE_FLAG_ANSWERED
    FLAGGED = _abi.MAILCORE_FLAG_FLAGGED
    DELETED = _abi.MAILCORE_FLAG_DELETED
    DRAFT = _abi.MAILCORE_FLAG_DRAFT


def moment(unix_ms: int) -> Optional[datetime]:
    """A moment of the C interface; None for 0."""
    return datetime.fromtimestamp(unix_ms / 1000, timezone.utc) if unix_ms else None


class Message(Unique, io.RawIOBase):
    """A message that is kept: a file to read, with what a mailbox listing knows of it.

    `uid` (or the queue id), `size`, `time`, `flags`, `sender`, `subject`, `message_id`. Use it in a `with`
    statement, or close it, where many are open at a time.
    """

    def __init__(self, source: int, uid: int, **known: Any) -> None:
        super().__init__()
        self._source = source
        self._handle = 0
        self._at = 0
        self.uid = uid
        self.flags: Flag = known.get("flags", Flag(0))
        self.sender: str = known.get("sender", "")
        self.subject: str = known.get("subject", "")
        self.message_id: str = known.get("message_id", "")
        self._size: Optional[int] = known.get("size")
        self._time: Optional[datetime] = known.get("time")

    @property
    def size(self) -> int:
        """Its bytes."""
        if self._size is None:
            self._size = get_number(self._open(), "message.size")
        return self._size

    @property
    def time(self) -> Optional[datetime]:
        """When it came."""
        if self._time is None:
            self._time = moment(get_number(self._open(), "message.time_ms"))
        return self._time

    def header(self, name: str, index: int = 0) -> Optional[str]:
        """A header field on one line, decoded; None where there is none."""
        buf = _abi.mailcore_buf()
        if call("mailcore_message_header", self._open(), text(name), index, ctypes.byref(buf)) == 0:
            return None
        return take(buf).decode("utf-8", "replace")

    def as_bytes(self) -> bytes:
        """All of it."""
        at, self._at = self._at, 0
        try:
            return self.readall() or b""
        finally:
            self._at = at

    def as_email(self) -> email.message.EmailMessage:
        """All of it, parsed, with line ends as Python has them; `as_bytes` gives the bytes as they are."""
        octets = self.as_bytes().replace(b"\r\n", b"\n")
        parsed = email.message_from_bytes(octets, policy=email.policy.default)
        assert isinstance(parsed, email.message.EmailMessage)
        return parsed

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("seek to a place in front of the message")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        room = (ctypes.c_char * len(view)).from_buffer(view)
        got = ctypes.c_size_t()
        call("mailcore_message_read", self._open(), self._at, room, len(view), ctypes.byref(got))
        self._at += got.value
        return got.value

    def close(self) -> None:
        if self._handle:
            handle, self._handle = self._handle, 0
            LIBRARY.mailcore_close(handle)
        super().close()

    def _open(self) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed message")
        if not self._handle:
            handle = _abi.mailcore_message()
            call("mailcore_message_open", self._source, self.uid, ctypes.byref(handle))
            self._handle = handle.value
        return self._handle

    def __repr__(self) -> str:
        return f"<Message {self.uid} {self.subject!r}>"


class Offered(Message):
    """The message that a request is about: open from the beginning, as the peer sent it."""

    def __init__(self, handle: int) -> None:
        super().__init__(0, 0)
        self._handle = handle
        self.subject = self.header("Subject") or ""
        self.sender = self.header("From") or ""
        self.message_id = self.header("Message-ID") or ""


class Draft(Unique):
    """A message on its way into the library. Internal: `Engine.submit` and `Mailbox.append` make it."""

    def __init__(self, engine: int, octets: bytes) -> None:
        handle = _abi.mailcore_message()
        call("mailcore_message_new", engine, ctypes.byref(handle))
        self.handle: int = handle.value
        try:
            call("mailcore_message_write", self.handle, octets, len(octets))
        except BaseException:
            close(self.handle)
            raise

    def __enter__(self) -> "Draft":
        return self

    def __exit__(self, *_: object) -> None:
        close(self.handle)


def octets_of(message: "email.message.Message | bytes | bytearray | memoryview") -> bytes:
    """A message as it travels: CRLF line ends, no Bcc field. Bytes are taken as they are."""
    if not isinstance(message, email.message.Message):
        return bytes(message)
    told: email.message.Message = message
    if "bcc" in told:
        told = email.message_from_bytes(told.as_bytes(), policy=told.policy)
        del told["bcc"]
    return told.as_bytes(policy=told.policy.clone(linesep="\r\n"))
