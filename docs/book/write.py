"""The whole book: every page with its frame, the files beside them, and the check before anything is written."""

import html
import json
import pathlib
import posixpath
import shutil
import sys

from pygments.formatters import HtmlFormatter

from . import contents
from .check import check
from .page import Book, Page, shown

TITLE = "libmailcore"
FRAME = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="{root}style.css">
</head>
<body>
<a class="skip" href="#main">Skip to the text</a>
<header><a href="{root}index.html">{book}</a></header>
<div class="frame">
<details class="menu">
<summary>Chapters</summary>
{menu}
</details>
<nav class="side" aria-label="Chapters">
{menu}
</nav>
<main id="main">
{body}
{around}
</main>
</div>
<script src="{root}index.js"></script>
<script src="{root}search.js" data-root="{root}"></script>
</body>
</html>
"""


def build(root, folder):
    """Builds the book of a checkout; 0, or 1 with a line on stderr for each mistake."""
    try:
        files = make(root)
    except contents.Trouble as trouble:
        print(f"docs/build: {trouble}", file=sys.stderr)
        return 1
    texts = {name: text for name, text in files.items() if isinstance(text, str)}
    wrong = check(texts)
    for line in wrong:
        print(f"docs/build: {line}", file=sys.stderr)
    if wrong:
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    print(folder / "index.html")
    return 0


def make(root):
    """The files of the book: texts by their names."""
    parts = contents.read(root)
    book = Book(root, parts)
    chapters = [contents.Chapter(TITLE, contents.CONTENTS)] + [c for part in parts for c in part.chapters]
    pages = [Page(book, chapter.source) for chapter in chapters]
    files = {
        "style.css": style(),
        "search.js": pathlib.Path(__file__).with_name("search.js").read_text(encoding="utf-8"),
        "index.js": index(book, chapters, pages),
    }
    for at, (chapter, page) in enumerate(zip(chapters, pages)):
        before = chapters[at - 1] if at else None
        after = chapters[at + 1] if at + 1 < len(chapters) else None
        files[page.target] = framed(parts, page, around(page, before, after))
    for path, target in sorted(book.shown.items()):
        files[target] = framed(parts, Shown(root, path, target), "")
    for path in sorted(book.copied):
        files[path[len("docs/"):]] = (root / path).read_text(encoding="utf-8")
    return files


def index(book, chapters, pages):
    """What the search finds: chapters, their headings, and the names that the reference explains."""
    rows = [[chapter.title, page.target, ""] for chapter, page in zip(chapters, pages)]
    titles = {chapter.source: chapter.title for chapter in chapters}
    for chapter, page in zip(chapters, pages):
        rows += [[text, f"{page.target}#{slug}", chapter.title] for slug, text in page.sections]
    for name, (source, anchor) in sorted(book.names.items()):
        rows.append([name, f"{contents.target_of(source)}#{anchor}", titles[source]])
    return f"const BOOK = {json.dumps(rows, separators=(',', ':'))};\n"


class Shown:
    """The page of a file of the checkout."""

    def __init__(self, root, path, target):
        self.title, self.target, self.sections, self.source = path, target, [], None
        self.body = f"<h1><code>{html.escape(path)}</code></h1>\n{shown(root, path)}"


def framed(parts, page, around_it):
    here = posixpath.dirname(page.target) or "."
    return FRAME.format(
        title=html.escape(page.title if page.target == "index.html" else f"{page.title} · {TITLE}"),
        root="../" * page.target.count("/"), book=TITLE, menu=menu(parts, page, here), body=page.body, around=around_it,
    )  # fmt: skip


def menu(parts, page, here):
    out = []
    for part in parts:
        out.append(f"<p>{html.escape(part.title)}</p>\n<ul>")
        for chapter in part.chapters:
            current = chapter.source == page.source
            mark = ' aria-current="page"' if current else ""
            link = f'<a href="{posixpath.relpath(chapter.target, here)}"{mark}>{html.escape(chapter.title)}</a>'
            inner = "".join(f'<li><a href="#{slug}">{html.escape(title)}</a></li>' for slug, title in page.sections)
            out.append(f"<li>{link}{f'<ul>{inner}</ul>' if current and inner else ''}</li>")
        out.append("</ul>")
    return "\n".join(out)


def around(page, before, after):
    """Links to the chapters before and after."""
    here = posixpath.dirname(page.target) or "."
    links = [
        f'<a rel="{rel}" href="{posixpath.relpath(chapter.target, here)}">{arrow.format(html.escape(chapter.title))}</a>'
        for rel, arrow, chapter in (("prev", "← {}", before), ("next", "{} →", after)) if chapter
    ]
    return f'<nav class="around" aria-label="Before and after">{"".join(links)}</nav>'


def style():
    """style.css of the book, and the colours of code for light and dark."""
    light = HtmlFormatter(style="default", cssclass="code").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark", cssclass="code").get_style_defs(".code")
    text = pathlib.Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{text}"
