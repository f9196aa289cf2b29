"""The road of a mail: the connection it came by, its checks, its filing, each attempt to deliver it.

It is drawn from the engine's events (`dialog`, `filed`, `queued` and so on), from the Authentication-Results field that
the engine wrote, and from `Engine.explain`.
"""

import re
from collections import OrderedDict
from typing import Any, Dict, List, Optional, Tuple

from ..event import Event
from ..mailauth import Verdicts

#: Connections whose lines are kept, and lines of each.
CONNECTIONS_MAX = 500
LINES_MAX = 400

_ACCEPTED = re.compile(r"^250 .*\b(?:filed|queued) as ([0-9a-z]+)")
_QUEUED = re.compile(r"\bqueued as ([0-9]+)")

_SENTENCES = {
    "iprev": "Does the client's address have a name that leads back to it?",
    "spf": "May this address send for this domain?",
    "dkim": "Is there a valid signature of a domain?",
    "dmarc": "Does the domain of From stand behind the mail?",
    "arc": "Did forwarders pass on what they found?",
    "auth": "Did the client log in?",
}


_PLAIN = {
    ("spf", "pass"): "the address may send for this domain",
    ("spf", "fail"): "the address may not send for this domain",
    ("spf", "softfail"): "the address should not send for this domain",
    ("dkim", "pass"): "the signature is valid",
    ("dkim", "fail"): "the signature is not valid",
    ("dmarc", "pass"): "the domain of From stands behind the mail",
    ("dmarc", "fail"): "the domain of From does not stand behind the mail",
    ("iprev", "pass"): "the name leads back to the address",
}


class Dialogs:
    """What clients and server said, by connection."""

    def __init__(self) -> None:
        self._lines: "OrderedDict[str, List[Dict[str, Any]]]" = OrderedDict()
        self._since: Dict[str, int] = {}

    def note(self, event: Event) -> Optional[Dict[str, Any]]:
        """Takes a line. A reply that accepts a message gives `peer`, `lines`, and `queue_id` where it was queued."""
        peer, text = event["peer"], event["text"]
        lines = self._lines.get(peer)
        if lines is None or text.startswith("220 ") and event["side"] == "S" and "ESMTP" in text:
            lines = self._lines[peer] = []
            self._since[peer] = 0
        self._lines.move_to_end(peer)
        while len(self._lines) > CONNECTIONS_MAX:
            gone, _ = self._lines.popitem(last=False)
            self._since.pop(gone, None)
        if len(lines) < LINES_MAX:
            lines.append({"ms": event["time_ms"], "side": event["side"], "text": text, "service": event["service"]})
        if event["side"] != "S" or not _ACCEPTED.match(text):
            return None
        since = self._since[peer]
        prelude = [line for line in lines[:since] if not _is_transaction(line)] if since else []
        told = {"peer": peer, "lines": prelude + lines[since:]}
        match = _QUEUED.search(text)
        if match:
            told["queue_id"] = match.group(1)
        if len(lines) >= LINES_MAX:  # a connection that sends on and on keeps its beginning
            del lines[40:]
        self._since[peer] = len(lines)
        return told


def _is_transaction(line: Dict[str, Any]) -> bool:
    """Whether a line belongs to an earlier mail of the connection."""
    text = str(line["text"]).upper()
    if line["side"] == "C":
        return text.startswith(("MAIL ", "RCPT ", "DATA", "BDAT", "(", ".", "RSET", "NOOP"))
    return text.startswith(("250 2.", "354", "45", "55"))


def arrival(lines: List[Dict[str, Any]], peer: str) -> List[Dict[str, Any]]:
    """The steps of a mail that came by SMTP: connection, envelope, answer."""
    if not lines:
        return []
    said = [line["text"] for line in lines if line["side"] == "C"]
    heard = [line["text"] for line in lines if line["side"] == "S"]
    tls = next((text.strip("()") for text in heard if text.startswith("(TLS")), "")
    helo = next((text for text in said if text.upper().startswith(("EHLO", "HELO", "LHLO"))), "")
    login = any(text.startswith("235") for text in heard)
    facts = [f"The client calls itself {helo.partition(' ')[2]}." if helo else "", _tls_sentence(tls)]
    facts.append("The client logged in." if login else "The client did not log in.")
    service = lines[0]["service"]
    words = {"mx": "SMTP", "submission": "submission", "lmtp": "LMTP"}.get(service, service)
    steps = [_step("connect", "ok", f"{peer or 'A client'} connects to {words}", lines[0]["ms"], facts)]
    envelope, ms = [], lines[0]["ms"]
    for at, line in enumerate(lines):
        if line["side"] == "C" and line["text"].upper().startswith(("MAIL ", "RCPT ")):
            reply = next((one["text"] for one in lines[at + 1 :] if one["side"] == "S"), "")
            envelope.append(f"{line['text']} — {reply}")
            ms = line["ms"] if len(envelope) == 1 else ms
    state = "bad" if any(f"— {digit}" in text for text in envelope for digit in "45") else "ok"
    steps.append(_step("envelope", state, "Envelope", ms, envelope))
    steps[0]["lines"] = [{"side": line["side"], "text": line["text"], "ms": line["ms"]} for line in lines]
    return steps


def _tls_sentence(tls: str) -> str:
    return f"The connection is encrypted with {tls}." if tls else "The connection is in the clear."


def answer(lines: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The reply that a client has had, and how long it waited for it."""
    if not lines or lines[-1]["side"] != "S":
        return []
    end = next((line["ms"] for line in reversed(lines) if line["side"] == "C"), lines[-1]["ms"])
    waited = max(0, lines[-1]["ms"] - end)
    said = f"The client waited {waited} ms. The mail was on disk before the reply."
    return [_step("reply", "ok", lines[-1]["text"], lines[-1]["ms"], [said])]


def checks(results: str, ms: int) -> List[Dict[str, Any]]:
    """The verdicts of an Authentication-Results field: a word and a sentence for each."""
    verdicts = []
    for part in re.split(r";(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", " ".join(results.split()))[1:]:
        match = re.match(r"\s*([a-z]+)=([a-z]+)(.*)", part)
        if match is None:
            continue
        method, result, rest = match.groups()
        reason = re.search(r'reason="([^"]*)"', rest)
        facts = dict(re.findall(r'\b((?:smtp|header|policy)\.[a-z0-9-]+)="?([^"\s]+)', rest))
        about = next(iter(facts.values()), "")
        verdicts.append(
            {
                "method": method,
                "result": result,
                "about": about,
                "asked": _asked(method, facts),
                "question": _SENTENCES.get(method, ""),
                "why": reason.group(1) if reason else _plain(method, result, about),
            }
        )
    if not verdicts:
        return []
    bad = any(one["result"] in ("fail", "permerror", "softfail") and one["method"] != "iprev" for one in verdicts)
    return [{**_step("checks", "bad" if bad else "ok", "Checks", ms, []), "verdicts": verdicts}]


def told(verdicts: Verdicts, ms: int) -> List[Dict[str, Any]]:
    """The same for a mail that was only offered: it failed before a copy with the field could be read."""
    sender = verdicts.spf.domain if verdicts.spf is not None else ""
    found: List[Tuple[str, Any, str, str]] = [("iprev", verdicts.iprev, "", ""), ("spf", verdicts.spf, sender, "")]
    found += [("dkim", one, one.domain, one.selector) for one in verdicts.dkim or ()]
    found += [("dmarc", verdicts.dmarc, verdicts.from_domain or "", ""), ("arc", verdicts.arc, "", "")]
    names = {"spf": "smtp.mailfrom", "dkim": "header.d", "dmarc": "header.from"}
    rows = []
    for method, one, about, selector in found:
        if one is not None:
            facts = {names.get(method, ""): about, "header.s": selector}
            rows.append(
                {
                    "method": method,
                    "result": one.result,
                    "about": about,
                    "asked": _asked(method, facts),
                    "question": _SENTENCES[method],
                    "why": one.why or _plain(method, one.result, about),
                }
            )
    bad = any(row["result"] in ("fail", "permerror", "softfail") and row["method"] != "iprev" for row in rows)
    return [{**_step("checks", "bad" if bad else "ok", "Checks", ms, []), "verdicts": rows}]


def _plain(method: str, result: str, about: str) -> str:
    if method == "dkim" and result == "none":
        return "the mail is not signed"
    if method == "arc" and result == "none":
        return "no forwarder has sealed it"
    if method == "iprev" and result != "pass":
        return f"{about or 'the address'} has no name"
    return _PLAIN.get((method, result), "") or {
        "pass": "it holds",
        "fail": "it does not hold",
        "none": "there is nothing to check",
    }.get(result, "the check came to no end")


def _asked(method: str, facts: Dict[str, str]) -> List[str]:
    """The DNS names behind a verdict."""
    domain = next(
        (
            value.rpartition("@")[2]
            for name, value in facts.items()
            if name in ("smtp.mailfrom", "smtp.helo", "header.from", "header.d")
        ),
        "",
    )
    if not domain or domain.startswith("["):
        return []
    if method == "spf":
        return [f"{domain} TXT"]
    if method == "dmarc":
        return [f"_dmarc.{domain} TXT"]
    if method == "dkim" and "header.s" in facts:
        return [f"{facts['header.s']}._domainkey.{domain} TXT"]
    return []


def filed(filings: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Where copies of the mail were filed."""
    return [
        _step("filed", "ok", f"Filed in {one['address']} / {one['mailbox']}", one["ms"], [f"UID {one['uid']}."])
        for one in filings
    ]


def queue(name: str, explained: Dict[str, Any], outcomes: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The way through the queue: each attempt with host and reply, and the next one."""
    steps = []
    if explained.get("queued"):
        to = [f"{one['address']}: {one['route']}, {one['why']}" for one in explained["recipients"]]
        steps.append(_step("queued", "info", f"In the queue as {name}", explained["accepted_ms"], to))
    for number, attempt in enumerate(explained.get("attempts", []), 1):
        worst, lines = "ok", []
        for one in attempt["recipients"]:
            worst = _worse(worst, one["decision"])
            reply = " ".join(str(part) for part in (one["code"] or "", one["enhanced"], one["text"]) if part)
            lines.append(f"{one['address']}: {one['decision']} — {one['host'] or 'here'}: {reply}")
            if one["tls"]:
                lines.append(f"TLS: {one['tls']}; policy: {one['tls_policy']}")
        hosts = sorted({one["host"] for one in attempt["recipients"] if one["host"]})
        title = f"Attempt {number}" + (f" at {', '.join(hosts)}" if hosts else "")
        step = _step("attempt", worst, title, attempt["began_ms"], lines)
        step["lines"] = [
            {"side": one["kind"], "text": one["text"], "ms": attempt["began_ms"] + one["ms"]}
            for one in attempt["trail"]
        ]
        steps.append(step)
    steps += [_step("outcome", "bad", f"{one['address']}: {one['text']}", one["ms"], one["facts"]) for one in outcomes]
    if explained.get("queued"):
        due = [one["next_ms"] for one in explained["recipients"] if one.get("next_ms")]
        if explained["held"]:
            steps.append(_step("held", "wait", "Held: no attempt until it is released", explained["now_ms"], []))
        elif due:
            steps.append({**_step("next", "wait", "Next attempt", min(due), []), "queue": name})
    return steps


def _worse(state: str, decision: str) -> str:
    order = ["ok", "wait", "bad"]
    new = {"delivered": "ok", "deferred": "wait"}.get(decision, "bad")
    return max(state, new, key=order.index)


def _step(kind: str, state: str, title: str, ms: int, facts: List[str]) -> Dict[str, Any]:
    return {
        "kind": kind,
        "state": state,
        "title": title,
        "ms": ms,
        "facts": [fact for fact in facts if fact],
        "lines": [],
    }


def results_of(trace: bytes) -> str:
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
