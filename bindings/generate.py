#!/usr/bin/env python3
"""Writes from include/abi.json the parts of the bindings that repeat it.

    python3 bindings/generate.py            write them
    python3 bindings/generate.py --check    write nothing; exit 1 where one is out of date

- python/src/mailcore/_abi.py: constants, structs and functions, as ctypes sees them
- go/init.h: the _INIT macros as functions, and the version that is needed; go/keys.go: names of properties

It also ends with 1 where the Go package has no name for a result code, a service or a flag.
"""

import json
import keyword
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
JSON = HERE.parent / "include" / "abi.json"

# -- Python --------------------------------------------------------------------------------------------------

SCALARS = {
    "void": "None",
    "char": "c_char",
    "uint8_t": "c_uint8",
    "int32_t": "c_int32",
    "uint32_t": "c_uint32",
    "int64_t": "c_int64",
    "uint64_t": "c_uint64",
    "size_t": "c_size_t",
}


def ctype(kind, known):
    """The ctypes expression for a C type."""
    words = [word for word in kind.replace("*", " * ").split() if word != "const"]
    base, stars = words[0], words.count("*")
    if base in ("char", "void") and stars:
        inner, stars = f"c_{base}_p", stars - 1
    elif base in SCALARS:
        inner = SCALARS[base]
    elif base in known:
        inner = base
    else:
        raise SystemExit(f"{kind}: unknown type")
    return "POINTER(" * stars + inner + ")" * stars


PYTHON_TOP = '''\
"""The C interface as ctypes sees it. Written by bindings/generate.py from include/abi.json: do not edit."""

# fmt: off
from ctypes import (
    CDLL, POINTER, Structure, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p,
    sizeof,
)
from typing import Any
'''

PYTHON_DECLARE = '''

def declare(library: CDLL) -> None:
    """Tells ctypes the type of every function. Raises AttributeError where the library lacks one."""'''


def python(abi):
    handles = [item["name"] for item in abi["handles"]]
    callbacks = [item["name"] for item in abi["callbacks"]]
    known = {*handles, *callbacks, *(item["name"] for item in abi["structs"])}
    out = [PYTHON_TOP]
    out += [f"{item['name']} = {json.dumps(item['value'])}" for item in abi["constants"]]
    out.append("")
    out += [f"{name} = c_uint64" for name in handles]
    out += [f"{name} = c_void_p" for name in callbacks]
    for struct in abi["structs"]:
        fields = struct["fields"]
        out += ["", "", f"class {struct['name']}(Structure):"]
        out += [f"    {field['name']}: Any" for field in fields if not keyword.iskeyword(field["name"])]
        out.append("    _fields_ = [")
        for field in fields:
            length = f" * {field['length']}" if "length" in field else ""
            out.append(f'        ("{field["name"]}", {ctype(field["type"], known)}{length}),')
        out.append("    ]")
        if fields[0]["name"] == "struct_size":
            out += ["", "    def __init__(self, **fields: Any) -> None:",
                    "        super().__init__(struct_size=sizeof(type(self)), **fields)"]
    out.append(PYTHON_DECLARE)
    for function in abi["functions"]:
        arguments = ", ".join(ctype(parameter["type"], known) for parameter in function["parameters"])
        out.append(f"    library.{function['name']}.argtypes = [{arguments}]")
        out.append(f"    library.{function['name']}.restype = {ctype(function['returns'], known)}")
    return "\n".join(out) + "\n"


# -- Go ------------------------------------------------------------------------------------------------------

GO_HEADER = """\
/* Written by bindings/generate.py from include/abi.json: do not edit. */
#ifndef MAILCORE_GO_INIT_H
#define MAILCORE_GO_INIT_H

#include <mailcore.h>
#include <stdlib.h>

#if MAILCORE_VERSION_NUMBER < {number}
#error "this package needs libmailcore {version} or newer"
#endif

/* cgo sees no macros with braces: what the _INIT macros make, as functions. */
{functions}

#endif
"""


def go_header(abi):
    number = abi["version"]
    functions = []
    for struct in abi["structs"]:
        name = struct["name"]
        if struct["fields"][0]["name"] == "struct_size":
            short = name.removeprefix("mailcore_")
            functions.append(
                f"static inline {name} {short}_init(void) {{ {name} x = {name.upper()}_INIT; return x; }}")
    version = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
    return GO_HEADER.format(number=number, version=version, functions="\n".join(functions))


# Words of property names that Go writes in capitals.
INITIALS = {"dns", "tls", "imap", "pop3", "smtp", "lmtp", "dkim", "dmarc", "arc", "spf", "bimi", "id", "ms", "ipv6"}


def go_name(key):
    words = key.replace(".", "_").split("_")
    return "Key" + "".join(word.upper() if word in INITIALS else word.capitalize() for word in words)


def go_keys(abi):
    out = ["// Code generated by bindings/generate.py from include/abi.json; DO NOT EDIT.", "", "package mailcore", "",
           "// Names of properties, for Engine.Set and Engine.Get; mailcore_property_info tells types and ranges.",
           "const ("]
    for item in abi["constants"]:
        if item["name"].startswith("MAILCORE_KEY_"):
            name = go_name(item["value"])
            out += [f"\t// {name}: {item['doc']}", f"\t{name} = {json.dumps(item['value'])}"]
    return "\n".join(out) + "\n)\n"


# Constants of these kinds each have a name in the Go package.
GO_NAMES = ("MAILCORE_E_", "MAILCORE_SERVICE_", "MAILCORE_FLAG_", "MAILCORE_DELIVERY_", "MAILCORE_QUEUE_",
            "MAILCORE_DECISION_")


def unnamed_in_go(abi):
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((HERE / "go").glob("*.go")))
    words = set(text.replace("C.", " ").replace(")", " ").replace("|", " ").split())
    return [item["name"] for item in abi["constants"]
            if item["name"].startswith(GO_NAMES) and item["name"] not in words]


OUTPUTS = {
    "python/src/mailcore/_abi.py": python,
    "go/init.h": go_header,
    "go/keys.go": go_keys,
}


def main(arguments):
    abi = json.loads(JSON.read_text(encoding="utf-8"))
    trouble = [f"bindings/go has no name for {name}" for name in unnamed_in_go(abi)]
    for name, make in OUTPUTS.items():
        path, text = HERE / name, make(abi)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            trouble.append(f"bindings/{name} is out of date: run bindings/generate.py")
    for line in trouble:
        print(line, file=sys.stderr)
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
