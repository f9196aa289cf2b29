#!/usr/bin/env python3
"""Writes src/mailcore/_abi.py from include/mailcore.h.

    python3 bindings/python/generate_abi.py [HEADER]      write the file
    python3 bindings/python/generate_abi.py --check [HEADER]   exit 1 where it is out of date

The header is generated, so its form is known: this reads that form and nothing else, and needs no C parser.
"""

import keyword
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
HEADER = HERE.parent.parent / "include" / "mailcore.h"
OUTPUT = HERE / "src" / "mailcore" / "_abi.py"

SCALARS = {
    "void": "None",
    "uint8_t": "c_uint8",
    "int32_t": "c_int32",
    "uint32_t": "c_uint32",
    "int64_t": "c_int64",
    "uint64_t": "c_uint64",
    "size_t": "c_size_t",
}


def ctype(kind, structs):
    """The ctypes expression for a C type as the header spells it."""
    kind = re.sub(r"\bconst\b", "", kind).strip()
    stars = kind.count("*")
    base = kind.replace("*", "").strip()
    if base == "char" and stars:
        inner, stars = "c_char_p", stars - 1
    elif base == "void" and stars:
        inner, stars = "c_void_p", stars - 1
    elif base == "char":
        inner = "c_char"
    else:
        inner = SCALARS.get(base, base)
        if base not in SCALARS and base not in structs:
            raise SystemExit(f"unknown type {kind!r}")
    for _ in range(stars):
        inner = f"POINTER({inner})"
    return inner


def declaration(text):
    """Splits `const char *name[12]` into type, name and array length."""
    match = re.fullmatch(r"(.*?)\b(\w+)(?:\[(\d+)\])?", text.strip())
    return match[1].strip(), match[2], match[3]


def generate(header):
    code = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    structs = re.findall(r"typedef struct \{(.*?)\} (\w+);", code, flags=re.S)
    names = {name for _, name in structs}
    handles = re.findall(r"typedef uint64_t (\w+);", code)
    functions = re.findall(r"typedef int32_t \(\*(\w+)\)\(", code)
    names |= set(functions)
    out = [
        '"""The C interface as ctypes sees it. Written by generate_abi.py from include/mailcore.h: do not edit."""',
        "",
        "# fmt: off",
        "from ctypes import (",
        "    CDLL, POINTER, Structure, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p,",
        "    sizeof,",
        ")",
        "from typing import Any",
        "",
    ]
    for name, value in re.findall(r"^#define (MAILCORE_\w+) (-?\d+|\"[^\"]*\")$", code, flags=re.M):
        out.append(f"{name} = {value}")
    out.append("")
    out += [f"{name} = c_uint64" for name in handles]
    out += [f"{name} = c_void_p" for name in functions]
    for body, name in structs:
        fields = [declaration(line) for line in body.split(";") if line.strip()]
        out += ["", "", f"class {name}(Structure):"]
        for kind, field, length in fields:
            if not keyword.iskeyword(field):
                out.append(f"    {field}: Any")
        out.append("    _fields_ = [")
        for kind, field, length in fields:
            inner = ctype(kind, names | set(handles))
            out.append(f'        ("{field}", {inner}{f" * {length}" if length else ""}),')
        out.append("    ]")
        if fields[0][1] == "struct_size":
            out += ["", "    def __init__(self, **fields: Any) -> None:",
                    "        super().__init__(struct_size=sizeof(type(self)), **fields)"]
    out += ["", "", "def declare(library: CDLL) -> None:", '    """Tells ctypes the type of every function."""']
    for returns, name, parameters in re.findall(r"MAILCORE_API\s+([\w \*]+?)\s*\b(mailcore_\w+)\((.*?)\);", code, flags=re.S):
        kinds = [] if parameters.strip() == "void" else [declaration(p)[0] for p in parameters.split(",")]
        arguments = ", ".join(ctype(kind, names | set(handles)) for kind in kinds)
        out.append(f"    library.{name}.argtypes = [{arguments}]")
        out.append(f"    library.{name}.restype = {ctype(returns, names | set(handles))}")
    return "\n".join(out) + "\n"


def main(arguments):
    check = "--check" in arguments
    paths = [a for a in arguments if not a.startswith("--")]
    text = generate(pathlib.Path(paths[0] if paths else HEADER).read_text(encoding="utf-8"))
    if not check:
        OUTPUT.write_text(text, encoding="utf-8")
    elif OUTPUT.read_text(encoding="utf-8") != text:
        print(f"{OUTPUT} is out of date: run {pathlib.Path(__file__).name}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
