"""HTML of a mail, made harmless, and its links looked at.

What a mail has is cleaned by ammonia (the package nh3): scripts, forms, frames, objects and handlers are taken out. The
page is sent with a Content-Security-Policy that lets it run and load nothing, and shown in a frame without scripts. Each
of the three is enough on its own.
"""

import base64
import http.client
import socket
import ssl
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Optional, Set

import nh3

from ..testing import Mail
from .letters import content_of, parts_of

#: Octets of one picture of the mail that is put into the page, and of all of them.
PICTURE_OCTETS_MAX = 4 << 20
PICTURES_OCTETS_MAX = 16 << 20
#: Links that one check looks at, seconds for each, and how many at a time.
LINKS_MAX = 50
LINK_SECONDS = 5.0
LINKS_AT_A_TIME = 8

_TAGS: Set[str] = {*nh3.ALLOWED_TAGS, "style", "font", "center", "body", "main", "section"}
_LOOKS = {
    "style",
    "class",
    "id",
    "align",
    "valign",
    "width",
    "height",
    "bgcolor",
    "dir",
    "lang",
    "title",
    "role",
    "color",
}
_ATTRIBUTES: Dict[str, Set[str]] = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()}
_ATTRIBUTES["*"] = _LOOKS
_ATTRIBUTES["img"] = {"src", "alt", "border"}
_ATTRIBUTES["a"] = {"href", "name"}
_ATTRIBUTES["font"] = {"face", "size"}
for _tag in ("table", "td", "th", "tr"):
    _ATTRIBUTES.setdefault(_tag, set()).update(
        {"border", "cellpadding", "cellspacing", "colspan", "rowspan", "background"}
    )
for _tag in ("table", "td", "th", "tr"):
    _ATTRIBUTES[_tag].discard("background")
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp")

_PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><base target="_blank"><title>mail</title>
<style>html{{background:#fff}}body{{margin:16px;font:15px/1.5 system-ui,sans-serif;color:#1b1f24;overflow-wrap:anywhere}}
img{{max-width:100%;height:auto}}pre{{white-space:pre-wrap}}</style></head><body>{}</body></html>
"""


def policy(pictures: bool) -> str:
    """The Content-Security-Policy of a mail's page: nothing runs, and nothing is loaded but pictures that were asked for."""
    images = "data: https: http:" if pictures else "data:"
    return (
        f"default-src 'none'; img-src {images}; style-src 'unsafe-inline'; base-uri 'self'; form-action 'none'; "
        "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
    )


def page(mail: Mail, pictures: bool) -> str:
    """The HTML of a mail as a page. Its own pictures are in it; remote ones only with `pictures`."""
    own = _pictures(mail)

    def attribute(tag: str, name: str, value: str) -> Optional[str]:
        if tag == "img" and name == "src":
            if value.lower().startswith("cid:"):
                return own.get(urllib.parse.unquote(value[4:]))
            if value.lower().startswith(("http:", "https:", "//")):
                return value if pictures else None
            return value if value.lower().startswith("data:image/") else None
        return None if value.strip().lower().startswith(("data:", "cid:")) else value

    cleaned = nh3.clean(
        mail.html,
        tags=_TAGS,
        clean_content_tags={"script", "title", "iframe", "object", "noscript", "template"},
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        link_rel="noopener noreferrer nofollow",
    )
    return _PAGE.format(cleaned)


def remote_pictures(html: str) -> int:
    """How many pictures the HTML would load from elsewhere."""
    count = 0

    def attribute(tag: str, name: str, value: str) -> Optional[str]:
        nonlocal count
        count += tag == "img" and name == "src" and value.lower().startswith(("http:", "https:", "//"))
        return value

    nh3.clean(html, tags=_TAGS, clean_content_tags={"script"}, attributes=_ATTRIBUTES, attribute_filter=attribute)
    return count


def _pictures(mail: Mail) -> Dict[str, str]:
    """The mail's own pictures by their Content-ID, as data: URLs."""
    found: Dict[str, str] = {}
    left = PICTURES_OCTETS_MAX
    for _, part in parts_of(mail.email):
        cid = str(part["Content-ID"] or "").strip("<> ")
        if not cid or part.get_content_type() not in _PICTURES:
            continue
        octets = content_of(part)
        if len(octets) <= min(left, PICTURE_OCTETS_MAX):
            left -= len(octets)
            found[cid] = f"data:{part.get_content_type()};base64,{base64.b64encode(octets).decode('ascii')}"
    return found


def check_links(links: List[str]) -> List[Dict[str, Any]]:
    """Asks each http link by HEAD, without following it: its status, or what went wrong."""
    asked = [link for link in links if link.lower().startswith(("http://", "https://"))][:LINKS_MAX]
    with ThreadPoolExecutor(LINKS_AT_A_TIME) as pool:
        found = list(pool.map(_check_link, asked))
    others = [{"url": link, "status": 0, "ok": True, "text": "not asked"} for link in links if link not in asked]
    return found + others


def _check_link(url: str) -> Dict[str, Any]:
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname or "", parts.port
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(
                host, port, timeout=LINK_SECONDS, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=LINK_SECONDS)
        try:
            path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
                f"?{parts.query}" if parts.query else ""
            )
            connection.request("HEAD", path, headers={"User-Agent": "mailcore-dev"})
            answer = connection.getresponse()
            place = answer.getheader("Location") or ""
            text = f"{answer.status} {answer.reason}" + (f" to {place[:200]}" if place else "")
            return {
                "url": url,
                "status": answer.status,
                "ok": answer.status < 400 or answer.status == 405,
                "text": text,
            }
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException, socket.timeout) as e:
        return {"url": url, "status": 0, "ok": False, "text": str(e) or type(e).__name__}
