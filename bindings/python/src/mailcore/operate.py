"""What the command line does on an engine: the queue, accounts, aliases, keys, domains, backup, check, counters.

Each operation takes a request (a mapping that came as JSON) and gives rows (mappings that go as JSON). They are the same
whether the engine is this program's own or a server's that runs: `control` brings them there.
"""

import base64
import dataclasses
from typing import Any, Callable, Dict, Iterator, Mapping

from .engine import Engine
from .errors import NotFound
from .event import Queued

Row = Dict[str, Any]
Operation = Callable[[Engine, Mapping[str, Any]], Iterator[Row]]

#: Octets of a message that are read at a time.
PIECE_OCTETS = 48 << 10
_ACTIONS = ("retry", "hold", "release", "bounce", "drop")


def operate(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    """The rows of the operation `request["do"]`."""
    operation = OPERATIONS.get(str(request.get("do")))
    if operation is None:
        raise ValueError(f"there is no operation {request.get('do')!r}")
    return operation(engine, request)


def _queue_list(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    for one in engine.queue():
        yield _queued(one)


def _queued(one: Queued) -> Row:
    return {
        "id": one.id,
        "from": one.sender,
        "to": list(one.recipients),
        "size": one.size,
        "state": one.state.name.lower(),
        "held": one.held,
        "attempts": one.attempts,
        "code": one.smtp_code,
        "reply": one.reply,
        "accepted": one.accepted and one.accepted.isoformat(),
        "due": one.due and one.due.isoformat(),
    }


def _queue_show(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    with engine.queued_message(int(request["id"])) as message:
        while True:
            octets = message.read(PIECE_OCTETS)
            if not octets:
                return
            yield {"octets": base64.b64encode(octets).decode("ascii")}


def _queue_explain(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    yield engine.explain(int(request["id"]))


def _queue_act(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    action, id = str(request["action"]), int(request.get("id") or 0)
    if action not in _ACTIONS:
        raise ValueError(f"there is no action {action}; there are {', '.join(_ACTIONS)}")
    chosen = {name: request[name] for name in ("sender", "recipient", "domain") if request.get(name)}
    count = engine.queue_select(action, id=id, **chosen)
    if id and not count:
        raise NotFound(-21, f"no message {id} in the queue")
    yield {"action": action, "messages": count}


def _account_list(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    for address in engine.accounts():
        with engine.account(address) as account:
            yield {"address": address, "octets": account.octets, "quota": account.quota}


def _account_put(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    with engine.put_account(str(request["address"]), request.get("password")) as account:
        yield {"address": account.address}


def _account_delete(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    engine.delete_account(str(request["address"]))
    yield {"address": request["address"]}


def _alias_list(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    for pattern, targets in engine.aliases().items():
        yield {"alias": pattern, "targets": targets}


def _alias_put(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    engine.put_alias(str(request["alias"]), request.get("target"))
    yield {"alias": request["alias"], "target": request.get("target")}


def _keys_list(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    for key in engine.dkim.list():
        yield {**dataclasses.asdict(key), "since": key.since and key.since.isoformat()}


def _keys_new(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    domain, selector = str(request["domain"]), str(request["selector"])
    record = engine.dkim.generate(domain, selector, str(request.get("algorithm") or "rsa-sha256"))
    yield {"domain": domain, "selector": selector, "name": f"{selector}._domainkey.{domain}", "record": record}


def _keys_act(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    domain, selector, action = str(request["domain"]), str(request["selector"]), str(request["action"])
    if action == "activate":
        engine.dkim.activate(domain, selector)
    elif action == "remove":
        engine.dkim.remove(domain, selector)
    else:
        raise ValueError(f"there is no action {action}; there are activate, remove")
    yield {"domain": domain, "selector": selector, "action": action}


def _backup(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    # The progress comes by a callback: a row for each would need a thread, so the end alone is told.
    steps = {"octets": 0}

    def note(done: int, total: int) -> None:
        steps["octets"] = total

    engine.backup(str(request["folder"]), note)
    yield {"folder": request["folder"], "octets": steps["octets"]}


def _check(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    for step in engine.check():
        yield dataclasses.asdict(step)


def _stats(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    yield dataclasses.asdict(engine.stats())


def _submit(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    octets = base64.b64decode(request["octets"])
    to = [str(one) for one in request["to"]]
    yield {"id": engine.submit(octets, str(request["from"]), to, key=request.get("key"))}


def _delivery(engine: Engine, request: Mapping[str, Any]) -> Iterator[Row]:
    found = engine.delivery(int(request["id"]))
    yield {
        "state": found.state.name.lower(),
        "code": found.smtp_code,
        "host": found.host,
        "reply": found.reply,
        "next": found.next and found.next.isoformat(),
    }


OPERATIONS: Dict[str, Operation] = {
    "queue.list": _queue_list,
    "queue.show": _queue_show,
    "queue.explain": _queue_explain,
    "queue.act": _queue_act,
    "account.list": _account_list,
    "account.put": _account_put,
    "account.delete": _account_delete,
    "alias.list": _alias_list,
    "alias.put": _alias_put,
    "keys.list": _keys_list,
    "keys.new": _keys_new,
    "keys.act": _keys_act,
    "backup": _backup,
    "check": _check,
    "stats": _stats,
    "submit": _submit,
    "delivery": _delivery,
}
