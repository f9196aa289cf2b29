"""The engine behind the inbox, and what the inbox knows of it: mails, queue, clock, trouble, releases.

Everything here may be called from any thread. `on_change` is called, from the thread that pulls events, with what changed.
"""

import logging
import os
import shutil
import tempfile
import threading
import time
from collections import OrderedDict, deque
from datetime import timedelta
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Tuple

from ..account import Account, Mailbox
from ..engine import Engine, Listener, Setting
from ..errors import ClosedError, Error, NotFound, StateError
from ..event import Event
from ..message import Message
from ..request import Request, Verdict
from ..testing import _QUICK, Mail, duration, split
from . import road
from .letters import Letter, detail_of, letter_of, mail_of, return_path, trace_of
from .ports import PORTS

#: Mails that are kept unless told otherwise; the oldest give way.
KEEP = 20_000
#: Smart hosts that mail can be released to in one run.
SMART_HOSTS_MAX = 8
#: Mails just offered whose octets are at hand until their events have come, and the octets of all of them.
OFFERED_MAX = 64
OFFERED_OCTETS_MAX = 64 << 20
#: Mails whose connection is known line by line; of older ones it is forgotten.
CONNECTED_MAX = 5_000
#: Rules of trouble, and records of DNS, that the page sets.
RULES_MAX = 200

_log = logging.getLogger("mailcore.dev")
_SINK = "sink"


class Missing(Exception):
    """There is no such mail, part or queue entry."""


class Workbench:
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
        self.host, self.hostname, self.keep = host, hostname, keep
        self.on_change: Callable[[Dict[str, Any]], None] = lambda change: None
        self._lock = threading.RLock()
        self._letters: "OrderedDict[int, Letter]" = OrderedDict()
        self._traces: Dict[str, Letter] = {}
        self._queued: Dict[str, Letter] = {}
        self._connected: Deque[Letter] = deque()
        self._by_peer: Dict[str, List[Letter]] = {}
        self._dialogs = road.Dialogs()
        self._offered: Deque[Tuple[str, Tuple[str, ...], bytes]] = deque(maxlen=OFFERED_MAX)
        self._accounts: Dict[str, Account] = {}
        self._relays: "OrderedDict[str, Tuple[str, Engine]]" = OrderedDict()
        self._threads: List[threading.Thread] = []
        self._clock_at: Optional[float] = None
        self._advanced = 0.0
        self._stop = threading.Event()
        self.trouble: List[Dict[str, Any]] = []
        self.records: List[Dict[str, str]] = []
        self.version = 0
        self._next = 1
        own: Dict[str, Setting] = {**_QUICK, "sink": "each", "tls.self_signed": tls}
        try:
            self.engine = Engine(
                store or os.path.join(self._folder, "store"), hostname=hostname, settings={**own, **(settings or {})}
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        try:
            self.engine.on_message(self._offer)
            self.engine.start()
            self._load()
            self.ports = self._listen({**PORTS, **(ports or {})})
        except BaseException:
            self.close()
            raise
        self._pull(_SINK, self.engine)
        self._begin(self._keep_time, "mailcore-dev-clock")

    def _listen(self, wanted: Mapping[str, int]) -> Dict[str, int]:
        self._listeners: List[Listener] = []
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
        for _, engine in [*self._relays.values(), (_SINK, self.engine)]:
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
        for _, engine in [*self._relays.values(), (_SINK, self.engine)]:
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

    def _note(self, source: str, event: Event) -> Optional[Dict[str, Any]]:
        if event.name == "dialog" and source == _SINK:
            accepted = self._dialogs.note(event)
            return self._connect(accepted) if accepted else None
        if event.name == "filed" and source == _SINK and event["mailbox_name"] == "INBOX":
            return self._filed(event)
        if event.name == "queued" and source == _SINK:
            return self._note_queued(event)
        if event.name in ("delivered", "deferred", "failed", "expired"):
            return self._outcome(f"{'' if source == _SINK else source + '-'}{event['id']}", event)
        if event.name == "refused":
            return {"kind": "refused", "text": f"{event['code'] or ''} {event['reason']}".strip(), "stage": event["stage"]}
        return None

    def _connect(self, accepted: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """Hands a connection's lines to the mails that came by it."""
        letters = self._by_peer.pop(accepted["peer"], [])
        queued = self._queued.get(accepted.get("queue_id", ""))
        for letter in letters + ([queued] if queued else []):
            if not letter.connection:
                letter.connection, letter.peer = accepted["lines"], accepted["peer"]
                self._connected.append(letter)
                if len(self._connected) > CONNECTED_MAX:
                    self._connected.popleft().connection = []
        return None

    def _filed(self, event: Event) -> Optional[Dict[str, Any]]:
        address = event["address"]
        filing = {"address": address, "mailbox": "INBOX", "uid": event["uid"], "ms": event["time_ms"]}
        known = self._traces.get(event["trace"]) if event["trace"] else None
        if known is None:
            octets = self._octets(filing)
            trace = trace_of(octets)
            known = self._traces.get(trace) if trace else None
            if known is None:
                known = self._add(letter_of(self._next, octets, event["from"], [address], event["time_ms"]))
        if event["peer"]:
            self._by_peer.setdefault(event["peer"], []).append(known)
            while len(self._by_peer) > road.CONNECTIONS_MAX:
                del self._by_peer[next(iter(self._by_peer))]
        known.filings.append(filing)
        known.raw = None
        return {"kind": "mail", "id": known.id, "row": known.row(), "new": len(known.filings) == 1 and not known.queue}

    def _note_queued(self, event: Event) -> Dict[str, Any]:
        name, to = str(event["id"]), list(event["to"])
        raw = None
        try:
            with self.engine.queued_message(event["id"]) as message:
                octets = message.as_bytes()
        except NotFound:
            octets = raw = self._claim(event["from"], to)
        trace = trace_of(octets) if raw is None else ""
        known = self._traces.get(trace) if trace else None
        new = known is None
        if known is None:
            known = self._add(letter_of(self._next, octets, event["from"], to, event["time_ms"]))
        known.raw, known.state = octets, "queued"
        known.queue.append(name)
        self._queued[name] = known
        return {"kind": "mail", "id": known.id, "row": known.row(), "new": new}

    def _outcome(self, name: str, event: Event) -> Optional[Dict[str, Any]]:
        letter = self._queued.get(name)
        if letter is None:
            return None
        if event.name in ("failed", "expired"):
            letter.outcomes.append({
                "address": event["recipient"], "text": "given up" if event.name == "failed" else "given up: it took too long",
                "ms": event["time_ms"], "facts": ["A report (DSN) goes back to the sender."] if letter.sender else [],
                "queue": name,
            })  # fmt: skip
        state = {"delivered": "filed", "deferred": "deferred"}.get(event.name, "failed")
        letter.state = "released" if state == "filed" and "-" in name else state
        return {"kind": "mail", "id": letter.id, "row": letter.row(), "new": False, "queue": True}

    def _offer(self, request: Request) -> Optional[Verdict]:
        """Keeps the octets of a mail at hand until its events have come: one that fails at once is nowhere else."""
        if request.message is not None and any(rule["stage"] == "deliver" for rule in self.trouble):
            octets = request.message.as_bytes()
            with self._lock:
                self._offered.append((request.sender, request.recipients, octets))
                while sum(len(one[2]) for one in self._offered) > OFFERED_OCTETS_MAX:
                    self._offered.popleft()
        return None

    def _claim(self, sender: str, to: List[str]) -> bytes:
        for offered in self._offered:
            if offered[0] == sender and set(to) <= set(offered[1]):
                self._offered.remove(offered)
                return offered[2]
        return b"Subject: (delivered before it could be shown)\r\n\r\n"

    def _add(self, letter: Letter) -> Letter:
        self._next += 1
        self._letters[letter.id] = letter
        if letter.trace:
            self._traces[letter.trace] = letter
        while len(self._letters) > self.keep:
            self._remove(next(iter(self._letters.values())))
        return letter

    def _load(self) -> None:
        """The mails that a store has from an earlier run, oldest first."""
        found: List[Tuple[int, str, Message]] = []
        boxes: List[Mailbox] = []
        try:
            for address in self.engine.accounts():
                boxes.append(self._account(address)["INBOX"])
                for message in boxes[-1]:
                    found.append((int(message.time.timestamp() * 1000) if message.time else 0, address, message))
            found.sort(key=lambda one: one[0])
            for ms, address, message in found[-self.keep:]:
                with message:
                    octets = message.as_bytes()
                trace = trace_of(octets)
                letter = self._traces.get(trace) if trace else None
                if letter is None:
                    letter = self._add(letter_of(self._next, octets, return_path(octets), [address], ms))
                letter.filings.append({"address": address, "mailbox": "INBOX", "uid": message.uid, "ms": ms})
        finally:
            for box in boxes:
                box.close()

    # -- mails -----------------------------------------------------------------------------------------------

    def _account(self, address: str) -> Account:
        if address not in self._accounts:
            self._accounts[address] = self.engine.account(address)
        return self._accounts[address]

    def _octets(self, filing: Dict[str, Any]) -> bytes:
        with self._account(filing["address"])[filing["mailbox"]] as mailbox, mailbox[filing["uid"]] as message:
            return message.as_bytes()

    def mails(self, query: str = "", offset: int = 0, limit: int = 200) -> Dict[str, Any]:
        """Rows of the list, newest first, and how many there are."""
        with self._lock:
            fits = _matcher(query)
            found = [letter for letter in reversed(self._letters.values()) if fits(letter)]
            unseen = sum(not letter.seen for letter in self._letters.values())
            rows = [letter.row() for letter in found[offset:offset + limit]]
        return {"total": len(found), "unseen": unseen, "offset": offset, "version": self.version, "mails": rows}

    def letter(self, id: int) -> Letter:
        """A mail's entry; `Missing`."""
        with self._lock:
            try:
                return self._letters[id]
            except KeyError:
                raise Missing(f"there is no mail {id}") from None

    def octets(self, id: int) -> bytes:
        """A mail as the server keeps it."""
        with self._lock:
            letter = self.letter(id)
            for filing in letter.filings:
                try:
                    return self._octets(filing)
                except NotFound:
                    continue
            if letter.raw is not None:
                return letter.raw
        raise Missing(f"mail {id} was deleted by a mail program")

    def mail(self, id: int) -> Mail:
        """A mail, parsed."""
        letter = self.letter(id)
        return mail_of(self.octets(id), letter.sender)

    def sent(self, id: int) -> bytes:
        """A mail as it was sent, below the fields of the server's own."""
        own, sent = split(self.octets(id))
        return sent

    def detail(self, id: int) -> Dict[str, Any]:
        """All that the page shows of a mail."""
        return detail_of(self.octets(id), self.letter(id))

    def set_seen(self, id: int, seen: bool) -> None:
        """Marks a mail as read in this inbox. Flags of IMAP stay as they are: a test may look at them."""
        letter = self.letter(id)
        if letter.seen != seen:
            letter.seen = seen
            self._changed({"kind": "mail", "id": id, "row": letter.row(), "new": False})

    def delete(self, id: int) -> None:
        """Deletes a mail from the inbox, from the mailboxes and from the queue."""
        with self._lock:
            self._remove(self.letter(id))
        self._changed({"kind": "deleted", "id": id})

    def clear(self) -> None:
        """Deletes all mails."""
        with self._lock:
            for letter in list(self._letters.values()):
                self._remove(letter)
        self._changed({"kind": "cleared"})

    def _remove(self, letter: Letter) -> None:
        self._letters.pop(letter.id, None)
        if letter.trace:
            self._traces.pop(letter.trace, None)
        for filing in letter.filings:
            try:
                with self._account(filing["address"])[filing["mailbox"]] as mailbox:
                    mailbox.expunge(filing["uid"])
            except NotFound:
                pass
        for name in letter.queue:
            self._queued.pop(name, None)
            try:
                engine, id = self._entry(name)
                engine.queue_control("drop", id)
            except (NotFound, Missing, StateError):
                pass

    def road(self, id: int) -> List[Dict[str, Any]]:
        """The steps of a mail, oldest first."""
        letter = self.letter(id)
        mail = mail_of(self.octets(id), letter.sender)
        lines = letter.connection
        steps = road.arrival(lines, letter.peer)
        steps += road.checks(_results(mail.trace), lines[-1]["ms"] if lines else letter.time_ms)
        came = len(steps)
        steps += road.answer(lines)
        for name in letter.queue:
            outcomes = [one for one in letter.outcomes if one["queue"] == name]
            try:
                engine, number = self._entry(name)
                steps += road.queue(name, engine.explain(number), outcomes)
            except (NotFound, Missing):
                pass
        for one in letter.releases:
            steps.append({"kind": "released", "state": "info", "title": f"Released to {one['host']}", "ms": one["ms"],
                          "facts": [f"Envelope: {one['sender'] or '<>'} to {', '.join(one['to'])}."], "lines": []})  # fmt: skip
        steps += road.filed(letter.filings)
        waiting = [step for step in steps if step["kind"] in ("next", "held")]
        later = sorted((s for s in steps[came:] if s not in waiting), key=lambda step: int(step["ms"]))
        return steps[:came] + later + waiting

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
        for host, (source, engine) in [("", (_SINK, self.engine)), *self._relays.items()]:
            for one in engine.queue():
                name = str(one.id) if source == _SINK else f"{source}-{one.id}"
                letter = self._queued.get(name)
                found.append({
                    "id": name, "mail": letter.id if letter else None, "subject": letter.subject if letter else "",
                    "sender": one.sender, "recipients": list(one.recipients), "size": one.size,
                    "accepted_ms": _ms(one.accepted), "due_ms": _ms(one.due), "attempts": one.attempts,
                    "code": one.smtp_code, "reply": one.reply, "held": one.held, "state": one.state.name.lower(),
                    "host": host.rpartition("@")[2],
                })  # fmt: skip
        return found

    def explain(self, name: str) -> Dict[str, Any]:
        """Why a queue entry is where it is (docs/queue.md)."""
        engine, number = self._entry(name)
        return engine.explain(number)

    def queue_control(self, action: str, name: Optional[str] = None) -> None:
        """"retry", "hold", "release", "bounce" or "drop" one entry, or all."""
        if name is None:
            for _, engine in [(_SINK, self.engine), *self._relays.values()]:
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
            "hostname": self.hostname, "host": self.host, "ports": self.ports, "now_ms": self.now_ms(),
            "advanced_seconds": round(self._advanced, 3), "queue": waiting, **counts, "trouble": self.trouble,
            "dns": self.records, "smart_hosts": hosts, "version": self.version,
        }  # fmt: skip

    def _changed(self, change: Dict[str, Any]) -> None:
        self.version += 1
        self.on_change(change)


def _ms(moment: Any) -> Optional[int]:
    return int(moment.timestamp() * 1000) if moment is not None else None


def _results(trace: bytes) -> str:
    """The Authentication-Results field of the server's own, as one text."""
    text = trace.decode("utf-8", "replace")
    start = text.find("Authentication-Results:")
    if start < 0:
        return ""
    lines = text[start:].split("\r\n")
    folded = [lines[0]]
    for line in lines[1:]:
        if not line.startswith((" ", "\t")):
            break
        folded.append(line)
    return " ".join(folded).partition(":")[2]


def _matcher(query: str) -> Callable[[Letter], bool]:
    """What `query` asks for: words, and to:, from:, subject:, is:unread, is:queued, is:failed, has:attachment."""
    tests: List[Callable[[Letter], bool]] = []
    for word in query.lower().split():
        name, colon, value = word.partition(":")
        if colon and name == "to":
            tests.append(lambda one, value=value: any(value in to.lower() for to in one.recipients))  # type: ignore[misc]
        elif colon and name == "from":
            tests.append(lambda one, value=value: value in one.author.lower() or value in one.sender.lower())  # type: ignore[misc]
        elif colon and name == "subject":
            tests.append(lambda one, value=value: value in one.subject.lower())  # type: ignore[misc]
        elif word == "is:unread":
            tests.append(lambda one: not one.seen)
        elif word in ("is:queued", "is:failed", "is:filed", "is:released"):
            states = ("queued", "deferred") if value == "queued" else (value,)
            tests.append(lambda one, states=states: one.state in states)  # type: ignore[misc]
        elif word == "has:attachment":
            tests.append(lambda one: one.attachments > 0)
        else:
            tests.append(lambda one, word=word: word in one.words)  # type: ignore[misc]
    return lambda one: all(test(one) for test in tests)
