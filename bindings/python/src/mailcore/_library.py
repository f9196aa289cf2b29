"""Finds the shared library, loads it, and turns its results into Python's.

Search order: the file in MAILCORE_LIBRARY, the one bundled in this package (`_lib/`), the system's by its soname.
`PATH` tells which one won.
"""

import ctypes
import logging
import os
import pathlib
import sys
import threading
from typing import Any, Callable, List, NoReturn, TypeVar

from . import _abi
from .errors import Error, error_for

_log = logging.getLogger("mailcore")

if sys.platform == "darwin":
    _NAMES = ("libmailcore.0.dylib", "libmailcore.dylib")
elif sys.platform == "win32":
    _NAMES = ("mailcore.dll",)
else:
    _NAMES = ("libmailcore.so.0", "libmailcore.so")


def _load() -> "tuple[ctypes.CDLL, str]":
    named = os.environ.get("MAILCORE_LIBRARY")
    if named:
        return _open(named), named
    folder = pathlib.Path(__file__).parent / "_lib"
    for name in _NAMES:
        if (folder / name).exists():
            return _open(str(folder / name)), str(folder / name)
    missing = ""
    for name in _NAMES:
        try:
            return ctypes.CDLL(name), name
        except OSError as e:
            missing = str(e)
    raise ImportError(
        f"libmailcore was not found ({missing}): install it, or set MAILCORE_LIBRARY to the path of {_NAMES[0]}"
    )


def _open(path: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(path)
    except OSError as e:
        raise ImportError(f"libmailcore cannot be loaded: {e}") from None


def _declare(library: ctypes.CDLL, path: str) -> int:
    """Tells ctypes the types of the functions; the library's version. ImportError where it is not the right one."""
    try:
        version: int = library.mailcore_version()
    except AttributeError:
        raise ImportError(f"{path} is not libmailcore: it has no function mailcore_version") from None
    if version < _abi.MAILCORE_VERSION_NUMBER:
        raise ImportError(
            f"{path} is libmailcore {_dotted(version)}, and this package needs "
            f"{_dotted(_abi.MAILCORE_VERSION_NUMBER)} or later"
        )
    try:
        _abi.declare(library)
    except AttributeError as e:
        raise ImportError(f"{path} is libmailcore {_dotted(version)}, but not the one of this package: {e}") from None
    return version


def _dotted(version: int) -> str:
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"


LIBRARY, PATH = _load()
VERSION: int = _declare(LIBRARY, PATH)
_log.debug("libmailcore %s from %s", VERSION, PATH)


def call(name: str, *arguments: Any) -> int:
    """Calls a function whose last parameter is `err`; raises what went wrong."""
    err = _abi.mailcore_error()
    result: int = getattr(LIBRARY, name)(*arguments, ctypes.byref(err))
    if result < 0:
        raise _error(err)
    return result


def _error(err: Any) -> Error:
    return error_for(
        err.code,
        err.message.decode("utf-8", "replace"),
        smtp_code=err.smtp_code,
        enhanced=err.enhanced.decode("ascii", "replace"),
        errno=err.sys_errno,
    )


def close(handle: int) -> None:
    """Closes a handle; raises where the store did not close cleanly."""
    result = LIBRARY.mailcore_close(handle)
    if result < 0:
        raise error_for(result, LIBRARY.mailcore_strerror(result).decode())


class Unique:
    """What stands for something of the library's: a copy of it would close it twice."""

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be copied or pickled: it stands for something of the library's")


_T = TypeVar("_T")


def until_interrupted(handle: int, work: Callable[[], _T]) -> _T:
    """Does a call that may wait long on `handle`, so that Ctrl-C ends it at once.

    Python runs signal handlers on the main thread, between two of its own steps: there the call is made on a thread
    beside it. On all other threads it is simply made.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    done: List[_T] = []
    failed: List[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as e:
            failed.append(e)

    beside = threading.Thread(target=run, name="mailcore-wait", daemon=True)
    beside.start()
    try:
        while beside.is_alive():
            beside.join(_WATCH_SECONDS)
    except BaseException:
        LIBRARY.mailcore_interrupt(handle)
        # The call returns at once; until then it writes to what the caller gave it.
        beside.join()
        raise
    if failed:
        raise failed[0]
    return done[0]


# How often the main thread looks for signals on platforms where one does not wake it.
_WATCH_SECONDS = 0.5


def text(value: "str | None") -> "bytes | None":
    """A text for C; None is NULL."""
    if value is None:
        return None
    if "\0" in value:
        raise ValueError("a text for libmailcore cannot hold a NUL character")
    return value.encode("utf-8")


def take(buf: Any) -> bytes:
    """The bytes of a mailcore_buf, which is freed."""
    try:
        return ctypes.string_at(buf.data, buf.len) if buf.data else b""
    finally:
        LIBRARY.mailcore_buf_free(ctypes.byref(buf))


def get(handle: int, key: str) -> str:
    """A property as text."""
    buf = _abi.mailcore_buf()
    call("mailcore_get_str", handle, text(key), ctypes.byref(buf))
    return take(buf).decode("utf-8")


def get_number(handle: int, key: str) -> int:
    """A property that is a number."""
    value = ctypes.c_int64()
    call("mailcore_get_i64", handle, text(key), ctypes.byref(value))
    return value.value
