"""The DNS records to publish for a domain: `python -m mailcore dns DOMAIN`.

`zone_file` writes them as a zone file has them, with a comment on each; nothing is asked and nothing is sent.
"""

import contextlib
import ipaddress
import os
import tempfile
from typing import List, Optional, Sequence, Tuple

from . import _abi
from .engine import Engine
from .errors import UsageError

#: Bytes of one character-string of a TXT record (RFC 1035 §3.3.14).
STRING_BYTES = 255
TTL = 3600
#: Services that mail programs look for by SRV records (RFC 6186, RFC 8314): name, port.
SERVICES = (("_submissions._tcp", 465), ("_submission._tcp", 587), ("_imaps._tcp", 993))


def zone_file(
    domain: str,
    mx: str,
    addresses: Sequence[str] = (),
    keys: Sequence[Tuple[str, str]] = (),
    policy: str = "none",
    reports: Optional[str] = None,
    services: Sequence[Tuple[str, int]] = SERVICES,
) -> str:
    """Records of `domain`, whose mail server is called `mx` and has these addresses.

    `keys` are selectors with the text of their DKIM record; `policy` is what DMARC asks others to do ("none",
    "quarantine", "reject"); `reports` is the address for their reports, postmaster of the domain by default.
    """
    domain, mx = _name(domain), _name(mx)
    ips = [_ip(address) for address in addresses]
    reports = reports or f"postmaster@{domain}"
    lines = [f"; DNS records for the mail of {domain}, handled by the server {mx}: paste them into its zone."]
    add = lines.append

    add(f"\n; MX: where other servers bring mail for {domain}.")
    add(_line(domain, "MX", f"10 {mx}."))
    add(f"\n; The address of {mx}." + ("" if ips else " It is not known here: say --ip ADDRESS."))
    lines.extend(_line(mx, "A" if ip.version == 4 else "AAAA", str(ip)) for ip in ips)
    add("\n; SPF: the server that the MX record names may send mail of the domain, nobody else may.")
    add(_line(domain, "TXT", _strings("v=spf1 mx -all")))
    add("; The same for mail that the server sends in its own name, as bounces.")
    add(_line(mx, "TXT", _strings("v=spf1 a -all")))
    if keys:
        add("\n; DKIM: the public key by which others check the signatures of the domain.")
        lines.extend(_line(f"{selector}._domainkey.{domain}", "TXT", _strings(record)) for selector, record in keys)
    else:
        add("\n; DKIM: no key is known here: say --key SELECTOR:FILE, or --store FOLDER for the keys of a store.")
    add("\n; DMARC: what others shall do with mail that claims to come from the domain and passes neither SPF nor DKIM")
    add("; (p=none: nothing, p=quarantine: treat as junk, p=reject: refuse), and who gets their daily reports.")
    add(_line(f"_dmarc.{domain}", "TXT", _strings(f"v=DMARC1; p={policy}; rua=mailto:{reports}")))
    if services:
        add("\n; SRV: where mail programs find the server by the address alone.")
        lines.extend(_line(f"{name}.{domain}", "SRV", f"0 1 {port} {mx}.") for name, port in services)
    add("\n; PTR: not in this zone; whoever owns the address (your provider) sets the name that it leads back to.")
    lines.extend(f"; {_line(ip.reverse_pointer, 'PTR', f'{mx}.')}" for ip in ips)
    add("\n; What MTA-STS, TLSRPT and DANE (TLSA) want depends on the server's certificate: see `mailcore keys tls`,")
    add("; `Engine.sts_policy` and `Engine.advice`.")
    return "\n".join(lines) + "\n"


def record_of(domain: str, selector: str, key: bytes) -> str:
    """The DKIM record that belongs to a private key (PEM, or the base64 of an Ed25519 seed)."""
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.closing(Engine(folder, settings={"dns.host_only": True})) as engine:
            engine.dkim.set(domain, selector, key)
            return engine.dkim.list()[0].record


def records_of_store(domain: str, store: str) -> List[Tuple[str, str]]:
    """Selectors and records of a domain's keys in a store that no engine has open."""
    if not os.path.isdir(store):
        raise UsageError(_abi.MAILCORE_E_INVALID, f"{store}: there is no such folder")
    with contextlib.closing(Engine(store)) as engine:
        keys = [key for key in engine.dkim.list() if key.domain == _name(domain) and key.record]
    return [(key.selector, key.record) for key in keys]


def _name(name: str) -> str:
    name = name.rstrip(".").lower()
    labels = name.encode("idna").decode("ascii") if not name.isascii() else name
    good = all(0 < len(label) <= 63 for label in labels.split(".")) and not set(labels) - set(_NAME)
    if "." not in labels or not good:
        raise UsageError(_abi.MAILCORE_E_INVALID, f'"{name}": not a domain name')
    return labels


_NAME = "abcdefghijklmnopqrstuvwxyz0123456789-_."


def _ip(address: str) -> "ipaddress.IPv4Address | ipaddress.IPv6Address":
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        raise UsageError(_abi.MAILCORE_E_INVALID, f'--ip "{address}": not an IP address') from None


def _line(name: str, kind: str, data: str) -> str:
    return f"{name + '.':34} {TTL} IN {kind:5} {data}"


def _strings(text: str) -> str:
    """A text as the character-strings of a TXT record, each short enough; in brackets where there are several."""
    escaped = [text[i : i + STRING_BYTES] for i in range(0, len(text), STRING_BYTES)]
    quoted = ['"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in escaped]
    return quoted[0] if len(quoted) == 1 else "(\n    " + "\n    ".join(quoted) + " )"
