"""Checks and signatures without an engine: SPF, DKIM, DMARC, ARC.

    import mailcore

    with mailcore.Resolver() as names:
        verdicts = mailcore.verify(message, ip="192.0.2.1", helo="mx.example.org", mail_from="a@example.org",
                                   resolver=names)
    print(verdicts.dmarc.result, verdicts.dmarc.policy)

Messages are bytes as they travel, or with LF line ends as in files. A message, an origin, a zone and a time give the
same verdicts again: `Resolver(zone="example.org TXT v=spf1 -all")` asks nobody. Trouble with DNS is a verdict
("temperror"), not an exception.
"""

import ctypes
import json
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Type, Union

from . import _abi
from ._library import LIBRARY, Unique, call, close, take, text, until_interrupted
from .errors import ClosedError, ForkedError, UsageError

Octets = Union[bytes, bytearray, memoryview]
Time = Union[datetime, int, float]

_RESULTS = {
    "none": _abi.MAILCORE_RESULT_NONE,
    "pass": _abi.MAILCORE_RESULT_PASS,
    "fail": _abi.MAILCORE_RESULT_FAIL,
    "softfail": _abi.MAILCORE_RESULT_SOFTFAIL,
    "neutral": _abi.MAILCORE_RESULT_NEUTRAL,
    "temperror": _abi.MAILCORE_RESULT_TEMPERROR,
    "permerror": _abi.MAILCORE_RESULT_PERMERROR,
}


_ALL = (
    _abi.MAILCORE_CHECK_SPF
    | _abi.MAILCORE_CHECK_SPF_HELO
    | _abi.MAILCORE_CHECK_DKIM
    | _abi.MAILCORE_CHECK_DMARC
    | _abi.MAILCORE_CHECK_ARC
    | _abi.MAILCORE_CHECK_IPREV
)
"""The checks that are made where nothing is said of them."""


@dataclass(frozen=True)
class SpfVerdict:
    """What SPF says: one of none, neutral, pass, fail, softfail, temperror, permerror."""

    result: str
    domain: str
    """The domain whose record was asked."""
    explanation: str
    """After a fail, what the domain has to say about it; empty for nothing."""
    why: str
    """Which mechanism matched, which limit was passed, which record failed."""


@dataclass(frozen=True)
class DkimVerdict:
    """What became of one signature: pass, fail, neutral, temperror or permerror."""

    result: str
    domain: str
    selector: str
    algorithm: str
    """rsa-sha256 or ed25519-sha256; empty where it could not be read."""
    signature_begins: str
    """The first characters of b=, by which signatures are told apart."""
    testing: bool
    """The domain says that it is only testing (t=y)."""
    why: str
    """What failed; empty for a pass."""


@dataclass(frozen=True)
class DmarcVerdict:
    """What DMARC says: none, pass, fail, temperror or permerror, and what is to be done."""

    result: str
    policy: str
    """none, quarantine or reject."""
    percent: int
    """Percentage of the failing messages that the policy is for (pct=); the others get the milder one."""
    domain: str
    """Where the policy was found; empty for nowhere."""
    spf_aligned: bool
    """SPF passed for a domain that belongs to the author's."""
    dkim_aligned: bool
    """A signature passed whose domain belongs to the author's."""
    why: str


@dataclass(frozen=True)
class ArcSet:
    """One link of a chain that passed."""

    instance: int
    domain: str
    selector: str
    results: str
    """What the sealer found when the message came in, as Authentication-Results has it."""


@dataclass(frozen=True)
class ArcVerdict:
    """What became of the chain of those who handled the message: none, pass or fail."""

    result: str
    instances: int
    sets: Tuple[ArcSet, ...]
    """Of a chain that passed, its links, newest first."""
    oldest_pass: Optional[int]
    """Of a chain that passed, the oldest link since which the message is unchanged; 0 where all still fit."""
    why: str


@dataclass(frozen=True)
class IprevVerdict:
    """Whether the client's address has a name that leads back to it: pass, fail, temperror or permerror."""

    result: str
    name: str
    """That name; empty unless the result is pass."""
    why: str


@dataclass(frozen=True)
class BimiVerdict:
    """Which picture the author's domain wants shown: found, none, declined, skipped, fail or temperror.

    Only data: the picture was not fetched, nor is it proved to be the domain's.
    """

    result: str
    domain: str
    """Where the record was found."""
    selector: str
    indicator: str
    """Where the picture is, an https: URI; empty unless the result is found."""
    evidence: str
    """Where the evidence is that it is the domain's; empty for none."""
    prefers_person: bool
    """The domain would rather see a picture of the person than its own."""
    why: str
    """What stood in the way; empty where something was found."""


@dataclass(frozen=True)
class Verdicts:
    """All verdicts on a message; None for a check that was not asked for."""

    spf: Optional[SpfVerdict]
    spf_helo: Optional[SpfVerdict]
    dkim: Optional[Tuple[DkimVerdict, ...]]
    """One for each signature, in the order of their fields; empty for an unsigned message."""
    dmarc: Optional[DmarcVerdict]
    arc: Optional[ArcVerdict]
    iprev: Optional[IprevVerdict]
    from_domain: str
    """Domain of the author, which DMARC is about."""
    bimi: Optional[BimiVerdict] = None
    results: str = ""
    """All of it but BIMI as the value of an Authentication-Results field in the name of `receiver`, folded with CRLF;
    empty without that name, and with a `Request`."""

    def as_dict(self) -> Dict[str, Any]:
        """What can be written as JSON; without the checks that were not asked for."""
        from dataclasses import asdict

        return {name: value for name, value in asdict(self).items() if value is not None}


class Resolver(Unique):
    """Where names are looked up: the system's DNS, the server at `server` ("127.0.0.1:5353", "[::1]:53"), or `zone`.

    A zone is text, a line "name type data" for each record, or a sequence of such lines; it stands in front of the
    server, and without one it is all there is: nobody is asked then. `timeout` (seconds; 20 where it is not given)
    is how long all questions of one call may take together. Answers are remembered as long as DNS allows; it may be
    used by many threads. Close it, or use it in a `with` statement.
    """

    def __init__(
        self,
        server: Optional[str] = None,
        zone: Union[str, Iterable[str], None] = None,
        timeout: Optional[float] = None,
    ) -> None:
        self._handle = 0
        if zone is not None and not isinstance(zone, str):
            zone = "\n".join(zone)
        options = _abi.mailcore_resolver_options(
            server=text(server),
            zone=text(zone),
            timeout_ms=0 if timeout is None else min(max(1, int(timeout * 1000)), 0xFFFFFFFF),
        )
        handle = _abi.mailcore_resolver()
        call("mailcore_resolver_open", ctypes.byref(options), ctypes.byref(handle))
        self._handle = handle.value

    @property
    def handle(self) -> int:
        """The number of the C interface."""
        if not self._handle:
            raise ClosedError(_abi.MAILCORE_E_HANDLE, "the resolver is closed")
        return self._handle

    def close(self) -> None:
        """Ends it; calls that wait on it end with `Interrupted`. A second call does nothing."""
        handle, self._handle = self._handle, 0
        if handle:
            close(handle)

    def __enter__(self) -> "Resolver":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Holds nothing that could be lost: no warning. In a forked child it is the parent's.
        if getattr(self, "_handle", 0):
            try:
                self.close()
            except ForkedError:
                pass


def spf(
    ip: str,
    helo: str,
    mail_from: str,
    *,
    resolver: Optional[Resolver] = None,
    receiver: Optional[str] = None,
    time: Optional[Time] = None,
) -> SpfVerdict:
    """SPF (RFC 7208): may `ip` send for `mail_from`?

    `mail_from` may be "" or "<>" for the null sender: the name in HELO is checked then. A domain alone stands for
    its postmaster.
    """
    verdict = _verify(b"", _abi.MAILCORE_CHECK_SPF, ip, helo, mail_from, resolver, receiver, time).spf
    assert verdict is not None
    return verdict


def verify(
    message: Octets,
    *,
    ip: Optional[str] = None,
    helo: str = "",
    mail_from: str = "",
    resolver: Optional[Resolver] = None,
    receiver: Optional[str] = None,
    time: Optional[Time] = None,
    bimi: bool = False,
) -> Verdicts:
    """Checks a message: SPF and DMARC where `ip`, the address of the client, is known; DKIM and ARC in any case.

    With `bimi` it is looked up as well which picture the author's domain wants shown; that needs `ip`. `receiver` is
    our own name, for explanations of SPF and for `Verdicts.results`.
    """
    checks = _ALL | _abi.MAILCORE_CHECK_BIMI if bimi else 0
    return _verify(message, checks, ip, helo, mail_from, resolver, receiver, time)


def dkim_verify(
    message: Octets, *, resolver: Optional[Resolver] = None, time: Optional[Time] = None
) -> Tuple[DkimVerdict, ...]:
    """Checks the DKIM signatures (RFC 6376) of a message; empty for an unsigned one."""
    return _verify(message, _abi.MAILCORE_CHECK_DKIM, None, "", "", resolver, None, time).dkim or ()


def arc_verify(message: Octets, *, resolver: Optional[Resolver] = None, time: Optional[Time] = None) -> ArcVerdict:
    """Checks the chain of ARC (RFC 8617) of a message."""
    verdict = _verify(message, _abi.MAILCORE_CHECK_ARC, None, "", "", resolver, None, time).arc
    assert verdict is not None
    return verdict


def dmarc(
    from_domain: str,
    *,
    spf: Tuple[str, str] = ("none", ""),
    dkim: Iterable[Tuple[str, str]] = (),
    resolver: Optional[Resolver] = None,
) -> DmarcVerdict:
    """DMARC (RFC 7489, RFC 9989) by what SPF and DKIM said: for each, a result and the domain it is for."""
    signatures: List[Tuple[str, str]] = list(dkim)
    evidence = _abi.mailcore_evidence(
        from_domain=text(from_domain),
        spf_result=_number(spf[0]),
        spf_domain=text(spf[1]),
        dkim_results=(ctypes.c_uint32 * len(signatures))(*(_number(result) for result, _ in signatures)),
        dkim_domains=(ctypes.c_char_p * len(signatures))(*(text(domain) for _, domain in signatures)),
        dkim_count=len(signatures),
    )
    verdict = _verdicts("mailcore_dmarc_evaluate", resolver, ctypes.byref(evidence)).dmarc
    assert verdict is not None
    return verdict


def dkim_sign(
    message: Octets,
    domain: str,
    selector: str,
    key: Union[str, bytes],
    *,
    algorithm: Optional[str] = None,
    canonicalization: Optional[str] = None,
    headers: Optional[Iterable[str]] = None,
    identity: Optional[str] = None,
    time: Optional[Time] = None,
) -> bytes:
    """The DKIM-Signature field for a message: `dkim_sign(message, ...) + message` is the signed message.

    `key` is a PEM (PKCS #1 or PKCS #8) or the base64 of an Ed25519 seed; `algorithm` ("rsa-sha256", "ed25519-sha256")
    says what it must be for, where that matters. `canonicalization` is that of header/body ("relaxed/relaxed").
    `headers` names the fields to sign; one that is named twice may not be added to later. The field has the line ends
    that the message has.
    """
    signer = _signer(domain, selector, key, algorithm, time)
    signer.canonicalization = text(canonicalization)
    signer.headers = text(None if headers is None else ":".join(headers))
    signer.identity = text(identity)
    octets, field = bytes(message), _abi.mailcore_buf()
    call("mailcore_dkim_sign", ctypes.byref(signer), octets, len(octets), ctypes.byref(field))
    return take(field)


def arc_seal(
    message: Octets,
    domain: str,
    selector: str,
    key: Union[str, bytes],
    *,
    authserv_id: Optional[str] = None,
    algorithm: Optional[str] = None,
    chain: Optional[str] = None,
    results: Optional[str] = None,
    resolver: Optional[Resolver] = None,
    time: Optional[Time] = None,
) -> bytes:
    """The three fields of ARC (RFC 8617) for a message that is passed on: `arc_seal(message, ...) + message`.

    The chain that the message has is checked first. Its result goes into the new set, with what the message's
    Authentication-Results fields of `authserv_id` (our name there; by default the domain) say. Empty where nothing
    may be added: the chain was found broken by one before us, or is as long as a chain may be.

    Who changes the message checks it before: `found = verify(message, receiver="mx.example.org", ...)`, and then
    `arc_seal(changed, ..., chain=found.arc.result, results=found.results)` seals what was found when it came in.
    """
    signer = _signer(domain, selector, key, algorithm, time)
    signer.authserv_id = text(authserv_id)
    signer.chain = 0 if chain is None else _number(chain)
    signer.results = text(results)
    if resolver is None:
        with Resolver() as own:
            return _sealed(message, signer, own)
    return _sealed(message, signer, resolver)


def _sealed(message: Octets, signer: _abi.mailcore_signer, resolver: Resolver) -> bytes:
    octets, fields = bytes(message), _abi.mailcore_buf()
    handle, arguments = resolver.handle, (ctypes.byref(signer), octets, len(octets), ctypes.byref(fields))
    until_interrupted(handle, lambda: call("mailcore_arc_seal", handle, *arguments))
    return take(fields)


_ALGORITHMS = {
    None: 0,
    "rsa-sha256": _abi.MAILCORE_ALGORITHM_RSA_SHA256,
    "ed25519-sha256": _abi.MAILCORE_ALGORITHM_ED25519_SHA256,
}


def algorithm_number(algorithm: Optional[str]) -> int:
    """The number of the C interface."""
    if algorithm not in _ALGORITHMS:
        raise UsageError(_abi.MAILCORE_E_INVALID, f"{algorithm!r} is neither rsa-sha256 nor ed25519-sha256")
    return _ALGORITHMS[algorithm]


def _signer(domain: str, selector: str, key: Union[str, bytes], algorithm: Optional[str], time: Optional[Time]) -> Any:
    return _abi.mailcore_signer(
        algorithm=algorithm_number(algorithm),
        domain=text(domain),
        selector=text(selector),
        key=text(key) if isinstance(key, str) else key,
        time_ms=_milliseconds(time),
    )


def _number(result: str) -> int:
    try:
        return _RESULTS[result]
    except KeyError:
        raise UsageError(_abi.MAILCORE_E_INVALID, f"{result!r} is no result: {', '.join(_RESULTS)}") from None


def _milliseconds(time: Optional[Time]) -> int:
    """A time for C, where 0 is now: the first millisecond stands for the epoch itself."""
    if time is None:
        return 0
    seconds = time.timestamp() if isinstance(time, datetime) else time
    return int(seconds * 1000) or 1


def _verify(
    message: Octets,
    checks: int,
    ip: Optional[str],
    helo: str,
    mail_from: str,
    resolver: Optional[Resolver],
    receiver: Optional[str],
    time: Optional[Time],
) -> Verdicts:
    origin = _abi.mailcore_origin(
        checks=checks,
        ip=text(ip),
        helo=text(helo),
        mail_from=text(mail_from),
        receiver=text(receiver),
        time_ms=_milliseconds(time),
    )
    octets = bytes(message)
    return _verdicts("mailcore_verify", resolver, ctypes.byref(origin), octets, len(octets))


def _verdicts(function: str, resolver: Optional[Resolver], *arguments: Any) -> Verdicts:
    """Calls a function that fills a mailcore_verdicts; without a resolver, by one for this call."""
    if resolver is None:
        with Resolver() as own:
            return _verdicts(function, own, *arguments)
    raw = _abi.mailcore_verdicts()
    try:
        handle = resolver.handle
        until_interrupted(handle, lambda: call(function, handle, *arguments, ctypes.byref(raw)))
        return verdicts_of(json.loads(raw.json))
    finally:
        LIBRARY.mailcore_verdicts_clear(ctypes.byref(raw))


def verdicts_of(found: Mapping[str, Any]) -> Verdicts:
    """Verdicts from the JSON of the C interface."""
    return Verdicts(
        spf=SpfVerdict(**found["spf"]) if "spf" in found else None,
        spf_helo=SpfVerdict(**found["spf_helo"]) if "spf_helo" in found else None,
        dkim=tuple(DkimVerdict(**one) for one in found["dkim"]) if "dkim" in found else None,
        dmarc=DmarcVerdict(**found["dmarc"]) if "dmarc" in found else None,
        arc=_chain(found["arc"]) if "arc" in found else None,
        iprev=IprevVerdict(**found["iprev"]) if "iprev" in found else None,
        from_domain=found["from_domain"],
        bimi=BimiVerdict(**found["bimi"]) if "bimi" in found else None,
        results=found.get("results", ""),
    )


def _chain(found: Mapping[str, Any]) -> ArcVerdict:
    return ArcVerdict(**{**found, "sets": tuple(ArcSet(**one) for one in found["sets"])})
