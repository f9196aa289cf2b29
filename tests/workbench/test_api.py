"""Each route of the API as openapi.json describes it, and who is let in."""

import http.client
import json
import smtplib
import socket
import ssl
import threading

import pytest
from conftest import Inbox, letter

from mailcore.dev.web import Api, openapi
from mailcore.testing import MailServer


def test_every_route_is_described():
    described = {(method.upper(), path) for path, of in openapi()["paths"].items() for method in of}
    routes = {(next(iter(r.methods - {"HEAD"})), r.path.removeprefix("/api/v1")) for r in Api(None, None).routes()}
    assert described == routes


def test_mails(inbox):
    assert inbox.call("GET", "/mails")["total"] == 0
    source = letter(
        "Your code", html='<p>code 482910</p><a href="https://shop.test/a">a</a><img src="https://t.test/p.png">'
    )
    inbox.send(source, to=("kim@else.test", "bo@else.test"))
    (row,) = inbox.mails()
    assert row["subject"] == "Your code" and row["recipients"] == ["kim@else.test", "bo@else.test"]
    assert row["codes"] == ["482910"] and not row["seen"]
    mail = inbox.call("GET", f"/mails/{row['id']}")
    assert mail["links"] == ["https://shop.test/a"] and mail["remote_pictures"] == 1
    assert {one["address"] for one in mail["filings"]} == {"kim@else.test", "bo@else.test"}
    assert any("no plain text" in text for text in mail["advice"])
    inbox.call("PUT", f"/mails/{row['id']}/seen", {"seen": True})
    assert inbox.call("GET", "/mails")["unseen"] == 0
    assert b"code 482910" in inbox.call("GET", f"/mails/{row['id']}/text")
    assert b"Received:" in inbox.call("GET", f"/mails/{row['id']}/source")
    assert inbox.call("GET", f"/mails/{row['id']}/eml") == source.encode()
    assert b"482910" in inbox.call("GET", f"/mails/{row['id']}/parts/0")
    assert inbox.call("GET", "/mails.mbox").startswith(b"From app@shop.test ")
    assert b"https://t.test" not in inbox.call("GET", f"/mails/{row['id']}/html")
    assert b"https://t.test" in inbox.call("GET", f"/mails/{row['id']}/html?pictures=1")
    for path in ("/mails/999", "/mails/x", "/mails/999/road", f"/mails/{row['id']}/parts/7"):
        inbox.call("GET", path, status=404)
    inbox.call("GET", "/mails?offset=x", status=400)
    inbox.call("DELETE", f"/mails/{row['id']}")
    assert inbox.call("GET", "/mails")["total"] == 0
    inbox.call("POST", "/mails", {"source": letter("by hand"), "to": ["kim@else.test"]})
    assert inbox.mails()[0]["subject"] == "by hand"
    inbox.call("POST", "/mails", {"source": "x", "to": []}, status=400)
    inbox.call("POST", "/mails", {"source": "x", "to": ["a@b.test"], "more": 1}, status=400)
    inbox.call("DELETE", "/mails")
    assert inbox.call("GET", "/status")["mails"] == 0


def test_search(inbox):
    for n in range(5):
        inbox.send(letter(f"Invoice {n}", f"number{n} of the text"), to=(f"u{n}@else.test",))
    inbox.mails(5)

    def find(query):
        return [row["subject"] for row in inbox.call("GET", "/mails?q=" + query)["mails"]]

    assert (
        find("number3") == ["Invoice 3"]
        and find("to:u1") == ["Invoice 1"]
        and find("subject:invoice+to:u2") == ["Invoice 2"]
    )
    assert len(find("from:app@shop")) == 5 and find("is:queued") == [] and len(find("is:unread")) == 5
    page = inbox.call("GET", "/mails?offset=1&limit=2")
    assert [row["subject"] for row in page["mails"]] == ["Invoice 3", "Invoice 2"] and page["total"] == 5


def test_road_through_the_queue(inbox):
    inbox.call("POST", "/dns", {"name": "shop.test", "type": "TXT", "data": "v=spf1 ip4:127.0.0.1 -all"})
    assert len(inbox.call("GET", "/dns")["records"]) == 1
    inbox.call(
        "POST",
        "/trouble",
        {"stage": "deliver", "code": 451, "text": "greylisted", "address": "*@else.test", "times": 1},
    )
    assert inbox.call("GET", "/trouble")["rules"][0]["code"] == 451
    inbox.send(letter("Slow"))
    (row,) = inbox.mails()
    entry = inbox.wait(lambda: [e for e in inbox.call("GET", "/queue")["entries"] if e["attempts"]])[0]
    assert entry["mail"] == row["id"] and entry["reply"] == "greylisted" and entry["due_ms"]
    assert inbox.call("GET", f"/queue/{entry['id']}")["queued"] is True
    steps = inbox.wait(lambda: [s for s in inbox.call("GET", f"/mails/{row['id']}/road")["steps"]] or None)
    spf = [v for s in steps for v in s.get("verdicts", []) if v["method"] == "spf"][0]
    assert spf["result"] == "pass" and spf["asked"] == ["shop.test TXT"]
    assert [s["kind"] for s in steps][:3] == ["connect", "envelope", "checks"] and steps[-1]["kind"] == "next"
    inbox.call("POST", f"/queue/{entry['id']}/hold")
    assert inbox.call("GET", f"/mails/{row['id']}/road")["steps"][-1]["kind"] == "held"
    inbox.call("POST", "/queue/release")
    inbox.call("POST", "/clock", {"advance": "1 d"})
    inbox.wait(lambda: not inbox.call("GET", "/queue")["entries"])
    road = inbox.wait(
        lambda: (
            [s for s in inbox.call("GET", f"/mails/{row['id']}/road")["steps"] if s["kind"] in ("attempt", "filed")][2:]
            and inbox.call("GET", f"/mails/{row['id']}/road")["steps"]
        )
    )
    attempts = [s for s in road if s["kind"] == "attempt"]
    assert [s["state"] for s in attempts] == ["wait", "ok"] and "greylisted" in attempts[0]["facts"][0]
    for wrong in ({"advance": "soon"}, {"advance": "0 s"}, {}):
        inbox.call("POST", "/clock", wrong, status=400)
    inbox.call("POST", "/queue/1/frobnicate".replace("frobnicate", "retry"), status=404)
    inbox.call("DELETE", "/trouble")
    inbox.call("DELETE", "/dns")
    inbox.call("POST", "/trouble", {"stage": "lunch"}, status=400)


def test_given_up_at_once(inbox):
    inbox.call("POST", "/trouble", {"stage": "deliver", "code": 550, "text": "gone", "address": "gone@*"})
    inbox.send(letter("Lost"), to=("gone@else.test",))
    rows = inbox.mails(2)
    assert {row["subject"] for row in rows} == {"Lost", "Undelivered mail returned to sender"}
    lost = next(row for row in rows if row["subject"] == "Lost")
    inbox.wait(lambda: inbox.call("GET", f"/mails/{lost['id']}")["state"] == "failed")
    steps = inbox.call("GET", f"/mails/{lost['id']}/road")["steps"]
    assert "checks" in [step["kind"] for step in steps]
    assert steps[-1]["kind"] == "outcome" and any("550" in fact for s in steps for fact in s["facts"])


def test_release(inbox):
    inbox.send(letter("Out"))
    (row,) = inbox.mails()
    with MailServer() as real:
        told = inbox.call(
            "POST", f"/mails/{row['id']}/release", {"host": f"127.0.0.1:{real.port}", "to": ["me@real.test"]}
        )
        assert told["queue"] == "r1-1"
        assert real.wait_for(to="me@real.test").subject == "Out"
        inbox.wait(lambda: inbox.call("GET", f"/mails/{row['id']}")["state"] == "released")
    steps = inbox.call("GET", f"/mails/{row['id']}/road")["steps"]
    (attempt,) = [s for s in steps if s["kind"] == "attempt"]
    assert attempt["state"] == "ok" and "250" in attempt["facts"][0] and attempt["lines"]
    inbox.call("POST", f"/mails/{row['id']}/release", {"host": "no host at all:x"}, status=400)


def test_links(inbox):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def serve():
            peer, _ = listening.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        inbox.send(letter("Links", f"http://127.0.0.1:{port}/a"))
        (row,) = inbox.mails()
        (link,) = inbox.call("POST", f"/mails/{row['id']}/links")["links"]
        thread.join()
    assert link["status"] == 404 and not link["ok"]


def test_certificate(inbox):
    pem = inbox.call("GET", "/certificate").decode("ascii")
    trusting = ssl.create_default_context(cadata=pem)
    with smtplib.SMTP("127.0.0.1", inbox.smtp_port, timeout=30) as smtp:
        smtp._host = "mail.test"  # the name in the certificate
        smtp.starttls(context=trusting)
        smtp.sendmail("a@shop.test", ["kim@else.test"], letter("By TLS"))
    (row,) = inbox.mails()
    facts = inbox.call("GET", f"/mails/{row['id']}/road")["steps"][0]["facts"]
    assert any("encrypted with TLS" in fact for fact in facts)


def test_live_events(inbox):
    connection = http.client.HTTPConnection(inbox.address.split("/")[2], timeout=20)
    connection.request("GET", "/api/v1/events")
    answer = connection.getresponse()
    Inbox.used.add(("GET", "/events"))
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.readline() == b"retry: 1000\n"
    inbox.send(letter("Live"))
    line = answer.readline()
    while not line.startswith(b"data: "):
        line = answer.readline()
    change = json.loads(line[6:])
    assert change["kind"] == "mail" and change["new"] and change["row"]["subject"] == "Live"
    connection.close()


def test_kept_store(inbox_with, tmp_path):
    first = inbox_with("--store", str(tmp_path / "store"))
    first.send(letter("Kept"), to=("kim@else.test", "bo@else.test"))
    first.mails()
    first.process.terminate()
    assert first.process.wait(20) == 0
    again = inbox_with("--store", str(tmp_path / "store"))
    (row,) = again.mails()
    assert row["subject"] == "Kept" and row["recipients"] == ["kim@else.test", "bo@else.test"]


def test_oldest_mails_give_way(inbox_with):
    inbox = inbox_with("--keep", "3")
    for n in range(5):
        inbox.send(letter(f"n{n}"))
    inbox.wait(lambda: [row["subject"] for row in inbox.call("GET", "/mails")["mails"]] == ["n4", "n3", "n2"])


# -- who is let in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.evil.example"]
)
def test_foreign_host(inbox, host):
    for path in ("/", "/api/v1/mails", "/static/app.js"):
        assert inbox.raw("GET", path, Host=host)[0] == 421
    assert inbox.raw("GET", "/", Host="localhost:1")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_foreign_page(inbox, headers):
    inbox.send(letter("Mine"))
    inbox.mails()
    for method, path, body in (
        ("DELETE", "/mails", None),
        ("POST", "/queue/drop", None),
        ("POST", "/clock", b'{"advance":"1 d"}'),
    ):
        assert inbox.raw(method, "/api/v1" + path, body, Content_Type="application/json", **headers)[0] == 403
    assert inbox.call("GET", "/mails")["total"] == 1


def test_form_and_long_body(inbox):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert inbox.raw("POST", "/api/v1/clock", b'{"advance":"1 d"}', Content_Type=kind)[0] == 415
    connection = http.client.HTTPConnection(inbox.address.split("/")[2], timeout=20)
    connection.putrequest("POST", "/api/v1/mails")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str((1 << 20) + 1))
    connection.endheaders()  # the answer does not wait for the body
    assert connection.getresponse().status == 413
    connection.close()
    assert inbox.raw("POST", "/api/v1/clock", b"[1]", Content_Type="application/json")[0] == 400
    assert inbox.raw("POST", "/api/v1/clock", b"{", Content_Type="application/json")[0] == 400


@pytest.mark.parametrize(
    "path, body",
    [
        ("/clock", '{"advance": "' + "9" * 400 + ' d"}'),
        ("/clock", '{"advance": "1.1.1 d"}'),
        ("/clock", "[" * 100_000),
        ("/clock", '{"advance": NaN}'),
        ("/trouble", '{"stage": "rcpt", "wait": Infinity}'),
        ("/trouble", '{"stage": "rcpt", "wait": NaN}'),
        ("/trouble", '{"stage": "rcpt", "code": 99999999999999999999}'),
        ("/trouble", '{"stage": "rcpt", "times": -1}'),
        ("/trouble", '{"stage": "rcpt", "code": true}'),
        ("/trouble", '{"stage": "rcpt", "text": "a\\u0000b"}'),
        ("/dns", '{"name": "x"}'),
        ("/mails", '{"source": "x", "to": [1]}'),
        ("/mails", '{"source": "\\ud800", "to": ["a@b.test"]}'),
        ("/clock", b"\xff\xfe"),
    ],
)
def test_nonsense_is_400(inbox, path, body):
    octets = body if isinstance(body, bytes) else body.encode()
    status, _, content = inbox.raw("POST", "/api/v1" + path, octets, Content_Type="application/json")
    assert status == 400, content
    assert "error" in json.loads(content)


def test_body_of_unknown_length_ends_where_it_is_too_long(inbox):
    connection = http.client.HTTPConnection(inbox.address.split("/")[2], timeout=20)
    piece = b"x" * 65_536
    connection.request(
        "POST", "/api/v1/mails", (piece for _ in range(40)), {"Content-Type": "application/json"}, encode_chunked=True
    )
    assert connection.getresponse().status == 413
    connection.close()


def test_mail_that_no_parser_takes(inbox):
    deep = "Subject: Deep\r\nMIME-Version: 1.0\r\n"
    for n in range(1500):
        deep += f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"
    strange = "Subject: =?x-unknown?Q?=ff?= \x01\r\nFrom: <<>>,,,;\r\nDate: never\r\nContent-Type: ;;;/==\r\n"
    strange += (
        "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename*=utf-9''%ff\r\n\r\n!!!\r\n"
    )
    for source in (deep, strange, "no header at all", "", "\r\n\r\n"):
        inbox.send(source)
    inbox.send(letter("After"))
    rows = inbox.mails(6)
    assert rows[0]["subject"] == "After" and rows[5]["subject"] == "Deep"
    for row in rows:
        for part in ("", "/html", "/text", "/source", "/eml", "/road"):
            inbox.call("GET", f"/mails/{row['id']}{part}")
    assert inbox.call("GET", f"/mails/{rows[5]['id']}/eml") == deep.rstrip("\r\n").encode() + b"\r\n"


def test_token(inbox_with):
    inbox = inbox_with("--bind", "0.0.0.0")
    assert len(inbox.token) >= 32, "an address that others reach has a token of its own"
    inbox.address = inbox.address.replace("0.0.0.0", "127.0.0.1")
    assert inbox.call("GET", "/status")
    for given in ("", "Bearer wrong", "Basic " + inbox.token):
        for path in ("/", "/api/v1/mails", "/static/app.js"):
            assert inbox.raw("GET", path, Authorization=given)[0] == 401
    plain = http.client.HTTPConnection(inbox.address.split("/")[2], timeout=20)
    plain.request("GET", f"/?token={inbox.token}")
    answer = plain.getresponse()
    answer.read()
    assert answer.status == 303 and answer.headers["Location"] == "/"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    plain.request("GET", "/api/v1/mails", headers={"Cookie": cookie.partition(";")[0]})
    assert plain.getresponse().status == 200
    plain.close()


def test_header_fields(inbox):
    fields = inbox.raw("GET", "/")[1]
    assert fields["X-Content-Type-Options"] == "nosniff" and fields["Referrer-Policy"] == "no-referrer"
    assert (
        "script-src 'self'" in fields["Content-Security-Policy"] and "unsafe" not in fields["Content-Security-Policy"]
    )
    inbox.send(letter("H", html="<p>h</p>"))
    (row,) = inbox.mails()
    fields = inbox.raw("GET", f"/api/v1/mails/{row['id']}/html")[1]
    assert fields.get_all("Content-Security-Policy") == [fields["Content-Security-Policy"]]
    assert "default-src 'none'" in fields["Content-Security-Policy"] and "sandbox" in fields["Content-Security-Policy"]
    part = inbox.raw("GET", f"/api/v1/mails/{row['id']}/parts/0")[1]
    assert part["Content-Disposition"].startswith("attachment") and part["Content-Type"] == "application/octet-stream"


def test_refused_is_told(inbox):
    inbox.call("POST", "/trouble", {"stage": "rcpt", "code": 451, "text": "later", "times": 1})
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        inbox.send(letter("No"))
    inbox.send(letter("Yes"))
    assert inbox.mails()[0]["subject"] == "Yes"


def test_every_route_was_called():
    """The last test of this file: the others leave no route out."""
    described = {(method.upper(), path) for path, of in openapi()["paths"].items() for method in of}
    assert described - Inbox.used == {("GET", "/openapi.json")}
