"""`python -m mailcore`: which library is used; SPF, DKIM, ARC and DMARC for messages on stdin; records to publish.

An installed package has it as the program `mailcore` too.

    python -m mailcore spf 192.0.2.1 mx.example.org alice@example.org
    python -m mailcore dkim-verify < message
    python -m mailcore dkim-sign --domain example.org --selector s1 --key key.pem < message > signed
    python -m mailcore sieve script.sieve --to alice@example.org < message
    python -m mailcore dns example.org --mx mx.example.org --ip 192.0.2.25 --key s1:key.pem
    python -m mailcore serve server.toml
    python -m mailcore dev

What is printed is described in README.md. The exit status is 0 where there is a verdict, whatever it says, 2 for wrong
usage, 1 for anything else; of `check`, 0 for a sound store, 1 for one with disagreements, 2 for anything else.
"""

import argparse
import json
import pathlib
import socket
import sys
import tempfile
from dataclasses import asdict
from typing import Any, Callable, Dict, List, Optional, Sequence

import mailcore

from . import admin, dev, dnscheck, records, serving, transfer
from . import commands as on_store

RESULTS = ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror", "policy")


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.properties:
        for row in mailcore.properties():
            print(f"{row.name:45} {row.initial:12} {row.doc}")
        return 0
    run: Optional[Callable[[argparse.Namespace], Optional[int]]] = getattr(options, "run", None)
    if run is None:
        print(f"mailcore {mailcore.__version__}; {mailcore.build_info()}; {mailcore.library_path}")
        return 0
    try:
        status = run(options)
    except (mailcore.UsageError, OSError, ValueError) as e:
        print(f"{parser.prog} {options.command}: {e}", file=sys.stderr)
        return 2
    except mailcore.Error as e:
        print(f"{parser.prog} {options.command}: {e}", file=sys.stderr)
        return int(options.trouble)
    return status or 0


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


def _sieve(options: argparse.Namespace) -> Optional[int]:
    script = pathlib.Path(options.script).read_bytes()
    with tempfile.TemporaryDirectory() as folder, mailcore.Engine(folder) as engine:
        engine.put_account(options.to, None)
        found = engine.sieve.test(options.to, _message(), script, sender=options.sender)
    lines = [(one["action"], _action(one)) for one in found["actions"]] or [("discard", "")]
    if found["error"]:
        lines.insert(0, ("error", "line {line}, column {column}: {text}".format(**found["error"])))
    _say(options, found, lines)
    return 1 if found["error"] else 0


def _action(action: Dict[str, Any]) -> str:
    """What an action does, on one line."""
    what = action.get("mailbox") or action.get("to") or action.get("reason") or ""
    what = ", ".join(what) if isinstance(what, list) else what
    flags = f" [{' '.join(action['flags'])}]" if action.get("flags") else ""
    place = "" if action.get("implicit") else f" (line {action['line']})"
    return f"{what}{flags}{place}".strip()


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


def _dns(options: argparse.Namespace) -> None:
    keys = []
    for pair in options.key:
        selector, colon, path = pair.partition(":")
        if not colon or not selector:
            raise ValueError(f'--key "{pair}": want SELECTOR:FILE')
        with open(path, "rb") as file:
            keys.append((selector, records.record_of(options.domain, selector, file.read())))
    if options.store is not None:
        keys += records.records_of_store(options.domain, options.store)
    zone = records.zone_file(
        options.domain, options.mx or f"mx.{options.domain}", options.ip, keys, options.policy, options.reports
    )
    sys.stdout.write(zone)


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
        text = "".join("\t".join(map(admin.one_line, columns)) + "\n" for columns in lines)
    sys.stdout.buffer.write(text.encode("utf-8"))
    sys.stdout.buffer.flush()


# -- arguments ---------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    program = "mailcore" if pathlib.Path(sys.argv[0]).name == "mailcore" else "python -m mailcore"
    parser = argparse.ArgumentParser(prog=program, description="libmailcore, an embeddable mail engine")
    parser.add_argument("--version", action="store_true", help="prints versions and the library used (the default)")
    parser.add_argument("--properties", action="store_true", help="prints every property, its default and meaning")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], Optional[int]], what: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=what, description=what)
        added.set_defaults(run=run, trouble=1)
        return added

    def positional(added: argparse.ArgumentParser, *names: str, **more: Any) -> None:
        for name in names:
            added.add_argument(name.lower(), metavar=name, **more)

    spf = command("spf", _spf, "SPF: may this address send for this sender?")
    spf.add_argument("ip", metavar="IP", help="address of the client")
    spf.add_argument("helo", metavar="HELO", help="the name the client gave in EHLO or HELO")
    spf.add_argument("mail_from", metavar="MAILFROM", help="the envelope sender; '' or '<>' for the null sender")
    spf.add_argument("--receiver", help="the name of the receiving server, for explanations")
    dkim_verify = command("dkim-verify", _dkim_verify, "checks the DKIM signatures of the message on stdin")
    arc_verify = command("arc-verify", _arc_verify, "checks the ARC chain of the message on stdin")
    dmarc = command("dmarc", _dmarc, "DMARC, given the results of SPF and DKIM")
    positional(dmarc, "FROM_DOMAIN")
    positional(dmarc, "SPF_RESULT", choices=RESULTS, type=_result)
    positional(dmarc, "SPF_DOMAIN")
    positional(dmarc, "DKIM_RESULT", choices=RESULTS, type=_result)
    positional(dmarc, "DKIM_DOMAIN")
    dkim_sign = command("dkim-sign", _dkim_sign, "signs the message on stdin and writes it to stdout")
    arc_seal = command("arc-seal", _arc_seal, "seals the message on stdin (ARC) and writes it to stdout")
    for signs in (dkim_sign, arc_seal):
        _signing(signs)
    dkim_sign.add_argument("--canonicalization", help="header/body, each relaxed or simple (default: relaxed/relaxed)")
    dkim_sign.add_argument("--headers", help="fields to sign, separated by ':'; a name given twice: none may be added")
    dkim_sign.add_argument("--identity", help="the user or agent the signature is for (i=)")
    arc_seal.add_argument("--authserv-id", help="the sealing server's name in Authentication-Results (default: the domain)")
    arc_seal.add_argument(
        "--chain", choices=("none", "pass", "fail"), help="the result of the chain on arrival (default: checked now)"
    )
    arc_seal.add_argument(
        "--results", help="what was found on arrival, 'NAME; spf=pass ...' (default: the message's fields in our name)"
    )
    sieve = command("sieve", _sieve, "what a Sieve script would do with the message on stdin")
    sieve.add_argument("script", metavar="SCRIPT", help="a file; an error in it is told with line and column")
    sieve.add_argument("--from", dest="sender", metavar="ADDRESS", default="", help="the envelope sender (default: '<>')")
    sieve.add_argument("--to", metavar="ADDRESS", default="postmaster@example.org", help="the recipient, whose script it is")
    sieve.add_argument("--json", action="store_true", help="prints all that is known, as JSON")
    _administering(command)
    on_store.arguments(command)
    transfer.arguments(
        command("import", transfer.import_, "reads mail into a mailbox: .eml files, an mbox file or a Maildir; verified"),
        command("export", transfer.export, "writes the mail of a mailbox as .eml files, mbox or Maildir; verified"),
    )
    serving.arguments(command("serve", serving.run, "a whole mail server, from a TOML file or flags"))
    dnscheck.arguments(command("dns-check", dnscheck.run, "what the DNS has for a domain's mail, and what is missing"))
    shells = command("completion", lambda options: print(on_store.completion(parser, options.shell), end=""), "completes commands")
    shells.add_argument("shell", choices=("bash", "zsh", "fish"), help="its script: source <(mailcore completion bash)")
    dev.arguments(command("dev", dev.run, "a mail server for development, with a web inbox that shows each mail's road"))
    _publishing(command("dns", _dns, "prints the DNS records to publish for a domain, as lines of a zone file"))
    for asks in (spf, dkim_verify, arc_verify, dmarc, arc_seal):
        _names(asks)
    dkim_sign.add_argument("--dns", metavar="ADDR:PORT", help="accepted as by the other commands; signing asks nothing")
    for tells in (spf, dkim_verify, arc_verify, dmarc):
        tells.add_argument("--json", action="store_true", help="prints all that is known, as JSON")
    for timed in (spf, dkim_verify, arc_verify, dkim_sign, arc_seal):
        timed.add_argument("--time", type=float, metavar="SECONDS", help="the time, in seconds since 1970 (default: now)")
    return parser


def _result(word: str) -> str:
    return word.lower() or "none"


def _signing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--domain", required=True, help="the signing domain")
    parser.add_argument("--selector", required=True, help="the key's name in DNS")
    parser.add_argument("--key", required=True, metavar="FILE", help="the key: PEM, or base64 of an Ed25519 seed")
    parser.add_argument("--algorithm", choices=("rsa-sha256", "ed25519-sha256"), help="refuses a key of another kind")


def _publishing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("domain", metavar="DOMAIN", help="the domain behind the @")
    parser.add_argument("--mx", metavar="NAME", help="the name of the mail server (default: mx.DOMAIN)")
    parser.add_argument("--ip", metavar="ADDRESS", action="append", default=[], help="its address; may be repeated")
    parser.add_argument(
        "--key", metavar="SELECTOR:FILE", action="append", default=[], help="a private DKIM key (PEM); may be repeated"
    )
    parser.add_argument("--store", metavar="FOLDER", help="takes the DKIM keys of a store that no server has open")
    parser.add_argument(
        "--policy", choices=("none", "quarantine", "reject"), default="none", help="the DMARC policy (default: none)"
    )
    parser.add_argument("--reports", metavar="ADDRESS", help="who gets DMARC reports (default: postmaster@DOMAIN)")


def _administering(command: Callable[..., argparse.ArgumentParser]) -> None:
    account = command("account", admin.account, "makes an account, or changes its password (asked for, or from stdin)")
    account.add_argument("address", metavar="ADDRESS", nargs="?", help="the address; without it all accounts are listed")
    account.add_argument("--delete", action="store_true", help="deletes the account and all its mail")
    alias = command("alias", admin.alias, "adds a target to an alias: mail for one address goes to another")
    alias.add_argument("pattern", metavar="ADDRESS", nargs="?", help="ADDRESS or @DOMAIN; without it all aliases are listed")
    alias.add_argument("target", metavar="TARGET", nargs="?", help="where its mail goes; several times for several targets")
    alias.add_argument("--delete", action="store_true", help="deletes the alias with all its targets")
    for changes in (account, alias):
        changes.add_argument("--store", metavar="FOLDER", required=True, help="a store, open in a server or not (or postgres://...)")
        changes.add_argument("--json", action="store_true", help="prints JSON, an object on each line")
    check = command("check", admin.check, "tells where the parts of a store disagree")
    check.add_argument("folder", metavar="FOLDER", help="a store, open in a server or not (or postgres://...)")
    check.add_argument("--json", action="store_true", help="prints a JSON object for each disagreement, and one at the end")
    # 1 says that there are disagreements.
    check.set_defaults(trouble=2)


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dns", metavar="ADDR:PORT", help="the DNS server to ask (default: the system's)")
    parser.add_argument("--zone", metavar="FILE", help="a file of records, 'name type data' on each line; asked before DNS")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for all DNS questions together (default: 20)")


if __name__ == "__main__":
    sys.exit(main())
