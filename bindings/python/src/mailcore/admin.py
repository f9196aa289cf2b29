"""Administration of a store, whether a server has it open or not: `python -m mailcore account`, `alias` and `check`."""

import argparse
import getpass
import json
import os
import sys

from . import control
from .operate import Row


def _is_address(store: str) -> bool:
    return store.startswith(("postgres://", "postgresql://"))


def account(options: argparse.Namespace) -> None:
    """Makes an account, changes its password, deletes it, or lists all."""
    if options.address is not None and not options.delete:
        password = _password(options.address)
        with control.connect(options.store, make=True) as store:
            _say(options, store.one("account.put", address=options.address, password=password))
        return
    with control.connect(options.store) as store:
        if options.delete:
            _say(options, store.one("account.delete", address=options.address or ""))
        else:
            for row in store.do("account.list"):
                _say(options, row, row["address"])


def alias(options: argparse.Namespace) -> None:
    """Adds a target to an alias, deletes the alias with all targets, or lists all."""
    if options.target is not None:
        with control.connect(options.store, make=True) as store:
            _say(options, store.one("alias.put", alias=options.pattern, target=options.target))
        return
    if options.pattern is not None and not options.delete:
        raise ValueError(f"{options.pattern}: say where its mail goes, or --delete")
    with control.connect(options.store) as store:
        if options.delete:
            _say(options, store.one("alias.put", alias=options.pattern or "", target=None))
        else:
            for row in store.do("alias.list"):
                _say(options, row, "\t".join((row["alias"], *row["targets"])))


def _say(options: argparse.Namespace, row: Row, text: str = "") -> None:
    if options.json:
        print(json.dumps(row))
    elif text:
        print(text)


def check(options: argparse.Namespace) -> int:
    """Prints each disagreement of the store: 0 where there is none, else 1. Progress is shown on a terminal."""
    if not _is_address(options.folder) and not os.path.isfile(os.path.join(options.folder, "mail.db")):
        raise ValueError(f"{options.folder}: there is no store")
    found = 0
    with control.connect(options.folder) as store:
        for step in store.do("check"):
            _progress(f"{step['done'] * 100 // step['total']}%")
            if step["disagreement"]:
                found += 1
                _progress("")
                said = json.dumps({"disagreement": step["disagreement"]}) if options.json else one_line(step["disagreement"])
                print(said, flush=True)
        _progress("")
    if options.json:
        print(json.dumps({"sound": not found, "disagreements": found}))
    elif not found:
        print("the store is sound")
    return 1 if found else 0


def _progress(text: str) -> None:
    """In place of what stood in the line before; nothing where nobody looks."""
    if sys.stderr.isatty():
        print(f"\r{text:<4}\r", end="", file=sys.stderr, flush=True)


def one_line(text: str) -> str:
    """With a space for each character that a terminal would act on."""
    return "".join(c if c.isprintable() else " " for c in text)


def _password(address: str) -> str:
    """From the terminal, twice; from the first line of standard input where there is none."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass(f"Password of {address}: ")
        if getpass.getpass("The same again: ") != password:
            raise ValueError("the two passwords differ")
    if not password:
        raise ValueError("no password was given")
    return password
