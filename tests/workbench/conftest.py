"""An inbox for each test: the real program on free ports, and a client of its API that checks each answer."""

import json
import os
import re
import shutil
import smtplib
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import pytest


class Inbox:
    """`python -m mailcore dev` in a process of its own. `call` fails where an answer is not as openapi.json says."""

    used: "set[tuple[str, str]]" = set()
    """Routes that were called, over all tests."""

    def __init__(self, *more):
        command = [sys.executable, "-m", "mailcore", "dev", "--free-ports", "--json", *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        told = json.loads(self.process.stdout.readline())
        self.address, _, self.token = told["inbox"].partition("?token=")
        self.token = urllib.parse.unquote(self.token)
        self.smtp_port = int(told["smtp"].rsplit(":", 1)[1])
        self.imap_port = int(told["imap"].rsplit(":", 1)[1])
        self.described = json.loads(self.raw("GET", "/api/v1/openapi.json")[2])

    def close(self):
        self.process.terminate()
        assert self.process.wait(20) == 0

    def raw(self, method, path, body=None, **headers):
        """Status, header and octets of an answer."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.address.rstrip("/") + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.headers, e.read()

    def call(self, method, path, body=None, status=None):
        """Calls the API; the JSON, text or octets of the answer, which must be as it is described."""
        octets = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content_Type": "application/json"}
        got, fields, content = self.raw(method, "/api/v1" + path, octets, **headers)
        template = self._template(path.partition("?")[0], method)
        Inbox.used.add((method, template))
        operation = self.described["paths"][template][method.lower()]
        assert str(got) in operation["responses"], f"{method} {path}: {got} is not described: {content[:300]!r}"
        wanted = operation["responses"][str(got)].get("content", {})
        kind = fields.get("Content-Type", "")
        assert (kind in wanted) if wanted else not content, f"{method} {path}: {kind}"
        if status is None:
            assert got < 400, f"{method} {path}: {got} {content[:300]!r}"
        else:
            assert got == status, f"{method} {path}: {got} {content[:300]!r}"
        if kind != "application/json":
            return content
        found = json.loads(content)
        self.valid(found, wanted[kind]["schema"])
        return found

    def valid(self, value, schema):
        """Whether a value is as a schema of openapi.json says."""
        whole = {**schema, "components": self.described["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)

    def _template(self, path, method):
        for template, operations in self.described["paths"].items():
            parts = []
            for one in operations.get(method.lower(), {}).get("parameters", []):
                if one["in"] == "path":
                    words = one["schema"].get("enum")
                    parts.append((one["name"], "|".join(words) if words else "[^/]+"))
            pattern = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
            for name, words in parts:
                pattern = pattern.replace("{" + name + "}", f"(?:{words})")
            if method.lower() in operations and re.fullmatch(pattern, path):
                return template
        raise AssertionError(f"{method} {path} is not described")

    def send(self, source, sender="app@shop.test", to=("kim@else.test",)):
        """Hands a mail in by SMTP."""
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=30) as smtp:
            smtp.sendmail(sender, list(to), source)

    def wait(self, read, timeout=20.0):
        """What `read` gives, once that is something."""
        end = time.monotonic() + timeout
        while True:
            found = read()
            if found:
                return found
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)

    def mails(self, count=1):
        """The rows, once there are `count`."""
        return self.wait(lambda: (rows := self.call("GET", "/mails")["mails"]) and len(rows) >= count and rows)


@pytest.fixture
def inbox():
    inbox = Inbox()
    yield inbox
    inbox.close()


@pytest.fixture
def inbox_with():
    made = []

    def make(*more):
        made.append(Inbox(*more))
        return made[-1]

    yield make
    for inbox in made:
        inbox.close()


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", shutil.which("chromium")), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def letter(subject, text="Hello.", to="kim@else.test", html=None):
    """A mail's source."""
    head = (
        f"From: The Shop <app@shop.test>\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\n"
    )
    head += f"Message-ID: <{abs(hash((subject, text)))}@shop.test>\r\nMIME-Version: 1.0\r\n"
    kind = "plain" if html is None else "html"
    return f"{head}Content-Type: text/{kind}; charset=utf-8\r\n\r\n{html or text}\r\n"
