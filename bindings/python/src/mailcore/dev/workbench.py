"""The engine behind the inbox, with its ports, queue, clock, scripted trouble, DNS records and releases.

Everything here may be called from any thread. `on_change` is called, from the thread that pulls events, with what changed.
"""

import logging
import os
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from datetime import timedelta
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ..engine import Engine, Listener, Setting
from ..errors import ClosedError, Error, StateError
from ..testing import _QUICK, duration
from .letterbox import SINK, Letterbox, Missing
from .ports import PORTS

#: Mails that are kept unless told otherwise; the oldest give way.
KEEP = 20_000
#: Smart hosts that mail can be released to in one run.
SMART_HOSTS_MAX = 8
#: Rules of trouble, and records of DNS, that the page sets.
RULES_MAX = 200

_log = logging.getLogger("mailcore.dev")


class Workbench(Letterbox):
    """A sink engine with ports of its own, and the mails that came to it."""

    def __init__(
        self,
        ports: Optional[Mapping[str, int]] = None,
        *,
        host: str = "127.0.0.1",
        store: Optional[str] = None,
        keep: int = KEEP,
        hostname: str = "mail.test",
        tls: bool = True,
        settings: Optional[Mapping[str, Setting]] = None,
    ) -> None:
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = tempfile.mkdtemp(prefix="mailcore-dev-", dir=shm)
        self.host, self.hostname = host, hostname
        self._relays: "OrderedDict[str, Tuple[str, Engine]]" = OrderedDict()
        self._threads: List[threading.Thread] = []
        self._listeners: List[Listener] = []
        self._clock_at: Optional[float] = None
        self._advanced = 0.0
        self._stop = threading.Event()
        self.records: List[Dict[str, str]] = []
        own: Dict[str, Setting] = {**_QUICK, "sink": "each", "tls.self_signed": tls}
        try:
            engine = Engine(
                store or os.path.join(self._folder, "store"), hostname=hostname, settings={**own, **(settings or {})}
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        super().__init__(engine, keep)
        try:
            self.engine.on_message(self._offer)
            self.engine.start()
            self._load()
            self.ports = self._listen({**PORTS, **(ports or {})})
        except BaseException:
            self.close()
            raise
        self._pull(SINK, self.engine)
        self._begin(self._keep_time, "mailcore-dev-clock")

    def _listen(self, wanted: Mapping[str, int]) -> Dict[str, int]:
        found = {}
        for name, port in wanted.items():
            service = "mx" if name == "smtp" else name
            smtp = name in ("smtp", "submission")
            try:
                listener = self.engine.listen(service, self.host, port, trace=smtp)
            except Error as e:
                raise OSError(f"{name}: port {port} of {self.host}: {e} (--{name} 0 takes a free port)") from None
            self._listeners.append(listener)
            found[name] = int(listener.port)
        return found

    def _begin(self, run: Callable[..., None], name: str, *arguments: Any) -> None:
        thread = threading.Thread(target=run, args=arguments, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Ends it; mail without a store of its own is gone. A second call does nothing."""
        self._stop.set()
        for _, engine in [*self._relays.values(), (SINK, self.engine)]:
            try:
                engine.interrupt()
            except ClosedError:
                pass
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        with self._lock:
            for account in self._accounts.values():
                account.close()
            self._accounts.clear()
        for _, engine in [*self._relays.values(), (SINK, self.engine)]:
            engine.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "Workbench":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- events ----------------------------------------------------------------------------------------------

    def _pull(self, name: str, engine: Engine) -> None:
        self._begin(self._hear, f"mailcore-dev-{name}", name, engine)

    def _hear(self, name: str, engine: Engine) -> None:
        while not self._stop.is_set():
            try:
                event = engine.next_event(1.0)
            except (StateError, ClosedError):
                return
            except Error:
                continue  # interrupted
            if event is None:
                continue
            try:
                with self._lock:
                    change = self._note(name, event)
            except Error:
                continue  # a mail that is gone before it could be looked at
            except Exception:
                _log.exception("an event %r could not be shown", event.name)
                continue
            if change is not None:
                self.version += 1
                self.on_change(change)

    def send(self, octets: bytes, sender: str, to: List[str]) -> None:
        """Takes a mail as a program in this process would hand it in."""
        self.engine.submit(octets, sender, to)

    # -- queue, clock, trouble -------------------------------------------------------------------------------

    def _entry(self, name: str) -> Tuple[Engine, int]:
        source, _, number = name.rpartition("-")
        if not number.isdigit() or len(number) > 18:
            raise Missing(f"there is no queue entry {name}")
        if not source:
            return self.engine, int(number)
        for relay, engine in self._relays.values():
            if relay == source:
                return engine, int(number)
        raise Missing(f"there is no queue entry {name}")

    def queue(self) -> List[Dict[str, Any]]:
        """What waits for delivery, here and for smart hosts."""
        found = []
        for host, (source, engine) in [("", (SINK, self.engine)), *self._relays.items()]:
            for one in engine.queue():
                name = str(one.id) if source == SINK else f"{source}-{one.id}"
                letter = self._queued.get(name)
                found.append(
                    {
                        "id": name,
                        "mail": letter.id if letter else None,
                        "subject": letter.subject if letter else "",
                        "sender": one.sender,
                        "recipients": list(one.recipients),
                        "size": one.size,
                        "accepted_ms": _ms(one.accepted),
                        "due_ms": _ms(one.due),
                        "attempts": one.attempts,
                        "code": one.smtp_code,
                        "reply": one.reply,
                        "held": one.held,
                        "state": one.state.name.lower(),
                        "host": host.rpartition("@")[2],
                    }
                )
        return found

    def explain(self, name: str) -> Dict[str, Any]:
        """Why a queue entry is where it is (docs/queue.md)."""
        engine, number = self._entry(name)
        return engine.explain(number)

    def queue_control(self, action: str, name: Optional[str] = None) -> None:
        """ "retry", "hold", "release", "bounce" or "drop" one entry, or all."""
        if name is None:
            for _, engine in [(SINK, self.engine), *self._relays.values()]:
                engine.queue_control(action)
        else:
            engine, number = self._entry(name)
            engine.queue_control(action, number)
        self._changed({"kind": "queue"})

    def now_ms(self) -> int:
        """The engine's clock."""
        return int((time.time() + self._advanced) * 1000)

    @property
    def advanced(self) -> float:
        """Seconds that the clock is ahead of the real one."""
        return self._advanced

    def advance(self, by: "str | float | timedelta") -> None:
        """Moves the clock forward: what is due by then happens at once. Afterwards it goes on at its normal pace."""
        moved = duration(by)
        if not timedelta(0) < moved <= timedelta(days=3650):
            raise ValueError("the clock goes forward, by ten years at most")
        with self._lock:
            self._tick()
            self._clock_at = self._clock_at or time.monotonic()
            self._advanced += moved.total_seconds()
        for engine in (self.engine, *(engine for _, engine in self._relays.values())):
            engine.advance_clock(moved)
        self._changed({"kind": "clock"})

    def _keep_time(self) -> None:
        """An engine whose clock was moved stands still: this lets it go on."""
        while not self._stop.wait(0.25):
            with self._lock:
                self._tick()

    def _tick(self) -> None:
        if self._clock_at is None or self._stop.is_set():
            return
        now = time.monotonic()
        by, self._clock_at = now - self._clock_at, now
        for engine in (self.engine, *(engine for _, engine in self._relays.values())):
            engine.advance_clock(by)

    def add_trouble(self, rule: Dict[str, Any]) -> None:
        """Scripts trouble: `stage`, and `code`, `text`, `address`, `wait` (seconds), `drop`, `times`, `skip`."""
        if len(self.trouble) >= RULES_MAX:
            raise ValueError(f"there are {RULES_MAX} rules, the most there may be: clear them first")
        more = {key: rule[key] for key in ("address", "wait", "drop", "times", "skip", "protocol") if rule.get(key)}
        self.engine.add_trouble(rule["stage"], int(rule.get("code") or 0), rule.get("text") or None, **more)
        self.trouble.append(rule)
        self._changed({"kind": "trouble"})

    def clear_trouble(self) -> None:
        """Ends all scripted trouble."""
        self.engine.clear_trouble()
        self.trouble.clear()
        self._changed({"kind": "trouble"})

    def set_dns(self, name: str, type: str, rdata: str) -> None:
        """A DNS record, which SPF, DKIM and DMARC of later mails see."""
        if len(self.records) >= RULES_MAX:
            raise ValueError(f"there are {RULES_MAX} records, the most there may be: clear them first")
        self.engine.set_dns(name, type, rdata)
        self.records.append({"name": name, "type": type, "data": rdata})
        self._changed({"kind": "dns"})

    def clear_dns(self) -> None:
        """Removes all DNS records."""
        self.engine.set_dns(None)
        self.records.clear()
        self._changed({"kind": "dns"})

    # -- release ---------------------------------------------------------------------------------------------

    def release(self, id: int, host: str, to: Optional[List[str]] = None, sender: Optional[str] = None) -> str:
        """Hands a mail to a real smart host ("host:port", "user:password@host:port" for a login), by a queue of its
        own; gives its name there."""
        letter = self.letter(id)
        recipients = to or letter.recipients
        if not recipients:
            raise ValueError("say who shall get it")
        raw = self.sent(id)
        with self._lock:
            source, engine = self._relay(host)
            author = letter.sender if sender is None else sender
            number = engine.submit(raw, author, recipients)
            name = f"{source}-{number}"
            letter.queue.append(name)
            self._queued[name] = letter
            letter.releases.append(
                {"host": host.rpartition("@")[2], "ms": self.now_ms(), "sender": author, "to": recipients}
            )
        self._changed({"kind": "mail", "id": id, "row": letter.row(), "new": False, "queue": True})
        return name

    def _relay(self, host: str) -> Tuple[str, Engine]:
        if host not in self._relays:
            if len(self._relays) >= SMART_HOSTS_MAX:
                raise ValueError(f"mail was released to {SMART_HOSTS_MAX} hosts, the most in one run")
            source = f"r{len(self._relays) + 1}"
            engine = Engine(
                os.path.join(self._folder, source),
                hostname=self.hostname,
                settings={"outbound.smart_host": host, "store.readers": 1, "outbound.retry_jitter_percent": 0},
            )
            engine.start()
            self._tick()  # so that the next one counts from now for it, too
            if self._advanced:
                engine.advance_clock(self._advanced)
            self._relays[host] = (source, engine)
            self._pull(source, engine)
        return self._relays[host]

    # -- all of it -------------------------------------------------------------------------------------------

    def status(self) -> Dict[str, Any]:
        """Ports, clock, counts and scripted trouble."""
        with self._lock:
            counts = {"mails": len(self._letters), "unseen": sum(not one.seen for one in self._letters.values())}
            engines = [self.engine, *(engine for _, engine in self._relays.values())]
        waiting = sum(engine.stats().queue_messages for engine in engines)
        hosts = [host.rpartition("@")[2] for host in self._relays]
        return {
            "hostname": self.hostname,
            "host": self.host,
            "ports": self.ports,
            "now_ms": self.now_ms(),
            "advanced_seconds": round(self._advanced, 3),
            "queue": waiting,
            **counts,
            "trouble": self.trouble,
            "dns": self.records,
            "smart_hosts": hosts,
            "version": self.version,
        }


def _ms(moment: Any) -> Optional[int]:
    return int(moment.timestamp() * 1000) if moment is not None else None
