"""The mails that came to the engine: found by its events, listed, searched, read, deleted.

Everything here may be called from any thread. `on_change` is called with what changed.
"""

import threading
from collections import OrderedDict, deque
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

from ..account import Account, Mailbox
from ..engine import Engine
from ..errors import NotFound, StateError
from ..event import Event
from ..mailauth import Verdicts
from ..message import Message
from ..request import Request, Verdict
from ..testing import Mail, split
from . import road
from .letters import Letter, detail_of, letter_of, mail_of, return_path, trace_of
from .search import matcher

#: Mails just offered whose octets are at hand until their events have come, and the octets of all of them.
OFFERED_MAX = 64
OFFERED_OCTETS_MAX = 64 << 20
#: Mails whose connection is known line by line; of older ones it is forgotten.
CONNECTED_MAX = 5_000

#: The name of the engine that takes the mail, among those of the smart hosts.
SINK = "sink"


Offer = Tuple[str, Tuple[str, ...], bytes, Optional[Verdicts]]


class Missing(Exception):
    """There is no such mail, part or queue entry."""


class Letterbox:
    """What is known of the mails of one engine, at most `keep` of them."""

    def __init__(self, engine: Engine, keep: int) -> None:
        self.engine = engine
        self.keep = keep
        self.version = 0
        self.trouble: List[Dict[str, Any]] = []
        self.on_change: Callable[[Dict[str, Any]], None] = lambda change: None
        self._lock = threading.RLock()
        self._letters: "OrderedDict[int, Letter]" = OrderedDict()
        self._traces: Dict[str, Letter] = {}
        self._queued: Dict[str, Letter] = {}
        self._connected: Deque[Letter] = deque()
        self._by_peer: Dict[str, List[Letter]] = {}
        self._dialogs = road.Dialogs()
        self._offered: Deque[Offer] = deque(maxlen=OFFERED_MAX)
        self._accounts: Dict[str, Account] = {}
        self._next = 1

    def _entry(self, name: str) -> Tuple[Engine, int]:
        """The engine and the queue id behind the name of a queue entry; `Missing`."""
        raise NotImplementedError

    def _changed(self, change: Dict[str, Any]) -> None:
        self.version += 1
        self.on_change(change)

    # -- events ----------------------------------------------------------------------------------------------

    def _note(self, source: str, event: Event) -> Optional[Dict[str, Any]]:
        if event.name == "dialog" and source == SINK:
            accepted = self._dialogs.note(event)
            return self._connect(accepted) if accepted else None
        if event.name == "filed" and source == SINK and event["mailbox_name"] == "INBOX":
            return self._filed(event)
        if event.name == "queued" and source == SINK:
            return self._note_queued(event)
        if event.name in ("delivered", "deferred", "failed", "expired"):
            return self._outcome(f"{'' if source == SINK else source + '-'}{event['id']}", event)
        if event.name == "refused":
            return {
                "kind": "refused",
                "text": f"{event['code'] or ''} {event['reason']}".strip(),
                "stage": event["stage"],
            }
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
        raw: Optional[bytes] = None
        verdicts: Optional[Verdicts] = None
        try:
            with self.engine.queued_message(event["id"]) as message:
                octets = message.as_bytes()
        except NotFound:
            raw, verdicts = self._claim(event["from"], to)
            octets = raw
        trace = trace_of(octets) if raw is None else ""
        known = self._traces.get(trace) if trace else None
        new = known is None
        if known is None:
            known = self._add(letter_of(self._next, octets, event["from"], to, event["time_ms"]))
        known.raw, known.state = octets, "queued"
        if verdicts is not None:
            known.checks = road.told(verdicts, event["time_ms"])
        known.queue.append(name)
        self._queued[name] = known
        return {"kind": "mail", "id": known.id, "row": known.row(), "new": new}

    def _outcome(self, name: str, event: Event) -> Optional[Dict[str, Any]]:
        letter = self._queued.get(name)
        if letter is None:
            return None
        if event.name in ("failed", "expired"):
            letter.outcomes.append(
                {
                    "address": event["recipient"],
                    "text": "given up" if event.name == "failed" else "given up: it took too long",
                    "ms": event["time_ms"],
                    "facts": ["A report (DSN) goes back to the sender."] if letter.sender else [],
                    "queue": name,
                }
            )
        state = {"delivered": "filed", "deferred": "deferred"}.get(event.name, "failed")
        letter.state = "released" if state == "filed" and "-" in name else state
        return {"kind": "mail", "id": letter.id, "row": letter.row(), "new": False, "queue": True}

    def _offer(self, request: Request) -> Optional[Verdict]:
        """Keeps the octets of a mail at hand until its events have come: one that fails at once is nowhere else."""
        if request.message is not None and any(rule["stage"] == "deliver" for rule in self.trouble):
            octets = request.message.as_bytes()
            with self._lock:
                self._offered.append((request.sender, request.recipients, octets, request.verdicts))
                while sum(len(one[2]) for one in self._offered) > OFFERED_OCTETS_MAX:
                    self._offered.popleft()
        return None

    def _claim(self, sender: str, to: List[str]) -> Tuple[bytes, Optional[Verdicts]]:
        for offered in self._offered:
            if offered[0] == sender and set(to) <= set(offered[1]):
                self._offered.remove(offered)
                return offered[2], offered[3]
        return b"Subject: (delivered before it could be shown)\r\n\r\n", None

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
            for ms, address, message in found[-self.keep :]:
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
            fits = matcher(query)
            found = [letter for letter in reversed(self._letters.values()) if fits(letter)]
            unseen = sum(not letter.seen for letter in self._letters.values())
            rows = [letter.row() for letter in found[offset : offset + limit]]
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
        steps += road.checks(road.results_of(mail.trace), lines[-1]["ms"] if lines else letter.time_ms)
        if not mail.trace:
            steps += letter.checks
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
            steps.append(
                {
                    "kind": "released",
                    "state": "info",
                    "title": f"Released to {one['host']}",
                    "ms": one["ms"],
                    "facts": [f"Envelope: {one['sender'] or '<>'} to {', '.join(one['to'])}."],
                    "lines": [],
                }
            )
        steps += road.filed(letter.filings)
        waiting = [step for step in steps if step["kind"] in ("next", "held")]
        later = sorted((s for s in steps[came:] if s not in waiting), key=lambda step: int(step["ms"]))
        return steps[:came] + later + waiting
