"""A check of a store: where its parts disagree."""

from dataclasses import dataclass
from typing import Iterator

from . import _abi
from .account import rows, words


@dataclass(frozen=True)
class CheckStep:
    """A disagreement that was found, as a sentence, or progress alone, where `disagreement` is "". `done` of `total`
    is looked at; `total` is an estimate of the beginning, which the last step reaches."""

    disagreement: str
    done: int
    total: int


def check(engine: int) -> Iterator[CheckStep]:
    """Checks step by step."""
    for r in rows(engine, _abi.MAILCORE_LIST_CHECK):
        yield CheckStep(words(r.name), r.id, r.size)
