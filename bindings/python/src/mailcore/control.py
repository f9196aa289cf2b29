"""The socket by which commands reach a server that runs: `control` in the folder of its store.

A client sends one JSON object on a line; the answer is an object on each line, the last with `end` or `error`. Whoever may
open the socket may do everything: it is the owner's alone (mode 0600). `connect` gives the same interface for a store
that no server has open.
"""

import contextlib
import json
import os
import queue
import socket
import stat
import threading
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set

from . import _abi
from .engine import Engine
from .errors import Error, error_for
from .event import Event
from .operate import Row, operate

#: Octets of a request, and requests at a time.
REQUEST_OCTETS_MAX = 96 << 20
CLIENTS_MAX = 32
#: Events that wait for one that follows them.
EVENTS_MAX = 10_000
#: Seconds for a request to come, and between two signs of life to one that follows.
REQUEST_SECONDS = 30.0
PULSE_SECONDS = 5.0
NAME = "control"

_PATH_OCTETS_MAX = 100  # sun_path has 108


class Server:
    """Answers commands on an engine, each on a thread of its own."""

    def __init__(self, engine: Engine, path: str) -> None:
        self._engine = engine
        self._path = path
        self._followers: "Set[queue.Queue[Optional[Row]]]" = set()
        self._lock = threading.Lock()
        self._clients: Set[socket.socket] = set()
        self._stopped = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _reached(path) as near:
                with contextlib.suppress(FileNotFoundError):
                    if stat.S_ISSOCK(os.lstat(near).st_mode):
                        os.unlink(near)  # of a server that was killed: the store is ours, so it does not run
                before = os.umask(0o177)
                try:
                    self._socket.bind(near)
                finally:
                    os.umask(before)
            self._socket.listen(CLIENTS_MAX)
        except BaseException:
            self._socket.close()
            raise
        self._thread = threading.Thread(target=self._accept, name="mailcore-control", daemon=True)
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Hands an event to those that follow."""
        row = {"event": event.name, **event.detail}
        with self._lock:
            for follower in self._followers:
                if follower.qsize() < EVENTS_MAX:
                    follower.put_nowait(row)

    def close(self) -> None:
        """Ends it: clients are cut off."""
        with self._lock:
            self._stopped = True
            for follower in self._followers:
                follower.put_nowait(None)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        with contextlib.suppress(OSError), _reached(self._path) as near:
            os.unlink(near)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                if self._stopped or len(self._clients) >= CLIENTS_MAX:
                    client.close()
                    continue
                self._clients.add(client)
            threading.Thread(target=self._serve, args=(client,), name="mailcore-command", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, client.makefile("rwb") as lines, contextlib.suppress(OSError):
                client.settimeout(REQUEST_SECONDS)
                asked = lines.readline(REQUEST_OCTETS_MAX)
                client.settimeout(None)
                for row in self._answer(asked):
                    lines.write(json.dumps(row).encode("utf-8") + b"\n")
                    lines.flush()
        finally:
            with self._lock:
                self._clients.discard(client)

    def _answer(self, asked: bytes) -> Iterator[Row]:
        try:
            request = json.loads(asked)
            if not isinstance(request, dict):
                raise ValueError("a request is a JSON object")
            if request.get("do") == "events":
                yield from self._follow()
            else:
                for row in operate(self._engine, request):
                    yield {"row": row}
            yield {"end": True}
        except Error as e:
            yield {"error": str(e), "code": e.code}
        except (ValueError, KeyError, TypeError) as e:
            yield {
                "error": str(e) if isinstance(e, ValueError) else f"the request: {e!r}",
                "code": _abi.MAILCORE_E_INVALID,
            }

    def _follow(self) -> Iterator[Row]:
        follower: "queue.Queue[Optional[Row]]" = queue.Queue()
        with self._lock:
            if self._stopped:
                return
            self._followers.add(follower)
        try:
            yield {"following": True}
            while True:
                try:
                    row = follower.get(timeout=PULSE_SECONDS)
                except queue.Empty:
                    yield {"alive": True}
                    continue
                if row is None:
                    return
                yield {"row": row}
        finally:
            with self._lock:
                self._followers.discard(follower)


@contextlib.contextmanager
def _reached(path: str) -> Iterator[str]:
    """A path that fits into the address of a socket: a long one is reached through its folder's descriptor."""
    if len(os.fsencode(path)) <= _PATH_OCTETS_MAX:
        yield path
        return
    folder, name = os.path.split(path)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


class Store:
    """A store that commands work on: a running server's, or one that was opened for them."""

    def __init__(self, engine: Optional[Engine], path: str) -> None:
        self._engine = engine
        self._path = path

    @property
    def served(self) -> bool:
        """Whether a server has it open."""
        return self._engine is None

    @property
    def engine(self) -> Engine:
        """The engine, where no server has the store open."""
        if self._engine is None:
            raise ValueError("a server has this store open: stop it first")
        return self._engine

    def do(self, what: str, **request: Any) -> Iterator[Row]:
        """The rows of an operation."""
        if self._engine is not None:
            return operate(self._engine, {"do": what, **request})
        return _ask(self._path, {"do": what, **request})

    def one(self, what: str, **request: Any) -> Row:
        """The last row of an operation."""
        row: Row = {}
        for row in self.do(what, **request):
            pass
        return row


@contextlib.contextmanager
def connect(store: str, make: bool = False) -> Iterator[Store]:
    """The store in a folder, or at an address of PostgreSQL, not started where no server has it open."""
    address = store.startswith(("postgres://", "postgresql://"))
    path = os.path.join(store, NAME)
    if not address and _is_served(path):
        yield Store(None, path)
        return
    if not address and not make and not os.path.isdir(store):
        raise ValueError(f"{store}: there is no such folder")
    with contextlib.closing(Engine(store=store) if address else Engine(store)) as engine:
        yield Store(engine, path)


def _is_served(path: str) -> bool:
    try:
        with _dial(path):
            return True
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return False


def _dial(path: str) -> socket.socket:
    reaching = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _reached(path) as near:
            reaching.connect(near)
    except BaseException:
        reaching.close()
        raise
    return reaching


def _ask(path: str, request: Mapping[str, Any]) -> Iterator[Row]:
    with _dial(path) as reaching, reaching.makefile("rwb") as lines:
        lines.write(json.dumps(request).encode("utf-8") + b"\n")
        lines.flush()
        for line in lines:
            answer: Dict[str, Any] = json.loads(line)
            if "error" in answer:
                raise error_for(int(answer.get("code", _abi.MAILCORE_E_INVALID)), str(answer["error"]))
            if answer.get("end"):
                return
            if "row" in answer:
                yield answer["row"]
    raise ConnectionError("the server ended before it had answered")


__all__: List[str] = ["NAME", "Server", "Store", "connect"]
