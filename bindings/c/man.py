#!/usr/bin/env python3
"""Writes a manual page to standard output.

    python3 bindings/c/man.py libmailcore   libmailcore(3), from include/mailcore.h and include/abi.json
    python3 bindings/c/man.py mailserver    mailserver(1), from the text of `mailserver --help`
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def safe(text):
    """A text as roff prints it."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^\.", r"\\&.", text, flags=re.M)


def title(name, section, what, version):
    return [f'.TH {name.upper()} {section} "" "libmailcore {version}"', ".SH NAME", f"{name} \\- {safe(what)}"]


def version():
    return re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), flags=re.M)[1]


# -- libmailcore(3) ------------------------------------------------------------------------------------------


def tutorial(header):
    """The header's first comment: the text in front of its sample, the sample, and the paragraphs behind it."""
    comment = header.split("/*\n", 1)[1].split("*/", 1)[0]
    lines = comment.splitlines()
    indented = [i for i, line in enumerate(lines) if line.startswith("    ")]
    sample = [line[4:] for line in lines[indented[0]:indented[-1] + 1]]
    out = [safe(" ".join(lines[:indented[0]]).strip()), ".PP", ".nf"]
    out += [safe(line) for line in sample] + [".fi"]
    for paragraph in "\n".join(lines[indented[-1] + 1:]).strip().split("\n\n"):
        word = re.match(r"([A-Z]\w+)\. ", paragraph)
        out += [f".SS {word[1]}"] if word else [".PP"]
        out.append(safe(paragraph[word.end() if word else 0:]))
    return out


def joined(kind, name):
    return f"{kind}{name}" if kind.endswith("*") else f"{kind} {name}"


def function(item):
    parameters = ", ".join(joined(p["type"], p["name"]) for p in item["parameters"]) or "void"
    out = [".TP", f".B {safe(joined(item['returns'], item['name']))}({safe(parameters)});", safe(item["doc"])]
    for parameter in item["parameters"]:
        if parameter["name"] != "err":
            out += [".br", f"\\fI{parameter['name']}\\fR: {safe(' '.join(parameter['doc'].split()))}"]
    if item["result"]:
        out += [".br", f"Returns {safe(' '.join(item['result'].split()))}."]
    return out


def fields(item):
    out = [".TP", f".B {item['name']}", safe(item["doc"])]
    for field in item["fields"]:
        length = f"[{field['length']}]" if "length" in field else ""
        name = joined(field["type"], field["name"])
        out += [".br", f"\\fI{safe(name)}{length}\\fR: {safe(' '.join(field['doc'].split()))}"]
    return out


def libmailcore():
    abi = json.loads((ROOT / "include" / "abi.json").read_text(encoding="utf-8"))
    header = (ROOT / "include" / "mailcore.h").read_text(encoding="utf-8")
    out = title("libmailcore", 3, "an embeddable mail engine", version())
    out += [".SH SYNOPSIS", ".B #include <mailcore.h>", ".PP",
            "cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs mailcore)", ".SH DESCRIPTION", *tutorial(header)]
    out.append(".SH FUNCTIONS")
    for item in abi["functions"]:
        out += function(item)
    out.append(".SH STRUCTS")
    for item in abi["structs"]:
        out += fields(item)
    for heading, prefix in [("RESULTS", "MAILCORE_E_"), ("PROPERTIES", "MAILCORE_KEY_")]:
        out.append(f".SH {heading}")
        for item in abi["constants"]:
            if item["name"].startswith(prefix):
                out += [".TP", f".B {item['name']} {safe(str(item['value']))}", safe(item["doc"])]
    out.append(".SH OTHER CONSTANTS")
    for item in abi["constants"]:
        if not item["name"].startswith(("MAILCORE_E_", "MAILCORE_KEY_")):
            out += [".TP", f".B {item['name']} {item['value']}", safe(item["doc"])]
    return out + [".SH SEE ALSO", ".BR mailserver (1)"]


# -- mailserver(1) -------------------------------------------------------------------------------------------


def usage():
    """What `mailserver --help` prints, from its source: a page can then be made for a machine that is not this one."""
    source = (ROOT / "examples" / "mailserver.c").read_text(encoding="utf-8")
    literals = source.split("usage[] =", 1)[1].split(";\n", 1)[0]
    return "".join(json.loads(line.strip()) for line in literals.splitlines() if line.strip())


def mailserver():
    out = title("mailserver", 1, "a complete small mail server on libmailcore", version())
    first, *lines = usage().splitlines()
    out += [".SH SYNOPSIS", f".B {safe(first.removeprefix('usage: '))}", ".SH DESCRIPTION"]
    source = (ROOT / "examples" / "mailserver.c").read_text(encoding="utf-8")
    about = re.search(r"^ \* (The first line on stdout.*?)\n \*/", source, flags=re.S | re.M)[1]
    out += [safe(about.replace("\n * ", "\n")), ".SH OPTIONS"]
    for line in lines:
        option = re.match(r"  (--\S.*?)(?:  +(.*))?$", line)
        if option:
            out += [".TP", f".B {safe(option[1])}", safe(option[2] or "")]
        elif line.startswith(" "):
            out.append(safe(line.strip()))
        elif line:
            out += [".PP", safe(line)]
    return [line for line in out if line] + [".SH SEE ALSO", ".BR libmailcore (3)"]


PAGES = {"libmailcore": libmailcore, "mailserver": mailserver}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PAGES:
        raise SystemExit(f"usage: man.py {' | '.join(PAGES)}")
    print("\n".join(PAGES[sys.argv[1]]()))
