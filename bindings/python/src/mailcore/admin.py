"""Administration of a store that no server has open: `python -m mailcore account`, `alias` and `check`."""

import argparse
import contextlib
import getpass
import json
import os
import sys
from typing import Iterator

from .engine import Engine


@contextlib.contextmanager
def _store(folder: str, make: bool = False) -> Iterator[Engine]:
    """The store, in a folder or at an address, not started, so that nothing is delivered meanwhile."""
    if _is_address(folder):
        with contextlib.closing(Engine(store=folder)) as engine:
            yield engine
        return
    if not make and not os.path.isdir(folder):
        raise ValueError(f"{folder}: there is no such folder")
    with contextlib.closing(Engine(folder)) as engine:
        yield engine


def _is_address(store: str) -> bool:
    return store.startswith(("postgres://", "postgresql://"))


def account(options: argparse.Namespace) -> None:
    """Makes an account, changes its password, deletes it, or lists all."""
    if options.address is not None and not options.delete:
        password = _password(options.address)
        with _store(options.store, make=True) as engine:
            engine.put_account(options.address, password).close()
        return
    with _store(options.store) as engine:
        if options.delete:
            engine.delete_account(options.address or "")
        else:
            for address in engine.accounts():
                print(address)


def alias(options: argparse.Namespace) -> None:
    """Adds a target to an alias, deletes the alias with all targets, or lists all."""
    if options.target is not None:
        with _store(options.store, make=True) as engine:
            engine.put_alias(options.pattern, options.target)
        return
    if options.pattern is not None and not options.delete:
        raise ValueError(f"{options.pattern}: say where its mail goes, or --delete")
    with _store(options.store) as engine:
        if options.delete:
            engine.put_alias(options.pattern or "", None)
        else:
            for pattern, targets in engine.aliases().items():
                print(pattern, *targets, sep="\t")


def check(options: argparse.Namespace) -> int:
    """Prints each disagreement of the store: 0 where there is none, else 1. Progress is shown on a terminal."""
    if not _is_address(options.folder) and not os.path.isfile(os.path.join(options.folder, "mail.db")):
        raise ValueError(f"{options.folder}: there is no store")
    found = 0
    with _store(options.folder) as engine:
        for step in engine.check():
            _progress(f"{step.done * 100 // step.total}%")
            if step.disagreement:
                found += 1
                _progress("")
                said = json.dumps({"disagreement": step.disagreement}) if options.json else one_line(step.disagreement)
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
