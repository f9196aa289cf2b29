"""A mail server for development with a web inbox: `python -m mailcore dev`.

SMTP, submission, IMAP and POP3 take all mail and send none; the inbox shows each mail and its road. Needs the extra
`libmailcore[dev]` (starlette, uvicorn, nh3). Nobody but this machine is let in, unless another address is given: then a
token is asked for.
"""

import argparse
import json
import secrets
import signal
import socket
import sys
import urllib.parse
from typing import Any, List, Optional

from .ports import HTTP_PORT, PORTS

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `mailcore dev`."""
    for name, port in PORTS.items():
        parser.add_argument(
            f"--{name}", type=int, metavar="PORT", default=port, help=f"default: {port}; 0 is a free one"
        )
    parser.add_argument(
        "--http", type=int, metavar="PORT", default=HTTP_PORT, help=f"the inbox's; default: {HTTP_PORT}"
    )
    parser.add_argument("--free-ports", action="store_true", help="takes free ports for everything")
    parser.add_argument(
        "--bind", metavar="ADDRESS", default="127.0.0.1", help="address of all ports (default: 127.0.0.1)"
    )
    parser.add_argument("--allow-host", metavar="NAME", action="append", default=[], help="a further name of the inbox")
    parser.add_argument("--token", help="what each request must have (default: none on loopback, else a random one)")
    parser.add_argument("--store", metavar="FOLDER", help="keeps the mail in a folder (default: it goes with the end)")
    parser.add_argument("--keep", type=int, metavar="N", default=20_000, help="mails that are kept (default: 20000)")
    parser.add_argument("--hostname", default="mail.test", help="the server's own name (default: mail.test)")
    parser.add_argument("--json", action="store_true", help="tells addresses as one JSON object")


def run(options: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM."""
    try:
        import uvicorn

        from .web import Live, application
    except ImportError as e:
        print(f"mailcore dev: {e}: pip install 'libmailcore[dev]'", file=sys.stderr)
        return 2
    from .guard import is_loopback
    from .workbench import Workbench

    ports = {name: 0 if options.free_ports else getattr(options, name) for name in PORTS}
    token: Optional[str] = options.token
    if token == "":
        raise ValueError("--token: an empty token keeps nobody out")
    if token is None and not is_loopback(options.bind):
        token = secrets.token_urlsafe(24)
    listening = _listen(options.bind, 0 if options.free_ports else options.http)
    keep = max(1, options.keep)
    more = {"host": options.bind, "store": options.store, "hostname": options.hostname}
    with listening, Workbench(ports, keep=keep, **more) as workbench:
        names = ["localhost", "127.0.0.1", "[::1]", _name(options.bind), *options.allow_host]
        live = Live()
        app = application(workbench, live, names, token)
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)  # uvicorn raises them again when it has ended
        _tell(options, workbench, listening.getsockname()[1], token)
        server = uvicorn.Server(config)
        ending = server.shutdown

        async def shutdown(sockets: Optional[List[socket.socket]] = None) -> None:
            live.end()
            await ending(sockets)

        server.shutdown = shutdown  # type: ignore[method-assign]
        server.run(sockets=[listening])
    return 0


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address.strip("[]"), port))
        listening.listen(128)
    except OSError as e:
        listening.close()
        raise OSError(f"the inbox: port {port} of {address}: {e.strerror} (--http 0 takes a free port)") from None
    return listening


def _name(address: str) -> str:
    return f"[{address.strip('[]')}]" if ":" in address else address


def _tell(options: argparse.Namespace, workbench: Any, port: int, token: Optional[str]) -> None:
    address = f"http://{_name(options.bind)}:{port}/" + (
        f"?token={urllib.parse.quote(token, safe='')}" if token else ""
    )
    if options.json:
        told = {"inbox": address, **{name: f"{options.bind}:{port}" for name, port in workbench.ports.items()}}
        print(json.dumps(told), flush=True)
        return
    print(f"inbox        {address}")
    for name, number in workbench.ports.items():
        print(f"{name:12} {options.bind}:{number}")
    print("any sender, recipient, user name and password will do; Ctrl-C ends it", flush=True)
