"""Who may use the inbox: the Host and Origin of a request, its token, and the header fields of each answer.

- Host must name the inbox: a page elsewhere whose name was made to lead here (DNS rebinding) is answered with 421.
- A request that changes something must not come from another page: Origin and Sec-Fetch-Site are looked at, and a body is
  JSON, which no form can send. Otherwise 403.
- With a token each request has it, as `Authorization: Bearer` or in the cookie that `/?token=` sets. Otherwise 401.
"""

import hmac
import http.cookies
import ipaddress
import json
import urllib.parse
from typing import Any, Awaitable, Callable, Dict, Iterable, List, MutableMapping, Optional, Tuple

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "mailcore_dev"
#: Octets of the body of a request.
BODY_OCTETS_MAX = 1 << 20

#: The policy of the inbox's own page. A mail's page has a stricter one of its own.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_FIELDS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",
    b"content-security-policy": PAGE_POLICY.encode("ascii"),
}


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Stands in front of the inbox."""

    def __init__(self, app: App, hosts: Iterable[str], token: Optional[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))
                names = {name.lower() for name, _ in given}
                message["headers"] = given + [(n, v) for n, v in _FIELDS.items() if n not in names]
            await send(message)

        fields: Dict[str, str] = {}
        for name, value in scope["headers"]:
            fields[name.decode("latin-1").lower()] = value.decode("latin-1")
        refused = self._refusal(scope, fields)
        if refused is None and self._token is not None:
            given = urllib.parse.parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
            if scope["path"] == "/" and given and self._is_token(given[0]):
                cookie = f"{COOKIE}={urllib.parse.quote(self._token, safe='')}; HttpOnly; SameSite=Strict; Path=/"
                return await _answer(sending, 303, "", [(b"location", b"/"), (b"set-cookie", cookie.encode("ascii"))])
            if not self._has_token(fields):
                refused = (
                    401,
                    "the token is missing: open the address that the start printed, or send Authorization: Bearer",
                )
        if refused is not None:
            return await _answer(sending, *refused)
        return await self._app(scope, _bounded(receive), sending)

    def _refusal(self, scope: Scope, fields: Dict[str, str]) -> Optional[Tuple[int, str]]:
        host = fields.get("host", "")
        if not self._is_ours(host):
            return 421, f"{host or 'no Host'}: not a name of this inbox (--allow-host NAME adds one)"
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return None
        origin = fields.get("origin")
        if origin is not None and urllib.parse.urlsplit(origin).netloc.lower() != host.lower():
            return 403, f"a page of {origin} may not change anything here"
        if fields.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return 403, "another page may not change anything here"
        length = fields.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY_OCTETS_MAX:
            return 413, f"a request has {BODY_OCTETS_MAX} octets at most"
        body = length != "0" or "transfer-encoding" in fields
        if body and fields.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return 415, "a body is application/json"
        return None

    def _is_ours(self, host: str) -> bool:
        name = host.lower()
        if name.startswith("["):
            name = name.partition("]")[0] + "]"
        else:
            name = name.partition(":")[0]
        return name in self._hosts

    def _has_token(self, fields: Dict[str, str]) -> bool:
        scheme, _, given = fields.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(given.strip()):
            return True
        cookies: http.cookies.SimpleCookie = http.cookies.SimpleCookie()
        try:
            cookies.load(fields.get("cookie", ""))
        except http.cookies.CookieError:
            return False
        return COOKIE in cookies and self._is_token(urllib.parse.unquote(cookies[COOKIE].value))

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8"), (self._token or "").encode("utf-8"))


def _bounded(receive: Receive) -> Receive:
    """A body that says no length ends where it is too long."""
    got = 0

    async def receiving() -> MutableMapping[str, Any]:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        return {"type": "http.disconnect"} if got > BODY_OCTETS_MAX else message

    return receiving


async def _answer(send: Send, status: int, text: str, fields: Optional[List[Tuple[bytes, bytes]]] = None) -> None:
    body = json.dumps({"error": text}).encode("utf-8") if text else b""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode("ascii")),
        *(fields or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
