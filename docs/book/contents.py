"""The list of chapters: docs/README.md. A heading begins a part, a list item that is a link adds a page."""

import posixpath
import re
from dataclasses import dataclass, field
from typing import List

CONTENTS = "docs/README.md"
ITEM = re.compile(r"^[-*] \[([^\]]+)\]\(([^)#]+)\)")


class Trouble(Exception):
    """A mistake in the sources; the text names file and place."""


@dataclass
class Chapter:
    title: str
    source: str  # path from the root of the checkout

    @property
    def target(self):
        return target_of(self.source)


@dataclass
class Part:
    title: str
    chapters: List[Chapter] = field(default_factory=list)


def target_of(source):
    """Where the page of a Markdown file lies in the book."""
    if source == CONTENTS:
        return "index.html"
    inside = source[len("docs/"):] if source.startswith("docs/") else source
    return posixpath.splitext(inside)[0] + ".html"


def read(root):
    """The parts of the book. Fails on a page that is not there, is listed twice, or lies in docs/ and is not listed."""
    parts, listed = [], {CONTENTS}
    for number, line in enumerate((root / CONTENTS).read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("## "):
            parts.append(Part(line[3:].strip()))
        item = ITEM.match(line)
        if not item:
            continue
        if not parts:
            raise Trouble(f"{CONTENTS}:{number}: a chapter in front of the first part")
        source = posixpath.normpath(posixpath.join("docs", item.group(2)))
        if source in listed:
            raise Trouble(f"{CONTENTS}:{number}: {source} is listed twice")
        if source.startswith("../") or not (root / source).is_file():
            raise Trouble(f"{CONTENTS}:{number}: there is no {source}")
        listed.add(source)
        parts[-1].chapters.append(Chapter(item.group(1), source))
    for path in sorted((root / "docs").rglob("*.md")):
        source = path.relative_to(root).as_posix()
        if source not in listed:
            raise Trouble(f"{source} is not listed in {CONTENTS}: add the line - [Title]({path.relative_to(root / 'docs')})")
    return [part for part in parts if part.chapters]
