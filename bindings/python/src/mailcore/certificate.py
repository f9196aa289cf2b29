"""What a certificate says, as far as its TLSA record and its renewal need it: DER (X.690) of X.509 (RFC 5280)."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Iterator, List, Tuple

_SUBJECT_ALT_NAME = bytes.fromhex("551d11")
_SEQUENCE, _UTC_TIME, _NAME_DNS, _EXTENSIONS = 0x30, 0x17, 0x82, 0xA3


@dataclass(frozen=True)
class Certificate:
    """The names it is for, the SHA-256 of its public key (TLSA 3 1 1), and until when it is valid."""

    names: List[str]
    key_sha256: str
    until: datetime


def read(pem: str) -> Certificate:
    """The first certificate of a PEM text; `ValueError` where there is none."""
    begin = pem.find("-----BEGIN CERTIFICATE-----")
    if begin < 0:
        raise ValueError("there is no certificate in the file")
    end = "-----END CERTIFICATE-----"
    try:
        der = base64.b64decode(pem[begin + len("-----BEGIN CERTIFICATE-----") : pem.index(end, begin)])
        return _read(der)
    except (IndexError, StopIteration):
        raise ValueError("the certificate is broken") from None


def _read(der: bytes) -> Certificate:
    inner = next(_values(next(_values(der))[1]))[1]
    fields = [one for one in _values(inner) if one[0] != 0xA0]  # without the version
    # serial number, algorithm, issuer, validity, subject, key
    kind, text, _ = list(_values(fields[3][1]))[1]
    when = text.decode("ascii", "replace")
    until = datetime.strptime(when, "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ").replace(
        tzinfo=timezone.utc
    )
    names: List[str] = []
    for kind, content, _ in fields[6:]:
        if kind == _EXTENSIONS:
            for _, extension, _ in _values(next(_values(content))[1]):
                parts = list(_values(extension))
                if parts[0][1] == _SUBJECT_ALT_NAME:
                    listed = _values(next(_values(parts[-1][1]))[1])
                    names += [value.decode("ascii", "replace") for tag, value, _ in listed if tag == _NAME_DNS]
    return Certificate(names, hashlib.sha256(fields[5][2]).hexdigest(), until)


def _values(octets: bytes) -> Iterator[Tuple[int, bytes, bytes]]:
    """The values in a content: tag, content, and the whole with its head."""
    at = 0
    while at < len(octets):
        tag, size, head = octets[at], octets[at + 1], 2
        if size & 0x80:
            head += size & 0x7F
            size = int.from_bytes(octets[at + 2 : at + head], "big")
        if at + head + size > len(octets):
            raise IndexError("cut short")
        yield tag, octets[at + head : at + head + size], octets[at : at + head + size]
        at += head + size
