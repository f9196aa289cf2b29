"""The mail server for tests, for programs that use asyncio; and an engine's events as an async iterator.

    async def test_welcome():
        async with aio.MailServer() as server:
            await app.sign_up("ann@example.org", smtp=(server.host, server.port))
            mail = await server.wait_for(to="ann@example.org")
            assert mail.subject == "Welcome"

With pytest's fixture: `server = aio.MailServer(mailserver)`. What takes no time has the names of
`mailcore.testing.MailServer` and is found at `server.sync`; what waits is awaited here. The loop is never held up: waits
are for the engine's descriptor, calls that touch the disk run in the loop's executor.
"""

import asyncio
import os
import re
import time
from datetime import timedelta
from typing import Any, AsyncIterator, Callable, List, Optional, TypeVar

from . import testing
from .account import Account
from .engine import Engine
from .errors import ClosedError, StateError
from .event import Event
from .testing import Mail

__all__ = ["MailServer", "events"]

Found = TypeVar("Found")


async def _aside(call: Callable[[], Found]) -> Found:
    return await asyncio.get_running_loop().run_in_executor(None, call)


class _Readable:
    """Waits until an engine has events, without a thread."""

    def __init__(self, engine: Engine) -> None:
        # Of its own, so that several may wait: a loop knows one reader of a descriptor.
        self._fd = os.dup(engine.fileno())

    def __enter__(self) -> "_Readable":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    async def wait(self, timeout: Optional[float]) -> None:
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._fd, readable.set)
        try:
            await asyncio.wait_for(readable.wait(), timeout)
        except asyncio.TimeoutError:
            pass
        finally:
            loop.remove_reader(self._fd)


async def events(engine: Engine) -> AsyncIterator[Event]:
    """An engine's events as they come; ends when the engine has stopped. One reader at a time gets each event."""
    with _Readable(engine) as readable:
        while True:
            try:
                event = engine.next_event(0)
            except (StateError, ClosedError):
                return
            if event is not None:
                yield event
            else:
                await readable.wait(None)


class MailServer:
    """`mailcore.testing.MailServer` for asyncio: made here from its options, or around one that there is."""

    def __init__(self, sync: Optional[testing.MailServer] = None, **options: Any) -> None:
        self._sync = sync
        self._is_ours = sync is None
        self._options = options

    async def __aenter__(self) -> "MailServer":
        if self._sync is None:
            self._sync = await _aside(lambda: testing.MailServer(**self._options))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._is_ours:
            await self.close()

    async def close(self) -> None:
        """Ends it; its mail is gone."""
        await _aside(self.sync.close)

    @property
    def sync(self) -> testing.MailServer:
        """The server itself, with all that takes no time: ports, `messages`, `fail_next`, `delay`, `bounces`, `dns`."""
        if self._sync is None:
            raise RuntimeError("not open: async with MailServer() as server")
        return self._sync

    @property
    def host(self) -> str:
        """Where its ports are."""
        return self.sync.host

    @property
    def port(self) -> int:
        """SMTP."""
        return self.sync.port

    @property
    def imap_port(self) -> int:
        """IMAP."""
        return self.sync.imap_port

    @property
    def pop3_port(self) -> int:
        """POP3."""
        return self.sync.pop3_port

    @property
    def messages(self) -> List[Mail]:
        """What came so far, in order."""
        return self.sync.messages

    def __len__(self) -> int:
        return len(self.sync)

    def __bool__(self) -> bool:
        return True

    async def wait(self, count: int = 1, timeout: float = 10.0) -> List[Mail]:
        """Waits until `count` mails have come, and gives all there are; `TimeoutError` after `timeout` seconds."""
        return await self._until(lambda: self.sync.wait(count, 0), timeout)

    async def wait_for(
        self,
        to: Optional[str] = None,
        subject: "str | re.Pattern[str] | None" = None,
        sender: Optional[str] = None,
        timeout: float = 10.0,
    ) -> Mail:
        """Waits for a mail to `to`, from `sender`, whose subject has `subject` in it; the first one there is."""
        return await self._until(lambda: self.sync.wait_for(to, subject, sender, 0), timeout)

    async def _until(self, find: Callable[[], Found], timeout: float) -> Found:
        end = time.monotonic() + timeout
        with _Readable(self.sync.engine) as readable:
            while True:
                try:
                    return find()
                except TimeoutError as e:
                    left = end - time.monotonic()
                    if left <= 0:
                        raise TimeoutError(str(e).replace("within 0 seconds", f"within {timeout:g} seconds")) from None
                # Short waits, since others may take events as well.
                await readable.wait(min(left, 0.05))

    async def account(self, address: str, password: Optional[str] = None) -> Account:
        """An account, which with a password is logged in to with that password only."""
        return await _aside(lambda: self.sync.account(address, password))

    async def advance(self, by: "str | float | timedelta") -> None:
        """Moves the server's clock: "2 h". What is due by then happens before this returns."""
        await _aside(lambda: self.sync.advance(by))

    async def reset(self) -> None:
        """Forgets mail, accounts, the queue, trouble and records of `dns`; the ports stay."""
        await _aside(self.sync.reset)
