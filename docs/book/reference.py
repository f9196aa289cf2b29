"""Tables from include/abi.json: properties, functions, structs, constants, result codes, hooks, events.

Each item has its name as anchor, so that pages can link to it; of two items with one name the first has it.
"""

import html
import json
import re

#: Constants by the beginning of their names, with what they say; those of other tables are left out.
GROUPS = (
    ("SERVICE", "Services of a listener"),
    ("FLAG", "Flags of a message"),
    ("LIST", "Lists, for mailcore_list()"),
    ("DELIVERY", "States of a delivery"),
    ("QUEUE", "Actions on queued messages"),
    ("DECISION", "Decisions of a hook"),
    ("STAGE", "Stages of scripted trouble"),
    ("RESULT", "Results of a check"),
    ("CHECK", "What a row of the verdicts is about"),
    ("METHOD", "Methods of a login or check"),
    ("POLICY", "Policies of DMARC"),
    ("CONTROL", "Controls"),
    ("DKIM", "DKIM"),
    ("ON", "Kinds of handles that have properties"),
    ("TYPE", "Types of properties"),
)
ELSEWHERE = ("KEY", "E", "OK", "HOOK", "EVENT")
ROOMS = {
    "": "The engine", "account": "Accounts", "mailbox": "Mailboxes", "message": "Messages", "listener": "Listeners",
}  # fmt: skip
#: What the tags in brackets say.
TAGS = {
    "nowait": "never waits", "disk": "may wait for the disk", "wait": "waits up to its timeout",
    "hook-ok": "may be called inside a hook",
}  # fmt: skip


#: Fields of every event, which the page tells once.
IN_ALL = ("event", "seq", "time_ms")


def tables(root, name):
    """The generated part of this name as HTML; None where there is none."""
    make = {
        "properties": properties, "functions": functions, "structs": structs, "constants": constants,
        "result-codes": codes, "hooks": hooks, "events": events,
    }.get(name)  # fmt: skip
    return make and make(json.loads((root / "include/abi.json").read_text(encoding="utf-8")))


def e(text):
    return html.escape(str(text), quote=False)


def code(text, anchor=False):
    """Code; with an anchor, the place that links to the name lead to."""
    return f'<code id="{html.escape(text)}">{e(text)}</code>' if anchor else f"<code>{e(text)}</code>"


def table(head, rows):
    """A table; cells are HTML."""
    top = "".join(f"<th>{e(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table>\n"


def prose(text):
    """The documentation of an item: paragraphs, and lists whose items begin with a hyphen."""
    out = []
    for paragraph in re.sub(r"^\[[a-z\] \[-]+\] ?", "", text, flags=re.M).split("\n\n"):
        lead, *items = re.split(r"(?:^|\n)- ", paragraph)
        if lead.strip():
            out.append(f"<p>{coded(lead)}</p>")
        if items:
            out.append("<ul>" + "".join(f"<li>{coded(item)}</li>" for item in items) + "</ul>")
    return "".join(out)


def coded(text):
    """Names of the interface in a text become code; Markdown's backquotes too."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", e(" ".join(text.split())))
    parts = re.split(r"(<code>.*?</code>)", text)
    name = re.compile(r"\b(mailcore_[a-z0-9_]+(?:\(\))?|MAILCORE_[A-Z0-9_]+)")
    return "".join(part if part.startswith("<code>") else name.sub(r"<code>\1</code>", part) for part in parts)


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def heading(text, prefix=""):
    return f'<h2 id="{prefix}{slug(text)}">{e(text)}</h2>\n'


# -- properties ------------------------------------------------------------------------------------------------


def properties(abi):
    rooms = {}
    for row in abi["properties"]:
        room = row["name"].rpartition(".")[0].partition(".")[0]
        rooms.setdefault((row["on"], room), []).append(row)
    out = []
    for (on, room), rows in rooms.items():
        known = f"Properties of {ROOMS[on].lower()}" if on != "engine" else f"{room}.*" if room else "In general"
        out.append(heading(known, f"{on}-"))
        cells = [[code(row["name"], True), _takes(row), code(row["initial"]) if row.get("initial") else "", coded(row["doc"])]
                 for row in rows]
        out.append(table(["property", "takes", "at first", "meaning"], cells))
    return "".join(out)


def _takes(row):
    if row["type"] == "number":
        unlimited = row["max"] >= 2**62
        low, high = (f"{row[end]:,}".replace(",", "\u00a0") for end in ("min", "max"))
        kind = "a number" if unlimited and not row["min"] else f"{low} to {high}"
    else:
        kind = "0 or 1" if row["type"] == "switch" else "text"
    return e(kind) + ("" if row["writable"] else ", read only")


# -- functions and structs -------------------------------------------------------------------------------------


def functions(abi):
    out = [table(["function", "what it does"],
                 [[f'<a href="#{f["name"]}">{code(f["name"])}</a>', coded(f["doc"].split("\n\n")[0])]
                  for f in abi["functions"]])]
    for item in abi["functions"]:
        out.append(f'<h2 id="{item["name"]}">{e(item["name"])}</h2>\n')
        out.append(_declaration(item))
        out.append(prose(item["doc"]))
        if item["parameters"]:
            out.append(table(["parameter", "meaning"], [[code(p["name"]), coded(p["doc"])] for p in item["parameters"]]))
        if item["result"]:
            out.append(f"<p>Returns {coded(item['result'])}.</p>")
        tags = "; ".join(TAGS[tag] for tag in item["tags"])
        out.append(f"<p class=\"note\">{e(tags)}{'; ' if tags else ''}since {e(item['since'])}</p>\n")
    return "".join(out)


def _declaration(item):
    def declared(parameter):
        space = "" if parameter["type"].endswith("*") else " "
        return f"{parameter['type']}{space}{parameter['name']}"

    space = "" if item["returns"].endswith("*") else " "
    inside = ",\n    ".join(declared(parameter) for parameter in item["parameters"])
    text = f"{item['returns']}{space}{item['name']}({inside or 'void'});"
    return f'<div class="code"><pre>{e(text)}</pre></div>\n'


def structs(abi):
    out = [heading("Handles"),
           table(["handle", "what it is"], [[code(h["name"], True), coded(h["doc"])] for h in abi["handles"]])]
    out.append(heading("Functions of the program"))
    for item in abi["callbacks"]:
        out.append(f'<h3 id="{item["name"]}">{e(item["name"])}</h3>\n{_declaration(item)}{prose(item["doc"])}')
    for item in abi["structs"]:
        out.append(f'<h2 id="{item["name"]}">{e(item["name"])}</h2>\n{prose(item["doc"])}')
        rows = [[code(f["name"]), code(f["type"] + (f"[{f['length']}]" if f.get("length") else "")),
                 f["offset64"], coded(f["doc"])] for f in item["fields"]]
        out.append(table(["field", "type", "offset", "meaning"], rows))
        out.append(f'<p class="note">{item["size64"]} bytes; offsets are those of machines of 64 bits</p>\n')
    return "".join(out)


# -- constants -------------------------------------------------------------------------------------------------


def _rows(constants, anchors=True):
    return [[code(c["name"], anchors), code(c["value"]), coded(c["doc"])] for c in constants]


def constants(abi):
    groups = {name: [] for name, _ in GROUPS}
    other = []
    for item in abi["constants"]:
        kind = item["name"].split("_")[1]
        if kind in groups:
            groups[kind].append(item)
        elif kind not in ELSEWHERE:
            other.append(item)
    out = []
    for kind, title in (*GROUPS, ("", "Others")):
        rows = groups.get(kind, other)
        if rows:
            out.append(heading(title, "group-") + table(["constant", "value", "meaning"], _rows(rows)))
    return "".join(out)


def codes(abi):
    found = [c for c in abi["constants"] if c["name"].startswith(("MAILCORE_E_", "MAILCORE_OK"))]
    return table(["code", "value", "meaning"], _rows(found))


def hooks(abi):
    found = [c for c in abi["constants"] if c["name"].startswith("MAILCORE_HOOK_")]
    return table(["hook", "bit", "when, and what an answer does"], _rows(found))


def events(abi):
    out = []
    for item in abi["events"]:
        out.append(f'<h2 id="event-{slug(item["name"])}">{e(item["name"])}</h2>\n<p>{coded(item["doc"])}</p>\n')
        said = [f"{code(name)}: {coded(item[name])}" for name in ("subject", "code", "count") if item[name]]
        out.append(f'<p class="note">{code(item["constant"], True)}{"; " if said else ""}{"; ".join(said)}</p>\n')
        own = [f for f in item["fields"] if f["name"] not in IN_ALL]
        rows = [[code(f["name"]), coded(f["doc"].replace("(*optional*)", "").replace("*optional*", "")),
                 "where it applies" if f["optional"] else "always"] for f in own]
        out.append(table(["field", "what it says", "there"], rows) if rows else "")
    return "".join(out)
