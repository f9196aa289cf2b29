"""Accounts and aliases of a store that no server has open: `python -m mailcore account`, `python -m mailcore alias`."""

import argparse
import contextlib
import getpass
import os
import sys
from typing import Iterator

from .engine import Engine


@contextlib.contextmanager
def _store(folder: str, make: bool = False) -> Iterator[Engine]:
    """The store, not started, so that nothing is delivered meanwhile."""
    if not make and not os.path.isdir(folder):
        raise ValueError(f"{folder}: there is no such folder")
    with contextlib.closing(Engine(folder)) as engine:
        yield engine


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
