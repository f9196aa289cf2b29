"""A bar that shows how far a command is, on a terminal; nothing where nobody looks."""

import sys
import time

_BAR = 30
_SHOWN = [0.0]


def show(done: int, total: int, text: str) -> None:
    """Shows that `done` of `total` is done; ten times a second at most."""
    if not sys.stderr.isatty() or not total:
        return
    now = time.monotonic()
    if now - _SHOWN[0] < 0.1 and done < total:
        return
    _SHOWN[0] = now
    filled = min(_BAR, done * _BAR // total)
    bar = "#" * filled + "." * (_BAR - filled)
    print(f"\r[{bar}] {min(100, done * 100 // total):3}%  {text}", end="", file=sys.stderr, flush=True)


def end() -> None:
    """Takes the bar away."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
