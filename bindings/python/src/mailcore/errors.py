"""What can go wrong. Every exception of this package is an `Error`; most are a built-in one as well."""

import builtins
from typing import Any, Dict, Type

from . import _abi


class Error(Exception):
    """A call failed. `code` is the number of the C interface, `message` the sentence that belongs to it."""

    def __init__(self, code: int, message: str, *, smtp_code: int = 0, enhanced: str = "", errno: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.smtp_code = smtp_code
        self.enhanced = enhanced
        self.errno = errno or None

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code}, {self.message!r})"

    def __reduce__(self) -> Any:
        return _restored, (self.code, self.message, self.smtp_code, self.enhanced, self.errno or 0)


class UsageError(Error, ValueError):
    """A value that cannot be: bad address, bad name, number out of range."""


class ClosedError(UsageError):
    """The object was closed."""


class StateError(Error, RuntimeError):
    """The call does not fit the present state."""


class NotFound(Error, KeyError):
    """No such account, mailbox, message, queue entry or property."""


class Exists(Error):
    """It is there already."""


class Busy(Error):
    """Somebody else holds it: the store is open elsewhere, the port is taken."""


class LimitError(Error):
    """A limit, or a quota, is reached."""


class StoreError(Error):
    """Disk or database failed; nothing was acknowledged."""


class NetworkError(Error, ConnectionError):
    """Sockets failed."""


class DNSError(NetworkError):
    """Names could not be resolved."""


class TLSError(NetworkError):
    """TLS handshake or certificate failed."""


class ProtocolError(NetworkError):
    """The other side broke its protocol."""


class AuthError(Error, PermissionError):
    """Wrong address or password."""


class PolicyError(Error, PermissionError):
    """Refused by policy."""


class PanicError(Error):
    """A bug in the library, caught before it could harm the process."""


class NoMemoryError(Error, MemoryError):
    """Out of memory."""


class ForkedError(Error):
    """The engine belongs to the parent process: open it after the fork."""


class Interrupted(Error, InterruptedError):
    """`interrupt` was called, or the engine is being closed."""


class TimeoutError(Error, builtins.TimeoutError):
    """The time given was over."""


_CLASSES: Dict[int, Type[Error]] = {
    _abi.MAILCORE_E_HANDLE: ClosedError,
    _abi.MAILCORE_E_KEY: NotFound,
    _abi.MAILCORE_E_STATE: StateError,
    _abi.MAILCORE_E_NOT_FOUND: NotFound,
    _abi.MAILCORE_E_EXISTS: Exists,
    _abi.MAILCORE_E_BUSY: Busy,
    _abi.MAILCORE_E_LIMIT: LimitError,
    _abi.MAILCORE_E_QUOTA: LimitError,
    _abi.MAILCORE_E_STORE: StoreError,
    _abi.MAILCORE_E_STORE_DOWN: StoreError,
    _abi.MAILCORE_E_DISK_FULL: StoreError,
    _abi.MAILCORE_E_CORRUPTION: StoreError,
    _abi.MAILCORE_E_NETWORK: NetworkError,
    _abi.MAILCORE_E_DNS: DNSError,
    _abi.MAILCORE_E_TLS: TLSError,
    _abi.MAILCORE_E_PROTOCOL: ProtocolError,
    _abi.MAILCORE_E_LOGIN: AuthError,
    _abi.MAILCORE_E_POLICY: PolicyError,
    _abi.MAILCORE_E_PANIC: PanicError,
    _abi.MAILCORE_E_NOMEM: NoMemoryError,
    _abi.MAILCORE_E_FORKED: ForkedError,
    _abi.MAILCORE_E_INTERRUPTED: Interrupted,
    _abi.MAILCORE_E_TIMEOUT: TimeoutError,
}


def _restored(code: int, message: str, smtp_code: int, enhanced: str, errno: int) -> Error:
    return error_for(code, message, smtp_code=smtp_code, enhanced=enhanced, errno=errno)


def error_for(code: int, message: str, *, smtp_code: int = 0, enhanced: str = "", errno: int = 0) -> Error:
    """The exception of a result code."""
    kind = _CLASSES.get(code, UsageError if -20 < code < 0 else Error)
    return kind(code, message, smtp_code=smtp_code, enhanced=enhanced, errno=errno)
