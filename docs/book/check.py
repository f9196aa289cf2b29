"""The check of the finished book: every link and anchor leads somewhere, nothing is loaded from outside."""

import pathlib
import posixpath
from html.parser import HTMLParser
from xml.etree import ElementTree

VOID = {"meta", "link", "img", "br", "hr", "input", "wbr"}
LOADS = {("img", "src"), ("script", "src"), ("link", "href")}


class Reader(HTMLParser):
    """What a page has: ids, links, and what it loads."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.loads, self.wrong, self.open = set(), [], [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            value = value or ""
            if name == "id":
                if value in self.ids:
                    self.wrong.append(f"the anchor {value} is there twice")
                self.ids.add(value)
            elif (tag, name) in LOADS:
                self.loads.append(value)
            elif tag == "a" and name == "href":
                self.links.append(value)
            elif name == "style" or name.startswith("on"):
                self.wrong.append(f"<{tag} {name}=...>")

    def handle_endtag(self, tag):
        if tag not in VOID and (not self.open or self.open.pop() != tag):
            self.wrong.append(f"</{tag}> ends nothing")


def check(files):
    """Everything that is wrong with a book, given as texts by their names."""
    pages = {}
    for name, text in files.items():
        if name.endswith(".html"):
            pages[name] = Reader()
            pages[name].feed(text)
            pages[name].close()
    wrong = []
    for name, page in sorted(pages.items()):
        wrong += [f"{name}: {what}" for what in page.wrong + [f"<{tag}> does not end" for tag in page.open]]
        for link in page.links:
            if "://" in link or link.startswith("mailto:"):
                continue
            path, _, anchor = link.partition("#")
            there = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            if there not in files:
                wrong.append(f"{name}: a link that leads nowhere: {link}")
            elif anchor and anchor not in pages[there].ids:
                wrong.append(f"{name}: a link to an anchor that is not there: {link}")
        for link in page.loads:
            there = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
            if "://" in link or there not in files:
                wrong.append(f"{name}: loads {link}, which is not part of the book")
    return wrong + [what for name, text in sorted(files.items()) for what in _outside(name, text)]


def _outside(name, text):
    """What a style sheet or picture would load or run."""
    kind = pathlib.PurePosixPath(name).suffix
    if kind == ".css" and ("url(" in text or "@import" in text):
        yield f"{name}: loads something"
    if kind == ".js" and ("://" in text or "import(" in text or "fetch(" in text):
        yield f"{name}: loads something"
    if kind == ".svg":
        for element in ElementTree.fromstring(text).iter():
            tag = element.tag.rpartition("}")[2]
            if tag in ("script", "image", "foreignObject", "use") or any("href" in key for key in element.attrib):
                yield f"{name}: a picture may not have <{tag}> or links"
