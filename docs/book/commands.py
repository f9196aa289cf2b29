"""The options of the programs: `python -m mailcore` from its parser, `mailserver` from its text of usage.

The parser is asked without the library: what would load it is put aside, since no command is run.
"""

import argparse
import importlib
import re
import sys
import types

from .reference import code, coded, e, slug, table


class Absent:
    """Stands for everything in the library."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *arguments, **more):
        return self


def stand_in(name):
    """A class where the name is one of a class (others are derived from it), otherwise anything."""
    return type(name, (), {}) if name[0].isupper() and not name.isupper() else Absent()


def tables(root, name):
    """The generated part of this name as HTML; None where there is none."""
    if name == "commands":
        return commands(parser_of(root))
    return mailserver(root) if name == "mailserver" else None


def parser_of(root):
    """The parser of `python -m mailcore`."""
    sys.path.insert(0, str(root / "bindings/python/src"))
    absent = types.ModuleType("mailcore._library")
    absent.__getattr__ = stand_in  # type: ignore[method-assign]
    absent.PATH, absent.VERSION = "", 0
    sys.modules["mailcore._library"] = absent
    try:
        return importlib.import_module("mailcore.__main__")._parser()
    finally:
        sys.path.pop(0)


def commands(parser):
    """A heading and a table for each command."""
    out = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                out.append(command_of(name, command))
    if not out:
        raise SystemExit("python -m mailcore has no commands")
    return "".join(out)


def command_of(name, command):
    nested = [action for action in command._actions if isinstance(action, argparse._SubParsersAction)]
    usage = " ".join(command.format_usage().split()).partition(" ")[2]
    usage = re.sub(r"^\S+", "mailcore", re.sub(r"^\S+ -m mailcore", "mailcore", usage))
    out = [f'<h2 id="command-{slug(name)}">{e(name)}</h2>\n<p>{coded(command.description or "")}</p>\n',
           f'<div class="code usage"><pre>{e(usage)}</pre></div>\n']
    rows = [[code(shown(action)), coded((action.help or "") % Values(action))] for action in command._actions
            if action.dest != "help" and action not in nested and action.help is not argparse.SUPPRESS]
    if rows:
        out.append(table(["argument", "meaning"], rows))
    for action in nested:
        out += [command_of(f"{name} {inner}", parser) for inner, parser in action.choices.items()]
    return "".join(out)


class Values(dict):
    """What `%(default)s` and its like say in a help text."""

    def __init__(self, action):
        super().__init__(vars(action))

    def __missing__(self, name):
        return ""


def shown(action):
    """An option with its value, or the name of an argument."""
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    if not action.option_strings:
        return str(value)
    takes = "" if action.nargs == 0 else f" {value}"
    return ", ".join(action.option_strings) + takes


def mailserver(root):
    """The text of usage in examples/mailserver.c."""
    source = (root / "examples/mailserver.c").read_text(encoding="utf-8")
    found = re.search(r'static const char usage\[\] =\n(.*?");\n', source, re.S)
    if not found:
        raise SystemExit("examples/mailserver.c: no text of usage")
    lines = re.findall(r'^ *"(.*)"$', found.group(1), re.M)
    text = "".join(lines).replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
    return f'<div class="code"><pre>{e(text)}</pre></div>\n'
