"""What the DNS has for a domain's mail, what is missing, what to publish: `mailcore dns-check DOMAIN`.

MX, the addresses of the hosts and the names these lead back to, SPF, DKIM, DMARC, MTA-STS (record and policy), TLS-RPT
and TLSA. Each finding is `ok`, `missing` (worth having), `bad` (mail suffers) or `note`.
"""

import argparse
import ipaddress
import json
import secrets
import socket
import struct
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from typing import Dict, List, Optional, Tuple

#: Octets of a policy file (RFC 8461 section 3.2 asks for few), seconds for it, and hosts that are looked at.
POLICY_OCTETS_MAX = 64 << 10
POLICY_SECONDS = 10.0
HOSTS_MAX = 10
#: DNS lookups that SPF may cause (RFC 7208 section 4.6.4).
SPF_LOOKUPS_MAX = 10

_TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}
_NAMES_IN_A_CHAIN = 16
_TRIES = 3


class DnsTrouble(Exception):
    """No server gave an answer."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: str
    found: str
    advice: str = ""


class Names:
    """Asks a DNS server, or a file of records in its place."""

    def __init__(self, server: Optional[str], zone: Optional[str], timeout: float) -> None:
        self._zone = _zone(zone) if zone is not None else None
        self._asks = zone is None or server is not None
        self._server = _server(server) if self._asks else ("", 0)
        self._timeout = timeout

    def ask(self, name: str, kind: str) -> List[str]:
        """The data of the records; none where there is no such name. `DnsTrouble`."""
        name = name.rstrip(".").lower()
        if self._zone is not None:
            known = self._zone.get((name, kind))
            if known is not None or not self._asks:
                return known or []
        return self._ask(name, kind)

    def _ask(self, name: str, kind: str) -> List[str]:
        number = secrets.randbelow(65_536)
        try:
            labels = b"".join(bytes([len(label)]) + label for label in (one.encode("ascii") for one in name.split(".")))
        except (UnicodeEncodeError, ValueError):
            raise DnsTrouble(f"{name}: not a name that DNS has") from None
        question = labels + b"\0" + struct.pack("!HH", _TYPES[kind], 1)
        # Recursion is wanted; EDNS with 1232 octets.
        query = (
            struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 1) + question + b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
        )
        answer = self._udp(query, number)
        if answer[2] & 0x02:
            answer = self._tcp(query)
        code = answer[3] & 0x0F
        if code == 3:
            return []
        if code != 0:
            raise DnsTrouble(f"{name} {kind}: the server says {_CODES.get(code, str(code))}")
        try:
            return _records(answer, kind)
        except (IndexError, struct.error):
            raise DnsTrouble(f"{name} {kind}: the answer is broken") from None

    def _udp(self, query: bytes, number: int) -> bytes:
        family = socket.AF_INET6 if ":" in self._server[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            try:
                asking.connect(self._server)
                for _ in range(_TRIES):
                    asking.send(query)
                    end = time.monotonic() + self._timeout / _TRIES
                    while (left := end - time.monotonic()) > 0:
                        asking.settimeout(left)
                        try:
                            answer = asking.recv(65_535)
                        except socket.timeout:
                            break
                        if len(answer) >= 12 and answer[:2] == struct.pack("!H", number) and answer[2] & 0x80:
                            return answer
            except OSError as e:
                raise DnsTrouble(f"DNS server {self._server[0]}: {e.strerror or e}") from None
        raise DnsTrouble(f"DNS server {self._server[0]}: no answer")

    def _tcp(self, query: bytes) -> bytes:
        try:
            with socket.create_connection(self._server, self._timeout) as asking:
                asking.sendall(struct.pack("!H", len(query)) + query)
                with asking.makefile("rb") as stream:
                    size = stream.read(2)
                    answer = stream.read(struct.unpack("!H", size)[0]) if len(size) == 2 else b""
        except OSError as e:
            raise DnsTrouble(f"DNS server {self._server[0]}: {e.strerror or e}") from None
        if len(answer) < 12 or answer[:2] != query[:2]:
            raise DnsTrouble(f"DNS server {self._server[0]}: a broken answer")
        return answer


_CODES = {1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED"}


def _server(given: Optional[str]) -> Tuple[str, int]:
    if given is not None:
        host, colon, port = given.rpartition(":")
        if not colon or not port.isdigit():
            raise ValueError(f'--dns "{given}": want ADDR:PORT')
        return host.strip("[]"), int(port)
    try:
        with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.split()
                if len(words) >= 2 and words[0] == "nameserver":
                    return words[1], 53
    except OSError:
        pass
    return "127.0.0.1", 53


def _zone(text: str) -> Dict[Tuple[str, str], List[str]]:
    found: Dict[Tuple[str, str], List[str]] = {}
    for line in text.splitlines():
        parts = line.split(None, 2)
        if len(parts) == 3 and not line.startswith((";", "#")):
            found.setdefault((parts[0].rstrip(".").lower(), parts[1].upper()), []).append(parts[2].strip())
    return found


def _records(answer: bytes, kind: str) -> List[str]:
    at = 12
    for _ in range(struct.unpack_from("!H", answer, 4)[0]):
        _, at = _name(answer, at)
        at += 4
    found = []
    for _ in range(struct.unpack_from("!H", answer, 6)[0]):
        _, at = _name(answer, at)
        number, _, _, length = struct.unpack_from("!HHIH", answer, at)
        at += 10
        if number == _TYPES[kind]:
            found.append(_data(answer, at, length, kind))
        at += length
    return found


def _name(answer: bytes, at: int) -> Tuple[str, int]:
    labels: List[str] = []
    end = 0
    for _ in range(_NAMES_IN_A_CHAIN * 8):
        size = answer[at]
        if size == 0:
            return ".".join(labels), end or at + 1
        if size >= 0xC0:
            end = end or at + 2
            at = struct.unpack_from("!H", answer, at)[0] & 0x3FFF
            continue
        labels.append(answer[at + 1 : at + 1 + size].decode("ascii", "replace"))
        at += 1 + size
    raise IndexError("a name without end")


def _data(answer: bytes, at: int, length: int, kind: str) -> str:
    octets = answer[at : at + length]
    if kind in ("A", "AAAA"):
        return str(ipaddress.ip_address(octets))
    if kind == "MX":
        return f"{struct.unpack_from('!H', answer, at)[0]} {_name(answer, at + 2)[0]}"
    if kind in ("PTR", "CNAME"):
        return _name(answer, at)[0]
    if kind == "TLSA":
        return f"{octets[0]} {octets[1]} {octets[2]} {octets[3:].hex()}"
    text, place = b"", 0
    while place < length:
        text += octets[place + 1 : place + 1 + octets[place]]
        place += 1 + octets[place]
    return text.decode("utf-8", "replace")


# -- what is looked at --------------------------------------------------------------------------------------


def check(domain: str, names: Names, selectors: List[str], policy_url: Optional[str] = None) -> List[Finding]:
    """Everything about a domain, in the order in which mail meets it."""
    domain = domain.rstrip(".").lower()
    if not domain.isascii():
        domain = domain.encode("idna").decode("ascii")
    findings: List[Finding] = []
    hosts = _mx(domain, names, findings)
    for host in hosts[:HOSTS_MAX]:
        _host(host, names, findings)
    _spf(domain, names, findings)
    _dkim(domain, names, selectors, findings)
    _dmarc(domain, names, findings)
    _sts(domain, names, hosts, policy_url, findings)
    _one(
        names,
        findings,
        "TLS-RPT",
        f"_smtp._tls.{domain}",
        "v=TLSRPTv1",
        f"v=TLSRPTv1; rua=mailto:postmaster@{domain}",
        "others then report where TLS failed",
    )
    for host in hosts[:HOSTS_MAX]:
        _tlsa(host, names, findings)
    return findings


def _mx(domain: str, names: Names, findings: List[Finding]) -> List[str]:
    try:
        records = names.ask(domain, "MX")
    except DnsTrouble as e:
        findings.append(Finding("MX", "bad", str(e)))
        return []
    found = sorted(
        (int(one.split()[0]), one.split()[1].rstrip(".").lower())
        for one in records
        if len(one.split()) == 2 and one.split()[0].isdigit()
    )
    if len(found) == 1 and found[0][1] in ("", "."):
        findings.append(Finding("MX", "note", "a null MX: the domain takes no mail (RFC 7505)"))
        return []
    if not found:
        findings.append(Finding("MX", "missing", "none", f"{domain}. MX 10 mx.{domain}."))
        return []
    findings.append(Finding("MX", "ok", ", ".join(f"{preference} {host}" for preference, host in found)))
    return [host for _, host in found]


def _host(host: str, names: Names, findings: List[Finding]) -> None:
    try:
        if names.ask(host, "CNAME"):
            findings.append(
                Finding(
                    f"host {host}", "bad", "is an alias (CNAME)", "MX must lead to a name with addresses (RFC 2181)"
                )
            )
        addresses = names.ask(host, "A") + names.ask(host, "AAAA")
    except DnsTrouble as e:
        findings.append(Finding(f"host {host}", "bad", str(e)))
        return
    if not addresses:
        findings.append(Finding(f"host {host}", "bad", "has no address", f"{host}. A ADDRESS"))
    for address in addresses:
        pointer = ipaddress.ip_address(address).reverse_pointer
        try:
            back = [one.rstrip(".").lower() for one in names.ask(pointer, "PTR")]
            agrees = [one for one in back if address in names.ask(one, "A" if "." in address else "AAAA")]
        except DnsTrouble as e:
            findings.append(Finding(f"PTR {address}", "bad", str(e)))
            continue
        advice = f"{pointer}. PTR {host}. (its owner, your provider, sets it)"
        if agrees:
            findings.append(Finding(f"PTR {address}", "ok", ", ".join(agrees)))
        else:
            findings.append(Finding(f"PTR {address}", "bad", f"{', '.join(back) or 'none'}", advice))


def _texts(names: Names, name: str, begin: str) -> List[str]:
    found = [one.strip('"') for one in names.ask(name, "TXT")]
    return [one for one in found if one.lower().replace(" ", "").startswith(begin.lower())]


def _spf(domain: str, names: Names, findings: List[Finding]) -> None:
    try:
        found = [
            one
            for one in _texts(names, domain, "v=spf1")
            if one.lower() == "v=spf1" or one.lower().startswith("v=spf1 ")
        ]
    except DnsTrouble as e:
        findings.append(Finding("SPF", "bad", str(e)))
        return
    if not found:
        findings.append(Finding("SPF", "missing", "none", f'{domain}. TXT "v=spf1 mx -all"'))
        return
    if len(found) > 1:
        findings.append(
            Finding("SPF", "bad", f"{len(found)} records", "there must be one: others take several for an error")
        )
        return
    terms = found[0].lower().split()[1:]
    lookups = sum(
        one.lstrip("+-~?").partition(":")[0].partition("/")[0] in ("include", "a", "mx", "ptr", "exists")
        or one.startswith("redirect=")
        for one in terms
    )
    if lookups > SPF_LOOKUPS_MAX:
        findings.append(
            Finding("SPF", "bad", found[0], f"{lookups} terms ask DNS, {SPF_LOOKUPS_MAX} are the most (RFC 7208)")
        )
    elif any(one in ("all", "+all") for one in terms):
        findings.append(Finding("SPF", "bad", found[0], "+all lets anybody send for the domain"))
    elif not any(one in ("-all", "~all") or one.startswith("redirect=") for one in terms):
        findings.append(Finding("SPF", "note", found[0], "end it with -all, so that it says who may not send"))
    else:
        findings.append(Finding("SPF", "ok", found[0]))


def _dkim(domain: str, names: Names, selectors: List[str], findings: List[Finding]) -> None:
    if not selectors:
        findings.append(
            Finding("DKIM", "note", "not looked at", "say --selector NAME: DNS does not tell which there are")
        )
    for selector in selectors:
        name = f"{selector}._domainkey.{domain}"
        try:
            found = [one for one in names.ask(name, "TXT") if "p=" in one]
        except DnsTrouble as e:
            findings.append(Finding(f"DKIM {selector}", "bad", str(e)))
            continue
        if not found:
            findings.append(
                Finding(f"DKIM {selector}", "missing", "none", f"mailcore keys new {domain} {selector} --store FOLDER")
            )
        elif "p=;" in found[0].replace(" ", "") + ";":
            findings.append(Finding(f"DKIM {selector}", "bad", "the key was withdrawn (p=)"))
        else:
            findings.append(Finding(f"DKIM {selector}", "ok", found[0]))


def _dmarc(domain: str, names: Names, findings: List[Finding]) -> None:
    advice = f'_dmarc.{domain}. TXT "v=DMARC1; p=none; rua=mailto:postmaster@{domain}"'
    try:
        found = _texts(names, f"_dmarc.{domain}", "v=DMARC1")
    except DnsTrouble as e:
        findings.append(Finding("DMARC", "bad", str(e)))
        return
    if not found:
        findings.append(Finding("DMARC", "missing", "none", advice))
    elif len(found) > 1:
        findings.append(
            Finding("DMARC", "bad", f"{len(found)} records", "there must be one: others take none of several")
        )
    elif "p=none" in found[0].replace(" ", "").lower().split(";"):
        findings.append(Finding("DMARC", "note", found[0], "p=none asks others for reports alone"))
    else:
        findings.append(Finding("DMARC", "ok", found[0]))


def _one(names: Names, findings: List[Finding], what: str, name: str, begin: str, record: str, why: str) -> bool:
    try:
        found = _texts(names, name, begin)
    except DnsTrouble as e:
        findings.append(Finding(what, "bad", str(e)))
        return False
    if found:
        findings.append(Finding(what, "ok", found[0]))
        return True
    findings.append(Finding(what, "missing", "none", f'{name}. TXT "{record}" ({why})'))
    return False


def _sts(domain: str, names: Names, hosts: List[str], url: Optional[str], findings: List[Finding]) -> None:
    if not _one(
        names,
        findings,
        "MTA-STS",
        f"_mta-sts.{domain}",
        "v=STSv1",
        f"v=STSv1; id={int(time.time())}",
        "others then insist on TLS",
    ):
        return
    import ssl  # late: a small Python may lack it, and needs it for nothing else

    url = url or f"https://mta-sts.{domain}/.well-known/mta-sts.txt"
    try:
        with urllib.request.urlopen(url, timeout=POLICY_SECONDS, context=ssl.create_default_context()) as answer:
            text = answer.read(POLICY_OCTETS_MAX).decode("utf-8", "replace")
    except (OSError, urllib.error.URLError, ValueError) as e:
        findings.append(Finding("MTA-STS policy", "bad", f"{url}: {e}", "mailcore can write it: Engine.sts_policy"))
        return
    fields: Dict[str, List[str]] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip().lower(), []).append(value.strip().lower())
    patterns = fields.get("mx", [])
    left_out = [host for host in hosts if not any(_fits(host, pattern) for pattern in patterns)]
    mode = (fields.get("mode") or ["?"])[0]
    if fields.get("version") != ["stsv1"] or mode not in ("enforce", "testing", "none"):
        findings.append(
            Finding("MTA-STS policy", "bad", "not a policy", "version: STSv1, mode, mx and max_age are its lines")
        )
    elif left_out and mode != "none":
        findings.append(
            Finding("MTA-STS policy", "bad", f"leaves out {', '.join(left_out)}", "name all hosts of MX in it")
        )
    else:
        findings.append(Finding("MTA-STS policy", "ok", f"mode {mode}, {', '.join(patterns)}"))


def _fits(host: str, pattern: str) -> bool:
    return host.partition(".")[2] == pattern[2:] if pattern.startswith("*.") else host == pattern


def _tlsa(host: str, names: Names, findings: List[Finding]) -> None:
    name = f"_25._tcp.{host}"
    try:
        found = names.ask(name, "TLSA")
    except DnsTrouble as e:
        findings.append(Finding(f"TLSA {host}", "bad", str(e)))
        return
    if found:
        findings.append(Finding(f"TLSA {host}", "ok", found[0][:70]))
    else:
        findings.append(
            Finding(f"TLSA {host}", "note", "none", f"with DNSSEC: {name}. TLSA 3 1 1 (SHA-256 of the public key)")
        )


# -- the command --------------------------------------------------------------------------------------------


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `mailcore dns-check`."""
    parser.add_argument("domain", metavar="DOMAIN", help="the domain behind the @")
    parser.add_argument(
        "--selector", metavar="NAME", action="append", default=[], help="a DKIM selector; may be repeated"
    )
    parser.add_argument("--dns", metavar="ADDR:PORT", help="the DNS server to ask (default: the system's first)")
    parser.add_argument("--zone", metavar="FILE", help="records that are used before DNS; alone, instead of DNS")
    parser.add_argument(
        "--policy-url", metavar="URL", help="where the MTA-STS policy lies, before it is where it belongs"
    )
    parser.add_argument("--timeout", type=float, metavar="SECONDS", default=9.0, help="for each question (default: 9)")
    parser.add_argument("--json", action="store_true", help="prints a JSON object for each finding")


def run(options: argparse.Namespace) -> int:
    """Prints the findings: 0 where none is bad or missing, else 1."""
    zone = None
    if options.zone is not None:
        with open(options.zone, encoding="utf-8") as file:
            zone = file.read()
    findings = check(options.domain, Names(options.dns, zone, options.timeout), options.selector, options.policy_url)
    for one in findings:
        if options.json:
            print(json.dumps(asdict(one)))
        else:
            text = f"{one.state:8} {one.what:28} {one.found}" + (f"\n{'':9}publish: {one.advice}" if one.advice else "")
            sys.stdout.write("".join(c if c.isprintable() or c == "\n" else " " for c in text) + "\n")
    return 1 if any(one.state in ("bad", "missing") for one in findings) else 0
