"""Reports others sent: DMARC to `dmarc.report_address`, TLS to `tlsrpt.report_address`; addresses that get no mail."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Dict, Iterator, List, Optional

from . import _abi
from .account import rows, words
from .message import moment

_POLICIES = ("none", "quarantine", "reject", "pass")


@dataclass(frozen=True)
class DmarcRecord:
    """Messages of a report that went the same way. `detail` has what else was told: "envelope_from", "envelope_to",
    "reasons", "dkim" and "spf", named as in the XML of RFC 7489."""

    place: int
    source: str
    header_from: str
    messages: int
    disposition: str
    dkim_aligned: bool
    spf_aligned: bool
    detail: Dict[str, Any]


@dataclass(frozen=True)
class DmarcReport:
    """What one receiver saw of a domain's mail in some time. `failed` messages had neither DKIM nor SPF aligned;
    `policy` is what the domain had published; `detail` has what else was told, "p", "sp", "adkim" and so on."""

    id: int
    reporter: str
    domain: str
    begin: Optional[datetime]
    end: Optional[datetime]
    messages: int
    failed: int
    policy: str
    report_id: str
    email: str
    detail: Dict[str, Any]
    _engine: int

    def records(self) -> Iterator[DmarcRecord]:
        """What was seen, row by row."""
        for r in rows(self._engine, _abi.MAILCORE_LIST_DMARC_RECORDS, id=self.id):
            yield DmarcRecord(r.id, words(r.name), words(r.text), r.total, _POLICIES[r.state], bool(r.flags & 1),
                              bool(r.flags & 2), json.loads(r.detail))  # fmt: skip


def reports(engine: int, after: int) -> Iterator[DmarcReport]:
    """Reports with ids above `after`."""
    for r in rows(engine, _abi.MAILCORE_LIST_DMARC_REPORTS, after=after):
        detail = json.loads(r.detail)
        yield DmarcReport(r.id, words(r.name), words(r.text), moment(r.time_ms), moment(r.due_ms), r.total, r.unseen,
                          _POLICIES[r.state], detail["report_id"], detail["email"], detail, engine)  # fmt: skip


@dataclass(frozen=True)
class TlsReport:
    """How sessions of one sender with our hosts went in some time (RFC 8460): `failed` of them did not have the TLS that
    was demanded. `domains` are those whose mail it is about; `report` is the whole report as JSON of the standard."""

    id: int
    reporter: str
    domains: List[str]
    begin: Optional[datetime]
    end: Optional[datetime]
    sessions: int
    failed: int
    report_id: str
    report: Dict[str, Any]


@dataclass(frozen=True)
class Suppressed:
    """An address, or "@domain", that gets no mail of `account` (an id; None for everybody) until `until`."""

    address: str
    reason: str
    detail: str
    since: Optional[datetime]
    until: Optional[datetime]
    account: Optional[int]


def tls_reports(engine: int, after: int) -> Iterator[TlsReport]:
    """TLS reports with ids above `after`."""
    for r in rows(engine, _abi.MAILCORE_LIST_TLS_REPORTS, after=after):
        detail = json.loads(r.detail)
        domains = [domain for domain in words(r.text).split(",") if domain]
        yield TlsReport(r.id, words(r.name), domains, moment(r.time_ms), moment(r.due_ms), r.total, r.unseen,
                        detail["report_id"], detail["report"] or {})  # fmt: skip


def suppressed(engine: int) -> Iterator[Suppressed]:
    """Addresses that get no mail."""
    for r in rows(engine, _abi.MAILCORE_LIST_SUPPRESSED):
        until = moment(r.due_ms) if r.due_ms else None
        yield Suppressed(words(r.name), words(r.text), words(r.detail), moment(r.time_ms), until, r.id or None)
