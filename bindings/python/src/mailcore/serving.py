"""A whole mail server: `python -m mailcore serve`, from flags or a TOML file, as a service expects it.

    store = "/var/lib/mailcore"
    hostname = "mx.example.org"
    domains = ["example.org"]

    [listen]                      # by service; a list for several addresses
    mx = "0.0.0.0:25"
    submissions = ["0.0.0.0:465", "[::]:465"]
    imaps = "0.0.0.0:993"

    [tls]
    certificate = "/etc/ssl/mx.pem"
    key = "/etc/ssl/mx.key"

    [settings]                    # any of `mailcore --properties`
    "outbound.smart_host" = "relay.example.net:587"

It tells systemd when it is ready, reloads and stops (sd_notify), and answers its watchdog. SIGHUP reads certificates and
domains again; SIGTERM and SIGINT end it: sessions and deliveries have ten seconds. Commands reach it by `control`.
"""

import argparse
import json
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from . import control
from .engine import Engine, Listener, Setting
from .errors import ClosedError, Error, Interrupted, StateError

#: What a file may say.
_MEMBERS = ("store", "hostname", "domains", "listen", "tls", "settings")
SERVICES = ("mx", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s", "managesieve")
#: Seconds that sessions and deliveries have to end.
STOP_SECONDS = 10.0
_PULL_SECONDS = 1.0


@dataclass
class Plan:
    """What to serve."""

    store: str = ""
    hostname: Optional[str] = None
    domains: List[str] = field(default_factory=list)
    listen: List[Tuple[str, str, int]] = field(default_factory=list)
    certificate: str = ""
    key: str = ""
    settings: Dict[str, Setting] = field(default_factory=dict)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `mailcore serve`."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="a TOML file; flags add to what it says")
    parser.add_argument(
        "--store", metavar="FOLDER", help="the store (or postgres://...); it is made where it is missing"
    )
    parser.add_argument("--hostname", metavar="NAME", help="the server's own name")
    parser.add_argument(
        "--domain", metavar="DOMAIN", action="append", default=[], help="a local domain; may be repeated"
    )
    for service in SERVICES:
        parser.add_argument(
            f"--{service}", metavar="ADDR:PORT", action="append", default=[], help=f"listens for {service}"
        )
    parser.add_argument("--tls-cert", metavar="FILE", help="the certificate with its chain (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="its key (PEM)")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="a setting of --properties")
    parser.add_argument("--events", action="store_true", help="prints each event as a JSON object")
    parser.add_argument("--json", action="store_true", help="tells addresses as a JSON object")


def run(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT."""
    plan = plan_of(options)
    address = plan.store.startswith(("postgres://", "postgresql://"))
    engine = Engine(
        None if address else plan.store, plan.hostname, store=plan.store if address else None, settings=plan.settings
    )
    try:
        _Serving(engine, plan, options, None if address else os.path.join(plan.store, control.NAME)).run()
    finally:
        engine.close()
    return 0


def plan_of(options: argparse.Namespace) -> Plan:
    """What the file and the flags say together."""
    plan = read(options.file) if options.file else Plan()
    plan.store = options.store or plan.store
    plan.hostname = options.hostname or plan.hostname
    plan.domains += [domain for domain in options.domain if domain not in plan.domains]
    for service in SERVICES:
        plan.listen += [(service, *_address(service, text)) for text in getattr(options, service)]
    plan.certificate, plan.key = options.tls_cert or plan.certificate, options.tls_key or plan.key
    for pair in options.set:
        name, is_one, value = pair.partition("=")
        if not is_one:
            raise ValueError(f'--set "{pair}": want NAME=VALUE')
        plan.settings[name] = value
    if not plan.store:
        raise ValueError("say where the store is: --store FOLDER, or store = in the file")
    if not plan.listen:
        raise ValueError("say what to listen for: --mx ADDR:PORT, or [listen] in the file")
    if bool(plan.certificate) != bool(plan.key):
        raise ValueError("a certificate and its key belong together")
    return plan


def read(path: str) -> Plan:
    """What a file says; `ValueError` names what is wrong with it."""
    try:
        import tomllib
    except ImportError:
        raise ValueError(f"{path}: a TOML file needs Python 3.11 or later; flags do it with any") from None
    try:
        with open(path, "rb") as file:
            said = tomllib.load(file)
    except tomllib.TOMLDecodeError as e:
        raise ValueError(f"{path}: {e}") from None
    for name in said:
        if name not in _MEMBERS:
            raise ValueError(f"{path}: there is no {name}; there are {', '.join(_MEMBERS)}")
    plan = Plan(store=_text(path, said, "store"), hostname=_text(path, said, "hostname") or None)
    domains = said.get("domains", [])
    if not isinstance(domains, list) or not all(isinstance(one, str) for one in domains):
        raise ValueError(f"{path}: domains is a list of names")
    plan.domains = domains
    for service, addresses in _table(path, said, "listen").items():
        if service not in SERVICES:
            raise ValueError(f"{path}: listen.{service}: there is no such service; there are {', '.join(SERVICES)}")
        for text in addresses if isinstance(addresses, list) else [addresses]:
            plan.listen.append((service, *_address(f"{path}: listen.{service}", str(text))))
    tls = _table(path, said, "tls")
    for name in tls:
        if name not in ("certificate", "key"):
            raise ValueError(f"{path}: there is no tls.{name}; there are certificate, key")
    plan.certificate, plan.key = _text(path, tls, "certificate"), _text(path, tls, "key")
    for name, value in _table(path, said, "settings").items():
        if not isinstance(value, (str, int, bool)):
            raise ValueError(
                f'{path}: settings: "{name}" is a text, a number or a switch; a name with dots needs quotes'
            )
        plan.settings[name] = value
    return plan


def _text(path: str, said: Mapping[str, Any], name: str) -> str:
    value = said.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{path}: {name} is a text")
    return value


def _table(path: str, said: Mapping[str, Any], name: str) -> Dict[str, Any]:
    value = said.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"{path}: {name} is a table")
    return value


def _address(what: str, text: str) -> Tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f'{what}: "{text}": want ADDR:PORT')
    return host.strip("[]"), int(port)


class _Serving:
    """A server while it runs."""

    def __init__(self, engine: Engine, plan: Plan, options: argparse.Namespace, path: Optional[str]) -> None:
        self._engine, self._plan, self._options, self._path = engine, plan, options, path
        self._listeners: List[Tuple[str, Listener]] = []
        self._ending = False
        self._reload = False

    def run(self) -> None:
        """Opens everything, tells so, and pulls events until a signal ends it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        signal.signal(signal.SIGHUP, self._again)
        self._read()
        self._engine.start()
        server = control.Server(self._engine, self._path) if self._path else None
        try:
            for service, host, port in self._plan.listen:
                self._listeners.append((service, self._engine.listen(service, host, port)))
            self._tell()
            notify("READY=1\nSTATUS=serves " + ", ".join(service for service, _ in self._listeners))
            self._pull(server)
            notify("STOPPING=1")
            self._engine.stop(STOP_SECONDS)
        finally:
            if server is not None:
                server.close()

    def _end(self, *_: object) -> None:
        self._ending = True
        self._engine.interrupt()

    def _again(self, *_: object) -> None:
        self._reload = True
        self._engine.interrupt()

    def _read(self) -> None:
        """Certificates and domains, as the plan says."""
        if self._plan.certificate:
            with open(self._plan.certificate, "rb") as certificate, open(self._plan.key, "rb") as key:
                self._engine.set_tls(certificate.read(), key.read())
        known = set(self._engine.domains())
        for domain in self._plan.domains:
            if domain.lower() not in known:
                self._engine.put_domain(domain)

    def _tell(self) -> None:
        found: Dict[str, List[str]] = {}
        for service, listener in self._listeners:
            found.setdefault(service, []).append(listener.address)
        if self._options.json or self._options.events:
            print(json.dumps({"event": "ready", **{name: ", ".join(all) for name, all in found.items()}}), flush=True)
        else:
            for name, all in found.items():
                print(f"{name:12} {', '.join(all)}", flush=True)

    def _pull(self, server: Optional[control.Server]) -> None:
        every = _watchdog_seconds()
        due = time.monotonic()
        while not self._ending:
            if self._reload:
                self._reload = False
                self._read_again()
            if every and time.monotonic() >= due:
                notify("WATCHDOG=1")
                due = time.monotonic() + every
            try:
                event = self._engine.next_event(_PULL_SECONDS)
            except Interrupted:
                continue
            except (StateError, ClosedError):
                return
            if event is None:
                continue
            if server is not None:
                server.tell(event)
            if self._options.events:
                print(json.dumps({"event": event.name, **event.detail}), flush=True)
            elif event.name in ("warning", "fatal", "store", "overflow"):
                print(f"{event.name}: {event.detail.get('text') or event.detail}", file=sys.stderr, flush=True)

    def _read_again(self) -> None:
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
        try:
            if self._options.file:
                new = plan_of(self._options)
                self._plan.domains, self._plan.certificate, self._plan.key = new.domains, new.certificate, new.key
            self._read()
            print("certificates and domains were read again", file=sys.stderr, flush=True)
        except (OSError, ValueError, Error) as e:
            print(f"SIGHUP: {e}; what was read before stays", file=sys.stderr, flush=True)
        notify("READY=1")


def notify(text: str) -> None:
    """Tells the service manager, where there is one (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address or address[0] not in "/@":
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling:
        try:
            telling.connect("\0" + address[1:] if address[0] == "@" else address)
            telling.sendall(text.encode("utf-8"))
        except OSError as e:
            print(f"NOTIFY_SOCKET: {e}", file=sys.stderr)


def _watchdog_seconds() -> float:
    """How often the watchdog hears of this process: half of its time; 0 where there is none."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or pid and pid != str(os.getpid()):
        return 0.0
    return int(usec) / 2_000_000
