"""What a shared library of Linux needs of the system, read from its ELF file.

Only little-endian files of the machines that wheels name; everything else is a ValueError that says what it is.
"""

import dataclasses
import struct

MACHINES = {3: "i686", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NEEDED, _DT_STRTAB, _DT_SONAME = 1, 5, 14
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF


@dataclasses.dataclass
class Needs:
    """What the dynamic linker will look for."""

    machine: str  # as tags of wheels name it
    soname: str
    libraries: "list[str]"  # names of other libraries
    versions: "list[str]"  # versions of symbols, as GLIBC_2.34


def needs(octets):
    """Reads a file; ValueError where it is no shared library of Linux."""
    if octets[:4] != b"\x7fELF":
        raise ValueError("this is no shared library of Linux (ELF)")
    wide = octets[4] == 2
    if octets[5] != 1:
        raise ValueError("a big-endian library has no tag")
    kind, machine = struct.unpack_from("<HH", octets, 16)
    if kind != 3 or machine not in MACHINES:
        raise ValueError(f"ELF of type {kind} for machine {machine} is no shared library that a wheel can hold")
    loads, dynamic = _segments(octets, wide)

    def place(address):
        for offset, start, size in loads:
            if start <= address < start + size:
                return address - start + offset
        raise ValueError("an address lies outside of the file")

    entries = _dynamic(octets, dynamic, wide)
    found = dict(entries)
    texts = place(found[_DT_STRTAB])

    def text(at):
        return octets[texts + at : octets.index(b"\0", texts + at)].decode()

    versions = []
    if _DT_VERNEED in found:
        at = place(found[_DT_VERNEED])
        for _ in range(found[_DT_VERNEEDNUM]):
            _, count, _, first, following = struct.unpack_from("<HHIII", octets, at)
            one = at + first
            for _ in range(count):
                name, after = struct.unpack_from("<8xII", octets, one)
                versions.append(text(name))
                one += after
            at += following
    libraries = [text(value) for tag, value in entries if tag == _DT_NEEDED]
    soname = text(found[_DT_SONAME]) if _DT_SONAME in found else ""
    return Needs(MACHINES[machine], soname, libraries, versions)


def _segments(octets, wide):
    """Offset, address and size of each loaded segment, and of the dynamic one."""
    (table,) = struct.unpack_from("<Q" if wide else "<I", octets, 32 if wide else 28)
    size, count = struct.unpack_from("<HH", octets, 54 if wide else 42)
    loads, dynamic = [], None
    for at in range(table, table + size * count, size):
        if wide:
            kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", octets, at)
        else:
            kind, offset, address, _, length = struct.unpack_from("<IIIII", octets, at)
        if kind == _PT_LOAD:
            loads.append((offset, address, length))
        elif kind == _PT_DYNAMIC:
            dynamic = (offset, length)
    if dynamic is None:
        raise ValueError("the file has no dynamic section")
    return loads, dynamic


def _dynamic(octets, place, wide):
    entries = struct.iter_unpack("<QQ" if wide else "<II", octets[place[0] : place[0] + place[1]])
    listed = []
    for tag, value in entries:
        if tag == 0:
            break
        listed.append((tag, value))
    return listed
