"""Commands on a store, whether a server has it open or not: `queue`, `keys`, `backup`, `events`, `send`, `completion`."""

import argparse
import base64
import email
import email.policy
import email.utils
import json
import os
import smtplib
import sys
import time
from typing import Any, Callable, Dict, List, Optional

from . import certificate, control, progress
from .operate import Row

_STORE = "a store, whether a server has it open or not (or postgres://..., which no server has open)"

Adding = Callable[..., argparse.ArgumentParser]


def arguments(command: Adding) -> None:
    """Adds the commands."""
    queue = command("queue", _queue, "shows the queue, and acts on it")
    doing = queue.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, what in (
        ("list", "lists what waits"),
        ("show", "writes a message to stdout"),
        ("explain", "why a message waits"),
        ("hold", "makes no attempt until release"),
        ("release", "goes on with what was held"),
        ("retry", "tries now"),
        ("bounce", "gives up, with a report"),
        ("drop", "removes it without a word"),
    ):
        one = doing.add_parser(name, help=what, description=what)
        if name in ("show", "explain"):
            one.add_argument("id", metavar="ID", type=int, help="the queue id")
        elif name != "list":
            one.add_argument("id", metavar="ID", type=int, nargs="*", help="queue ids; or choose with the options")
            one.add_argument("--all", action="store_true", help="all messages")
            for option, about in (
                ("sender", "from this address"),
                ("recipient", "to this address"),
                ("domain", "to this domain"),
            ):
                one.add_argument(f"--{option}", metavar=option.upper(), help=f"messages {about}")
        _store(one)
    keys = command("keys", _keys, "the DKIM keys of a store, and the records to publish")
    doing = keys.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, what in (
        ("list", "lists the keys"),
        ("new", "makes a key, and tells its record"),
        ("activate", "signs with it from now on"),
        ("remove", "forgets it"),
    ):
        one = doing.add_parser(name, help=what, description=what)
        if name != "list":
            one.add_argument("domain", metavar="DOMAIN")
            one.add_argument("selector", metavar="SELECTOR")
        if name == "new":
            one.add_argument(
                "--algorithm",
                choices=("rsa-sha256", "ed25519-sha256"),
                default="rsa-sha256",
                help="default: rsa-sha256",
            )
        _store(one)
    tls = doing.add_parser(
        "tls", help="the TLSA record of a certificate", description="the TLSA record of a certificate"
    )
    tls.add_argument("certificate", metavar="FILE", help="the certificate (PEM)")
    tls.add_argument("--host", metavar="NAME", action="append", help="the mail host (default: the first name in it)")
    tls.add_argument("--json", action="store_true", help="prints JSON, an object on each line")
    tls.set_defaults(run=_tls)
    backup = command("backup", _backup, "copies a store into a folder, and checks the copy")
    backup.add_argument("folder", metavar="FOLDER", help="where to: a folder without a store")
    _store(backup)
    events = command("events", _events, "prints what a running server does, a JSON object for each event")
    events.add_argument(
        "--follow", action="store_true", help="goes on until it is ended; without it, the next event alone"
    )
    _store(events)
    _sending(command("send", _send, "sends the message on stdin: by a store's queue, or by another server"))


def _store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", metavar="FOLDER", required=True, help=_STORE)
    parser.add_argument("--json", action="store_true", help="prints JSON, an object on each line")


def _sending(send: argparse.ArgumentParser) -> None:
    send.add_argument(
        "recipient", metavar="RECIPIENT", nargs="*", help="envelope recipients (default: those of the header)"
    )
    send.add_argument("--from", dest="sender", metavar="ADDRESS", help="envelope sender (default: that of the header)")
    send.add_argument("--store", metavar="FOLDER", help=f"by the queue of {_STORE}")
    send.add_argument("--server", metavar="HOST:PORT", help="by this server, with STARTTLS where it is offered")
    send.add_argument(
        "--tls", choices=("opportunistic", "required", "implicit", "off"), help="TLS to --server (465: implicit)"
    )
    send.add_argument("--user", metavar="NAME", help="logs in; the password is in MAILCORE_PASSWORD")
    send.add_argument("--wait", type=float, metavar="SECONDS", default=0.0, help="waits for the delivery (default: 0)")
    send.add_argument("--json", action="store_true", help="tells the outcome as a JSON object")


# -- queue, keys, backup ------------------------------------------------------------------------------------


def _queue(options: argparse.Namespace) -> Optional[int]:
    with control.connect(options.store) as store:
        if options.action == "list":
            for row in store.do("queue.list"):
                _say(options, row, _queue_line(row))
        elif options.action == "show":
            for row in store.do("queue.show", id=options.id):
                sys.stdout.buffer.write(base64.b64decode(row["octets"]))
            sys.stdout.buffer.flush()
        elif options.action == "explain":
            _explain(options, store.one("queue.explain", id=options.id))
        else:
            return _act(options, store)
    return None


def _queue_line(row: Row) -> str:
    state = "held" if row["held"] else row["state"]
    reply = f"{row['code'] or ''} {row['reply']}".strip()
    return "\t".join(
        (
            str(row["id"]),
            state,
            row["from"] or "<>",
            ",".join(row["to"]),
            str(row["attempts"]),
            row["due"] or "-",
            reply,
        )
    )


def _explain(options: argparse.Namespace, found: Row) -> None:
    if options.json:
        print(json.dumps(found))
        return
    for one in found["recipients"]:
        _line(f"{one['address']}\t{one['state']}\t{one.get('route', '')}\t{one['why']}")
    for number, attempt in enumerate(found["attempts"], 1):
        for one in attempt["recipients"]:
            _line(
                f"attempt {number}\t{_when(attempt['began_ms'])}\t{one['address']}\t{one['decision']}\t{one['host'] or '-'}\t"
                f"{one['code'] or ''} {one['enhanced']} {one['text']}"
            )
        for step in attempt["trail"]:
            _line(f"\t+{step['ms']} ms\t{step['kind']}\t{step['text']}")


def _act(options: argparse.Namespace, store: control.Store) -> int:
    chosen = {name: getattr(options, name) for name in ("sender", "recipient", "domain") if getattr(options, name)}
    if bool(options.id) + options.all + bool(chosen) != 1:
        raise ValueError("say which messages: ids, --all, or --sender, --recipient, --domain")
    count = 0
    for id in options.id or [0]:
        count += store.one("queue.act", action=options.action, id=id, **chosen)["messages"]
    _say(options, {"action": options.action, "messages": count}, f"{options.action}: {count} messages")
    return 0 if count or options.all else 1


def _keys(options: argparse.Namespace) -> None:
    with control.connect(options.store, make=options.action == "new") as store:
        if options.action == "list":
            for row in store.do("keys.list"):
                name = f"{row['selector']}._domainkey.{row['domain']}"
                _say(
                    options,
                    row,
                    "\t".join((row["domain"], row["selector"], row["algorithm"], row["state"], name, row["record"])),
                )
        elif options.action == "new":
            row = store.one("keys.new", domain=options.domain, selector=options.selector, algorithm=options.algorithm)
            _say(options, row, f"{row['name']}\tTXT\t{row['record']}")
        else:
            store.one("keys.act", action=options.action, domain=options.domain, selector=options.selector)
            _say(options, {"domain": options.domain, "selector": options.selector, "action": options.action}, "")


def _backup(options: argparse.Namespace) -> None:
    folder = os.path.abspath(options.folder)
    with control.connect(options.store) as store:
        if store.served:
            row = store.one("backup", folder=folder)
        else:
            row = {"folder": folder, "octets": 0}

            def note(done: int, total: int) -> None:
                row["octets"] = total
                progress.show(done, total, f"{done} octets")

            store.engine.backup(folder, note)
            progress.end()
    _say(options, row, f"{row['folder']}: {row['octets']} octets, checked")


def _tls(options: argparse.Namespace) -> None:
    with open(options.certificate, encoding="ascii") as file:
        found = certificate.read(file.read())
    names = options.host or found.names[:1]
    for name in names:
        row = {
            "name": f"_25._tcp.{name}",
            "type": "TLSA",
            "data": f"3 1 1 {found.key_sha256}",
            "until": found.until.isoformat(),
        }
        _say(options, row, f"{row['name']}\tTLSA\t{row['data']}\tthe certificate is valid until {row['until']}")


def _events(options: argparse.Namespace) -> None:
    with control.connect(options.store) as store:
        if not store.served:
            raise ValueError(f"{options.store}: no server has it open: there is nothing to follow")
        try:
            for row in store.do("events"):
                print(json.dumps(row), flush=True)
                if not options.follow:
                    return
        except (ConnectionError, KeyboardInterrupt):
            return  # the server has ended, or who follows


# -- send ---------------------------------------------------------------------------------------------------


def _send(options: argparse.Namespace) -> int:
    if bool(options.store) == bool(options.server):
        raise ValueError("say by what: --store FOLDER or --server HOST:PORT")
    octets = sys.stdin.buffer.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    header = email.message_from_bytes(octets, policy=email.policy.default)
    sender = options.sender if options.sender is not None else (_addresses(header, "Sender", "From") or [""])[0]
    to: List[str] = options.recipient or _addresses(header, "To", "Cc", "Bcc")
    if not to:
        raise ValueError("there is no recipient, in the header or on the command line")
    octets = _without_bcc(octets)
    return (
        _send_by_server(options, octets, sender, to) if options.server else _send_by_store(options, octets, sender, to)
    )


def _addresses(header: Any, *names: str) -> List[str]:
    fields = [str(field) for name in names for field in header.get_all(name, [])]
    return [address for _, address in email.utils.getaddresses(fields) if address]


def _without_bcc(octets: bytes) -> bytes:
    head, between, body = octets.partition(b"\r\n\r\n")
    kept: List[bytes] = []
    drop = False
    for line in head.split(b"\r\n"):
        drop = drop if line[:1] in (b" ", b"\t") else line.lower().startswith(b"bcc:")
        if not drop:
            kept.append(line)
    return b"\r\n".join(kept) + between + body


def _send_by_server(options: argparse.Namespace, octets: bytes, sender: str, to: List[str]) -> int:
    host, colon, port = options.server.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f'--server "{options.server}": want HOST:PORT')
    tls = options.tls or ("implicit" if port == "465" else "opportunistic")
    import ssl  # late: a small Python may lack it, and needs it for nothing else

    context = ssl.create_default_context()
    try:
        connection = (
            smtplib.SMTP_SSL(host, int(port), context=context) if tls == "implicit" else smtplib.SMTP(host, int(port))
        )
        with connection as smtp:
            smtp.ehlo()
            if tls == "required" or tls == "opportunistic" and smtp.has_extn("starttls"):
                smtp.starttls(context=context)
            if options.user:
                smtp.login(options.user, os.environ.get("MAILCORE_PASSWORD", ""))
            refused = smtp.sendmail(sender, to, octets)
    except smtplib.SMTPRecipientsRefused as e:
        refused = e.recipients
    except smtplib.SMTPException as e:
        raise OSError(str(e)) from None
    for address, (code, reply) in refused.items():
        print(f"{address}: {code} {reply.decode('utf-8', 'replace')}", file=sys.stderr)
    _say(
        options,
        {"sent": len(to) - len(refused), "refused": sorted(refused)},
        f"sent to {len(to) - len(refused)} of {len(to)}",
    )
    return 1 if refused else 0


def _send_by_store(options: argparse.Namespace, octets: bytes, sender: str, to: List[str]) -> int:
    with control.connect(options.store) as store:
        if not store.served:
            store.engine.start()  # takes mail from then on; what is under way at the end is tried again later
        row = store.one("submit", octets=base64.b64encode(octets).decode("ascii"), to=to, **{"from": sender})
        id = row["id"]
        told: Dict[str, Any] = {"id": id, "state": "filed" if not id else "waiting"}
        end = time.monotonic() + options.wait
        while id and time.monotonic() < end:
            told = {"id": id, **store.one("delivery", id=id)}
            if told["state"] not in ("waiting", "deferred"):
                break
            time.sleep(0.05)
    text = "filed" if not id else f"queued as {id}: {told['state']} {told.get('reply', '')}".rstrip()
    _say(options, told, text)
    return 1 if told["state"] in ("failed", "expired") else 0


# -- completion ---------------------------------------------------------------------------------------------


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script that a shell reads to complete commands and options."""
    words = _words(parser)
    cases = "".join(f'    "{path}") words="{" ".join(found)}" ;;\n' for path, found in words.items())
    if shell == "fish":
        lines = ["complete -c mailcore -f"]
        for path, found in words.items():
            names = path.split()
            depth = " ; and ".join(f"__fish_seen_subcommand_from {name}" for name in names) or "__fish_use_subcommand"
            for word in found:
                kind = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
                lines.append(f"complete -c mailcore -n '{depth}' {kind}")
        lines.append("complete -c mailcore -F -n 'not __fish_use_subcommand'")
        return "\n".join(lines) + "\n"
    script = f"""_mailcore() {{
  local cur path="" word words
  cur=${{COMP_WORDS[COMP_CWORD]}}
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$word" in -*) ;; *) [ "$path" = "${{path#* }}" ] && path="${{path:+$path }}$word" ;; esac
  done
  while :; do
    case "$path" in
{cases}    *) case "$path" in *" "*) path=${{path% *}}; continue ;; *) words="" ;; esac ;;
    esac
    break
  done
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  case "$cur" in -*) ;; *) [ -n "$path" ] && COMPREPLY+=($(compgen -f -- "$cur")) ;; esac
}}
complete -o filenames -F _mailcore mailcore
"""
    return script if shell == "bash" else "autoload -U bashcompinit && bashcompinit\n" + script


def _words(parser: argparse.ArgumentParser, path: str = "") -> Dict[str, List[str]]:
    """What may follow each command: its options and the commands below it."""
    found: Dict[str, List[str]] = {path: []}
    for action in parser._actions:
        found[path] += [option for option in action.option_strings if option.startswith("--")]
        if isinstance(action, argparse._SubParsersAction):
            found[path] += list(action.choices)
            for name, below in action.choices.items():
                found.update(_words(below, f"{path} {name}".strip()))
    return found


# -- output -------------------------------------------------------------------------------------------------


def _say(options: argparse.Namespace, row: Row, text: str) -> None:
    if options.json:
        print(json.dumps(row))
    elif text:
        _line(text)


def _line(text: str) -> None:
    print("".join(c if c.isprintable() or c == "\t" else " " for c in text))


def _when(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms / 1000))
