"""One page: Markdown as HTML, with anchors as GitHub makes them, coloured code, and links that lead into the book.

A comment `<!-- generated: NAME -->` stands for a part that `reference` or `commands` makes. Other HTML is refused.
"""

import html
import pathlib
import posixpath
import re

from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.util import ClassNotFound

from . import commands, reference
from .contents import Trouble, target_of

MARKER = re.compile(r"^<!-- generated: ([a-z-]+) -->$")
NAMED = re.compile(r'(?<!">)<code>([^<]+)</code>')
OUTSIDE = re.compile(r"^(https?|mailto|imaps?|smtps?):")


class Book:
    """What all pages know: the sources, their pages, the names that the reference explains."""

    def __init__(self, root, parts):
        self.root = root
        self.parts = parts
        self.pages = {chapter.source: chapter for part in parts for chapter in part.chapters}
        self.tables = {}  # generated parts by name
        self.names = {}  # a name of the interface -> page and anchor that explain it
        for source in self.pages:
            for line in (root / source).read_text(encoding="utf-8").splitlines():
                marker = MARKER.match(line)
                made = marker and (reference.tables(root, marker.group(1)) or commands.tables(root, marker.group(1)))
                if made:
                    self.tables[marker.group(1)] = made
                    for anchor in re.findall(r' id="([^"]+)"', made):
                        self.names.setdefault(anchor, (source, anchor))
        self.shown = {}  # a file of the checkout that is shown as it is -> its page
        self.copied = set()  # pictures


class Page:
    """`body` is the HTML of `source`; `title` its first heading; `sections` its headings of the second level."""

    def __init__(self, book, source):
        self.book, self.source, self.target = book, source, target_of(source)
        self.title, self.sections, self.slugs = "", [], {}
        text = (book.root / source).read_text(encoding="utf-8")
        markdown = MarkdownIt("commonmark").enable("table")
        tokens = markdown.parse(text)
        for at, token in enumerate(tokens):
            self._look_at(tokens, at, token)
        if not self.title:
            raise Trouble(f"{source}: no heading of the first level")
        self.body = markdown.renderer.render(tokens, markdown.options, {})
        self.body = re.sub(r"<table>.*?</table>", _framed_table, self.body, flags=re.S)

    def _fail(self, token, what):
        line = f":{token.map[0] + 1}" if token.map else ""
        raise Trouble(f"{self.source}{line}: {what}")

    def _look_at(self, tokens, at, token):
        if token.type == "heading_open":
            self._heading(token, tokens[at + 1])
        elif token.type == "fence":
            token.type, token.content = "html_block", self._code(token)
        elif token.type == "code_block":
            token.type, token.content = "html_block", f'<div class="code"><pre>{html.escape(token.content)}</pre></div>\n'
        elif token.type == "html_block":
            self._generated(token)
        for child in token.children or []:
            if child.type == "html_inline":
                self._fail(token, f"HTML is not allowed here: {child.content}")
            if child.type == "link_open":
                child.attrs["href"] = self._link(token, str(child.attrs["href"]))
            if child.type == "image":
                self._picture(token, child)
        if token.type == "inline":
            token.children = self._explained(token.children or [])

    def _heading(self, token, inline):
        text = "".join(child.content for child in inline.children if child.type in ("text", "code_inline"))
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        count = self.slugs[slug] = self.slugs.get(slug, -1) + 1
        token.attrs["id"] = f"{slug}-{count}" if count else slug
        if token.tag == "h1":
            if self.title:
                self._fail(token, "a second heading of the first level")
            self.title = text
        elif token.tag == "h2":
            self.sections.append((token.attrs["id"], text))

    def _code(self, token):
        language = token.info.split(" ")[0]
        if not language:
            self._fail(token, "a block that does not name its language")
        try:
            lexer = get_lexer_by_name(language)
        except ClassNotFound:
            self._fail(token, f"a block in an unknown language, {language}")
        return highlight(token.content, lexer, HtmlFormatter(cssclass="code", wrapcode=False))

    def _generated(self, token):
        marker = MARKER.match(token.content.strip())
        if not marker:
            self._fail(token, "HTML is not allowed here")
        if marker.group(1) not in self.book.tables:
            self._fail(token, f"nothing is generated as {marker.group(1)}")
        token.content = NAMED.sub(self._named, self.book.tables[marker.group(1)])

    def _named(self, found):
        """A name in a generated part as a link to what explains it."""
        name = found.group(1)[:-2] if found.group(1).endswith("()") else found.group(1)
        source, anchor = self.book.names.get(name, ("", ""))
        return f'<a href="{self.to(target_of(source))}#{anchor}">{found.group(0)}</a>' if source else found.group(0)

    def _link(self, token, href):
        if OUTSIDE.match(href):
            return href
        path, _, anchor = href.partition("#")
        if path:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(self.source), path))
        target = self.book_page(path) if path else self.target
        if target is None:
            self._fail(token, f"a link that leads nowhere: {href}")
        return self.to(target) + (f"#{anchor}" if anchor else "")

    def book_page(self, path):
        """The page for a file or folder of the checkout; None where there is none."""
        place = self.book.root / path
        if path.startswith("..") or not place.exists():
            return None
        if path == "docs" or path == "docs/README.md":
            return "index.html"
        if place.is_dir():
            return self.book_page(f"{path}/README.md") or self._show(path)
        return self.book.pages[path].target if path in self.book.pages else self._show(path)

    def _show(self, path):
        return self.book.shown.setdefault(path, f"source/{path}.html")

    def _picture(self, token, child):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.source), str(child.attrs["src"])))
        if not path.startswith("docs/") or not (self.book.root / path).is_file():
            self._fail(token, f"a picture that is not there: {child.attrs['src']}")
        if not child.content:
            self._fail(token, f"a picture without a text in place of it: {path}")
        self.book.copied.add(path)
        child.attrs["src"] = self.to(path[len("docs/"):])
        child.attrs["loading"] = "lazy"

    def _explained(self, children):
        """Names of the interface in code become links to what explains them."""
        out, inside = [], False
        for child in children:
            inside = child.type == "link_open" or (inside and child.type != "link_close")
            name = child.content[:-2] if child.content.endswith("()") else child.content
            if child.type == "code_inline" and not inside and name in self.book.names:
                source, anchor = self.book.names[name]
                child.type, child.content = "html_inline", (
                    f'<a href="{self.to(target_of(source))}#{anchor}"><code>{html.escape(child.content)}</code></a>'
                )
            out.append(child)
        return out

    def to(self, target):
        return posixpath.relpath(target, posixpath.dirname(self.target) or ".")


def _framed_table(found):
    """A table that scrolls sideways where it must. One of sentences is shown on a phone row by row, each cell with the
    name of its column; one of figures stays a table."""
    table = found.group(0)
    names = [re.sub(r"<[^>]+>", "", name) for name in re.findall(r"<th[^>]*>(.*?)</th>", table, re.S)]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", table, re.S)
    if any(len(re.sub(r"<[^>]+>", "", cell)) > 40 for cell in cells):
        at = iter(range(len(cells)))
        named = lambda tag: f'<td data-name="{html.escape(names[next(at) % len(names)])}"{tag.group(1)}>'  # noqa: E731
        table = re.sub(r"<td([^>]*)>", named, table).replace("<table>", '<table class="rows">', 1)
    return f'<div class="wide">{table}</div>'


def shown(root, path):
    """A file or folder of the checkout as it is."""
    place = pathlib.Path(root) / path
    if place.is_dir():
        names = sorted(child.name + ("/" if child.is_dir() else "") for child in place.iterdir() if child.name[0] not in "._")
        return "<ul>" + "".join(f"<li><code>{html.escape(name)}</code></li>" for name in names) + "</ul>"
    text = place.read_text(encoding="utf-8")
    try:
        lexer = get_lexer_for_filename(path, text)
    except ClassNotFound:
        lexer = TextLexer()
    return highlight(text, lexer, HtmlFormatter(cssclass="code", wrapcode=False))
