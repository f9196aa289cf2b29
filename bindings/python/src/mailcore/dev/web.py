"""The inbox as a web application: its page, its REST API (`openapi.json`), its live events."""

import asyncio
import json
import pathlib
import urllib.parse
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, Iterable, List, Optional, Set

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..errors import Error, NotFound
from . import render
from .guard import BODY_OCTETS_MAX, App, Guard
from .letterbox import Missing
from .letters import content_of, parts_of
from .workbench import Workbench

#: Pages that listen to live events at a time, and changes that wait for each.
LISTENERS_MAX = 100
CHANGES_MAX = 1000
#: Rows that one request gives.
ROWS_MAX = 1000
#: Seconds between two signs of life on a stream without news.
PULSE_SECONDS = 15.0

_STATIC = pathlib.Path(__file__).parent / "static"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_RULE_NUMBER_MAX = 1_000_000
_ACTIONS = ("retry", "hold", "release", "bounce", "drop")

Answer = Callable[[Request], Awaitable[Response]]


def openapi() -> Dict[str, Any]:
    """The description of the API."""
    described: Dict[str, Any] = json.loads((pathlib.Path(__file__).parent / "openapi.json").read_text("utf-8"))
    return described


class Live:
    """Tells pages what changed. `tell` may be called from any thread."""

    def __init__(self) -> None:
        self._queues: "Set[asyncio.Queue[Dict[str, Any]]]" = set()
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def tell(self, change: Dict[str, Any]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._spread, change)

    def _spread(self, change: Dict[str, Any]) -> None:
        for queue in self._queues:
            if queue.qsize() < CHANGES_MAX:
                queue.put_nowait(change)
            elif queue.qsize() == CHANGES_MAX:
                queue.put_nowait({"kind": "lost"})  # the page reads everything anew

    async def stream(self) -> AsyncIterator[bytes]:
        """Changes as server-sent events, from now on."""
        self._loop = asyncio.get_running_loop()
        queue: "asyncio.Queue[Dict[str, Any]]" = asyncio.Queue()
        self._queues.add(queue)
        try:
            yield b"retry: 1000\n\n"
            while True:
                try:
                    change = await asyncio.wait_for(queue.get(), PULSE_SECONDS)
                except asyncio.TimeoutError:
                    yield b": alive\n\n"
                    continue
                if not change:
                    return
                yield b"data: " + json.dumps(change).encode("utf-8") + b"\n\n"
        finally:
            self._queues.discard(queue)

    def end(self) -> None:
        """Ends all streams, from within the event loop."""
        for queue in self._queues:
            queue.put_nowait({})

    @property
    def full(self) -> bool:
        """Whether as many pages listen as may."""
        return len(self._queues) >= LISTENERS_MAX


def application(workbench: Workbench, live: Live, hosts: Iterable[str], token: Optional[str] = None) -> App:
    """The ASGI application on a workbench. `hosts` are the names it answers to, `token` what each request must have."""
    workbench.on_change = live.tell
    api = Api(workbench, live)
    app = Starlette(
        routes=[*api.routes(), *_pages()],
        exception_handlers={
            HTTPException: _refused,
            Missing: _missing,
            NotFound: _missing,
            ValueError: _invalid,
            Error: _invalid,
            OverflowError: _invalid,
            RecursionError: _invalid,
            ClientDisconnect: _too_long,
        },
    )
    return Guard(app, hosts, token)


async def _refused(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "error"
    return JSONResponse({"error": detail}, status)


async def _missing(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 404)


async def _too_long(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"a request has {BODY_OCTETS_MAX} octets at most"}, 413)


async def _invalid(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


def _pages() -> List[Route]:
    """The files of the page, as they lie in the package."""

    def serving(path: pathlib.Path) -> Answer:
        octets, kind = path.read_bytes(), _TYPES[path.suffix]

        async def serve(_: Request) -> Response:
            return Response(octets, headers={"content-type": kind})

        return serve

    files = [path for path in sorted(_STATIC.iterdir()) if path.suffix in _TYPES]
    routes = [Route(f"/static/{path.name}", serving(path), methods=["GET"]) for path in files]
    return [Route("/", serving(_STATIC / "index.html"), methods=["GET"]), *routes]


class Api:
    """The routes below /api/v1."""

    def __init__(self, workbench: Workbench, live: Live) -> None:
        self._bench = workbench
        self._live = live

    def routes(self) -> List[Route]:
        """All of them, as in openapi.json."""
        table: List["tuple[str, str, Answer]"] = [
            ("GET", "/openapi.json", self._openapi),
            ("GET", "/status", self._status),
            ("GET", "/events", self._events),
            ("GET", "/certificate", self._certificate),
            ("GET", "/mails", self._mails),
            ("POST", "/mails", self._send),
            ("DELETE", "/mails", self._clear),
            ("GET", "/mails.mbox", self._mbox),
            ("GET", "/mails/{id}", self._mail),
            ("DELETE", "/mails/{id}", self._delete),
            ("PUT", "/mails/{id}/seen", self._seen),
            ("GET", "/mails/{id}/html", self._html),
            ("GET", "/mails/{id}/text", self._text),
            ("GET", "/mails/{id}/source", self._source),
            ("GET", "/mails/{id}/eml", self._eml),
            ("GET", "/mails/{id}/parts/{path}", self._part),
            ("GET", "/mails/{id}/road", self._road),
            ("POST", "/mails/{id}/links", self._links),
            ("POST", "/mails/{id}/release", self._release),
            ("GET", "/queue", self._queue),
            ("POST", "/queue/{action}", self._queue_all),
            ("GET", "/queue/{entry}", self._explain),
            ("POST", "/queue/{entry}/{action}", self._queue_one),
            ("POST", "/clock", self._clock),
            ("GET", "/trouble", self._trouble),
            ("POST", "/trouble", self._add_trouble),
            ("DELETE", "/trouble", self._clear_trouble),
            ("GET", "/dns", self._dns),
            ("POST", "/dns", self._add_dns),
            ("DELETE", "/dns", self._clear_dns),
        ]
        return [Route("/api/v1" + path, answer, methods=[method]) for method, path, answer in table]

    # -- mails -----------------------------------------------------------------------------------------------

    async def _openapi(self, _: Request) -> Response:
        return JSONResponse(openapi())

    async def _status(self, _: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._bench.status))

    async def _events(self, _: Request) -> Response:
        if self._live.full:
            raise HTTPException(503, f"{LISTENERS_MAX} pages listen, the most there may be")
        return StreamingResponse(self._live.stream(), media_type="text/event-stream")

    async def _certificate(self, _: Request) -> Response:
        pem = await run_in_threadpool(self._bench.engine.get, "tls.certificate")
        return _download(pem.encode("ascii"), "mailcore-dev.pem", "application/x-pem-file")

    async def _mails(self, request: Request) -> Response:
        query, offset = request.query_params.get("q", ""), _number(request, "offset", 0, 10**9)
        limit = _number(request, "limit", 200, ROWS_MAX)
        return JSONResponse(await run_in_threadpool(self._bench.mails, query, offset, limit))

    async def _send(self, request: Request) -> Response:
        body = await _body(request, {"source": str, "sender": str, "to": list}, {"source", "to"})
        octets = _crlf(body["source"].encode("utf-8"))
        await run_in_threadpool(self._bench.send, octets, body.get("sender", ""), _texts(body, "to"))
        return Response(status_code=204)

    async def _clear(self, _: Request) -> Response:
        await run_in_threadpool(self._bench.clear)
        return Response(status_code=204)

    async def _mbox(self, request: Request) -> Response:
        rows = self._bench.mails(request.query_params.get("q", ""), 0, 10**9)["mails"]

        def octets() -> Any:
            for row in reversed(rows):
                try:
                    yield _mbox_entry(self._bench.sent(row["id"]), row["sender"])
                except Missing:
                    continue  # deleted meanwhile

        headers = {"content-disposition": 'attachment; filename="mails.mbox"'}
        return StreamingResponse(octets(), media_type="application/mbox", headers=headers)

    async def _mail(self, request: Request) -> Response:
        detail = await run_in_threadpool(self._bench.detail, _id(request))
        detail["remote_pictures"] = 0
        if detail["html"]:
            mail = await run_in_threadpool(self._bench.mail, _id(request))
            detail["remote_pictures"] = await run_in_threadpool(render.remote_pictures, mail.html)
        return JSONResponse(detail)

    async def _delete(self, request: Request) -> Response:
        await run_in_threadpool(self._bench.delete, _id(request))
        return Response(status_code=204)

    async def _seen(self, request: Request) -> Response:
        body = await _body(request, {"seen": bool}, {"seen"})
        await run_in_threadpool(self._bench.set_seen, _id(request), body["seen"])
        return Response(status_code=204)

    async def _html(self, request: Request) -> Response:
        pictures = request.query_params.get("pictures") == "1"
        mail = await run_in_threadpool(self._bench.mail, _id(request))
        html = await run_in_threadpool(render.page, mail, pictures)
        headers = {"content-security-policy": render.policy(pictures), "content-type": "text/html; charset=utf-8"}
        return Response(html.encode("utf-8", "replace"), headers=headers)

    async def _text(self, request: Request) -> Response:
        mail = await run_in_threadpool(self._bench.mail, _id(request))
        return _plain(mail.text.encode("utf-8", "replace"))

    async def _source(self, request: Request) -> Response:
        return _plain(await run_in_threadpool(self._bench.octets, _id(request)))

    async def _eml(self, request: Request) -> Response:
        mail = await run_in_threadpool(self._bench.sent, _id(request))
        return _download(mail, f"mail-{_id(request)}.eml", "message/rfc822")

    async def _part(self, request: Request) -> Response:
        mail = await run_in_threadpool(self._bench.mail, _id(request))
        for path, part in parts_of(mail.email):
            if path == request.path_params["path"]:
                name = part.get_filename() or f"part-{path}"
                return _download(content_of(part), name, "application/octet-stream")
        raise Missing(f"there is no part {request.path_params['path']}")

    async def _road(self, request: Request) -> Response:
        return JSONResponse(
            {"now_ms": self._bench.now_ms(), "steps": await run_in_threadpool(self._bench.road, _id(request))}
        )

    async def _links(self, request: Request) -> Response:
        mail = await run_in_threadpool(self._bench.mail, _id(request))
        return JSONResponse({"links": await run_in_threadpool(render.check_links, mail.links)})

    async def _release(self, request: Request) -> Response:
        body = await _body(request, {"host": str, "to": list, "sender": str}, {"host"})
        to = _texts(body, "to") if "to" in body else None
        name = await run_in_threadpool(self._bench.release, _id(request), body["host"], to, body.get("sender"))
        return JSONResponse({"queue": name}, 202)

    # -- queue, clock, trouble, names ------------------------------------------------------------------------

    async def _queue(self, _: Request) -> Response:
        entries = await run_in_threadpool(self._bench.queue)
        return JSONResponse({"now_ms": self._bench.now_ms(), "entries": entries})

    async def _explain(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._bench.explain, request.path_params["entry"]))

    async def _queue_all(self, request: Request) -> Response:
        await run_in_threadpool(self._bench.queue_control, _action(request))
        return Response(status_code=204)

    async def _queue_one(self, request: Request) -> Response:
        await run_in_threadpool(self._bench.queue_control, _action(request), request.path_params["entry"])
        return Response(status_code=204)

    async def _clock(self, request: Request) -> Response:
        body = await _body(request, {"advance": str}, {"advance"})
        await run_in_threadpool(self._bench.advance, body["advance"])
        return JSONResponse({"now_ms": self._bench.now_ms(), "advanced_seconds": round(self._bench.advanced, 3)})

    async def _trouble(self, _: Request) -> Response:
        return JSONResponse({"rules": self._bench.trouble})

    async def _add_trouble(self, request: Request) -> Response:
        kinds = {
            "stage": str,
            "code": int,
            "text": str,
            "address": str,
            "wait": (int, float),
            "drop": bool,
            "times": int,
            "skip": int,
            "protocol": str,
        }
        rule = await _body(request, kinds, {"stage"})
        for name in ("code", "wait", "times", "skip"):
            if not 0 <= rule.get(name, 0) <= _RULE_NUMBER_MAX:
                raise ValueError(f"{name}: from 0 to {_RULE_NUMBER_MAX}")
        await run_in_threadpool(self._bench.add_trouble, rule)
        return Response(status_code=204)

    async def _clear_trouble(self, _: Request) -> Response:
        await run_in_threadpool(self._bench.clear_trouble)
        return Response(status_code=204)

    async def _dns(self, _: Request) -> Response:
        return JSONResponse({"records": self._bench.records})

    async def _add_dns(self, request: Request) -> Response:
        body = await _body(request, {"name": str, "type": str, "data": str}, {"name", "type", "data"})
        await run_in_threadpool(self._bench.set_dns, body["name"], body["type"], body["data"])
        return Response(status_code=204)

    async def _clear_dns(self, _: Request) -> Response:
        await run_in_threadpool(self._bench.clear_dns)
        return Response(status_code=204)


def _id(request: Request) -> int:
    text = str(request.path_params["id"])
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise Missing(f"there is no mail {text}")
    return int(text)


def _number(request: Request, name: str, otherwise: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise ValueError(f"{name}: {text!r} is no number")
    return min(int(text), most)


def _action(request: Request) -> str:
    action = str(request.path_params["action"])
    if action not in _ACTIONS:
        raise Missing(f"there is no action {action}; there are {', '.join(_ACTIONS)}")
    return action


async def _body(request: Request, kinds: Dict[str, Any], needed: Set[str]) -> Dict[str, Any]:
    """A JSON object with these members; `ValueError` says what is wrong with it."""
    body = json.loads(await request.body() or b"{}")
    if not isinstance(body, dict):
        raise ValueError("the body is a JSON object")
    for name in needed - set(body):
        raise ValueError(f"{name} is missing")
    for name, value in body.items():
        kind = kinds.get(name)
        if kind is None:
            raise ValueError(f"there is no member {name}; there are {', '.join(kinds)}")
        if not isinstance(value, kind) or isinstance(value, bool) and kind is not bool:
            raise ValueError(f"{name}: {value!r} has the wrong type")
    return body


def _texts(body: Dict[str, Any], name: str) -> List[str]:
    found = body[name]
    if not found or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{name} is a list of addresses")
    return list(found)


def _crlf(octets: bytes) -> bytes:
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _plain(octets: bytes) -> Response:
    return Response(octets, headers={"content-type": "text/plain; charset=utf-8"})


def _download(octets: bytes, name: str, kind: str) -> Response:
    quoted = urllib.parse.quote(name.replace("/", "_").replace("\\", "_"))
    headers = {"content-type": kind, "content-disposition": f"attachment; filename*=UTF-8''{quoted}"}
    return Response(octets, headers=headers)


def _mbox_entry(raw: bytes, sender: str) -> bytes:
    """A message in mbox format: "From " lines of the text get a > in front (mboxrd)."""
    lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    quoted = [b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines]
    who = "".join(c for c in sender if c.isprintable() and c != " ") or "MAILER-DAEMON"
    return b"From " + who.encode("utf-8") + b" Thu Jan  1 00:00:00 1970\n" + b"\n".join(quoted).rstrip(b"\n") + b"\n\n"
