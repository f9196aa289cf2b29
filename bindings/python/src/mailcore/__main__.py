"""`python -m mailcore`: which library is used; SPF, DKIM, ARC and DMARC for messages on stdin.

    python -m mailcore spf 192.0.2.1 mx.example.org alice@example.org
    python -m mailcore dkim-verify < message
    python -m mailcore dkim-sign --domain example.org --selector s1 --key key.pem < message > signed

What is printed is described in README.md. The exit status is 0 where there is a verdict, whatever it says, 2 for wrong
usage, 1 for anything else.
"""

import argparse
import json
import socket
import sys
from dataclasses import asdict
from typing import Any, Callable, List, Optional, Sequence

import mailcore

RESULTS = ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror", "policy")


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.properties:
        for row in mailcore.properties():
            print(f"{row.name:45} {row.initial:12} {row.doc}")
        return 0
    run: Optional[Callable[[argparse.Namespace], None]] = getattr(options, "run", None)
    if run is None:
        print(f"mailcore {mailcore.__version__}; {mailcore.build_info()}; {mailcore.library_path}")
        return 0
    try:
        run(options)
    except (mailcore.UsageError, OSError, ValueError) as e:
        print(f"{parser.prog} {options.command}: {e}", file=sys.stderr)
        return 2
    except mailcore.Error as e:
        print(f"{parser.prog} {options.command}: {e}", file=sys.stderr)
        return 1
    return 0


# -- commands ----------------------------------------------------------------------------------------------


def _spf(options: argparse.Namespace) -> None:
    with _resolver(options) as names:
        verdict = mailcore.spf(
            options.ip, options.helo, options.mail_from, resolver=names, receiver=options.receiver, time=options.time
        )
    _say(options, asdict(verdict), [(verdict.result, verdict.explanation or verdict.why)])


def _dkim_verify(options: argparse.Namespace) -> None:
    with _resolver(options) as names:
        verdicts = mailcore.dkim_verify(_message(), resolver=names, time=options.time)
    lines = []
    for one in verdicts:
        whose = f"d={one.domain} s={one.selector} b={one.signature_begins}" if one.domain else ""
        testing = "the domain is testing" if one.testing else ""
        lines.append((one.result, ": ".join(part for part in (whose, one.why, testing) if part)))
    _say(options, [asdict(one) for one in verdicts], lines or [("none", "the message is not signed")])


def _arc_verify(options: argparse.Namespace) -> None:
    with _resolver(options) as names:
        verdict = mailcore.arc_verify(_message(), resolver=names, time=options.time)
    sealers = "sealed by " + ", ".join(one.domain for one in verdict.sets)
    _say(options, asdict(verdict), [(verdict.result, verdict.why or sealers)])


def _dmarc(options: argparse.Namespace) -> None:
    # DMARC asks only whether they passed; "policy" (RFC 8601) is one way of not passing.
    spf, dkim = (("fail" if r == "policy" else r) for r in (options.spf_result, options.dkim_result))
    with _resolver(options) as names:
        verdict = mailcore.dmarc(
            options.from_domain.rpartition("@")[2],
            spf=(spf, options.spf_domain),
            dkim=[(dkim, options.dkim_domain)] if options.dkim_domain else [],
            resolver=names,
        )
    # pct=0 is for nobody (RFC 7489 §6.6.4): what is to be done is the milder policy.
    milder = {"reject": "quarantine", "quarantine": "none"}
    policy = verdict.policy if verdict.percent else milder.get(verdict.policy, verdict.policy)
    _say(options, asdict(verdict), [(verdict.result, policy)])


def _dkim_sign(options: argparse.Namespace) -> None:
    message = _message()
    _write(
        mailcore.dkim_sign(
            message,
            options.domain,
            options.selector,
            _key(options),
            algorithm=options.algorithm,
            canonicalization=options.canonicalization,
            headers=options.headers.split(":") if options.headers else None,
            identity=options.identity,
            time=options.time,
        ),
        message,
    )


def _arc_seal(options: argparse.Namespace) -> None:
    message = _message()
    with _resolver(options) as names:
        fields = mailcore.arc_seal(
            message,
            options.domain,
            options.selector,
            _key(options),
            authserv_id=options.authserv_id,
            algorithm=options.algorithm,
            chain=options.chain,
            results=options.results,
            resolver=names,
            time=options.time,
        )
    if not fields:
        print("not sealed: the chain has ended, or is as long as a chain may be", file=sys.stderr)
    _write(fields, message)


# -- input and output --------------------------------------------------------------------------------------


def _resolver(options: argparse.Namespace) -> mailcore.Resolver:
    zone = None
    if options.zone is not None:
        with open(options.zone, encoding="utf-8") as file:
            zone = file.read()
    return mailcore.Resolver(_address(options.dns), zone, options.timeout)


def _address(server: Optional[str]) -> Optional[str]:
    """A server named "localhost" as an address: names are what the server is there for."""
    host, colon, port = (server or "").rpartition(":")
    if not colon or not host or host[0] == "[" or host.replace(".", "").isdigit() or ":" in host:
        return server
    ip = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0][4][0]
    return f"[{ip}]:{port}" if ":" in str(ip) else f"{ip}:{port}"


def _message() -> bytes:
    return sys.stdin.buffer.read()


def _key(options: argparse.Namespace) -> bytes:
    with open(options.key, "rb") as file:
        return file.read()


def _write(fields: bytes, message: bytes) -> None:
    """The message with fields in front of its header, behind mbox's "From " line where there is one."""
    at = message.find(b"\n") + 1 if message.startswith(b"From ") else 0
    for octets in (message[:at], fields, message[at:]):
        sys.stdout.buffer.write(octets)
    sys.stdout.buffer.flush()


def _say(options: argparse.Namespace, whole: Any, lines: List[Any]) -> None:
    """Verdicts as JSON, or a line for each, its columns separated by tabs."""
    if options.json:
        text = json.dumps(whole) + "\n"
    else:
        text = "".join("\t".join(map(_one_line, columns)) + "\n" for columns in lines)
    sys.stdout.buffer.write(text.encode("utf-8"))
    sys.stdout.buffer.flush()


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


# -- arguments ---------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mailcore", description="libmailcore, an embeddable mail engine")
    parser.add_argument("--version", action="store_true", help="versions, and which library is used (the default)")
    parser.add_argument("--properties", action="store_true", help="everything that can be set, as a table")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], None], what: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=what, description=what)
        added.set_defaults(run=run)
        return added

    def positional(added: argparse.ArgumentParser, *names: str, **more: Any) -> None:
        for name in names:
            added.add_argument(name.lower(), metavar=name, **more)

    spf = command("spf", _spf, "SPF: may this address send for this sender?")
    spf.add_argument("ip", metavar="IP", help="address of the client")
    spf.add_argument("helo", metavar="HELO", help="the name it gave in EHLO or HELO")
    spf.add_argument("mail_from", metavar="MAILFROM", help="the sender; '' or '<>' is the null one")
    spf.add_argument("--receiver", help="our own name, for explanations")
    dkim_verify = command("dkim-verify", _dkim_verify, "checks the DKIM signatures of the message on stdin")
    arc_verify = command("arc-verify", _arc_verify, "checks the chain of ARC of the message on stdin")
    dmarc = command("dmarc", _dmarc, "DMARC by results of SPF and DKIM that are known")
    positional(dmarc, "FROM_DOMAIN")
    positional(dmarc, "SPF_RESULT", choices=RESULTS, type=_result)
    positional(dmarc, "SPF_DOMAIN")
    positional(dmarc, "DKIM_RESULT", choices=RESULTS, type=_result)
    positional(dmarc, "DKIM_DOMAIN")
    dkim_sign = command("dkim-sign", _dkim_sign, "signs the message on stdin, which comes out on stdout")
    arc_seal = command("arc-seal", _arc_seal, "seals the message on stdin, which comes out on stdout")
    for signs in (dkim_sign, arc_seal):
        _signing(signs)
    dkim_sign.add_argument("--canonicalization", help="header/body, each relaxed or simple (default: relaxed/relaxed)")
    dkim_sign.add_argument("--headers", help="names of the fields to sign, with ':' between them; twice: none may be added")
    dkim_sign.add_argument("--identity", help="for whom it is signed (i=)")
    arc_seal.add_argument("--authserv-id", help="our name in Authentication-Results (default: the domain)")
    arc_seal.add_argument(
        "--chain", choices=("none", "pass", "fail"), help="what became of the chain on arrival (default: checked now)"
    )
    arc_seal.add_argument(
        "--results", help="what was found on arrival, 'NAME; spf=pass ...' (default: the message's fields in our name)"
    )
    for asks in (spf, dkim_verify, arc_verify, dmarc, arc_seal):
        _names(asks)
    dkim_sign.add_argument("--dns", metavar="ADDR:PORT", help="nothing is asked: taken, so that all commands take it")
    for tells in (spf, dkim_verify, arc_verify, dmarc):
        tells.add_argument("--json", action="store_true", help="everything there is to say, as JSON")
    for timed in (spf, dkim_verify, arc_verify, dkim_sign, arc_seal):
        timed.add_argument("--time", type=float, metavar="SECONDS", help="the time, in seconds since 1970 (default: now)")
    return parser


def _result(word: str) -> str:
    return word.lower() or "none"


def _signing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--domain", required=True, help="the signing domain")
    parser.add_argument("--selector", required=True, help="the key's name in DNS")
    parser.add_argument("--key", required=True, metavar="FILE", help="the key: PEM, or base64 of an Ed25519 seed")
    parser.add_argument("--algorithm", choices=("rsa-sha256", "ed25519-sha256"), help="what the key must be for")


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dns", metavar="ADDR:PORT", help="the DNS server to ask (default: the system's)")
    parser.add_argument("--zone", metavar="FILE", help="records to take, a line 'name type data' each")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for all DNS questions together (default: 20)")


if __name__ == "__main__":
    sys.exit(main())
