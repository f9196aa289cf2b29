"""The page in Chromium: a walk from end to end, hostile HTML, its accessibility tree, 10 000 mails.

With WORKBENCH_PICTURES=folder the walk leaves pictures there, to be looked at.
"""

import http.server
import os
import pathlib
import smtplib
import tempfile
import threading
import time

import pytest
from conftest import letter

import mailcore
from mailcore.testing import _QUICK

PICTURES = os.environ.get("WORKBENCH_PICTURES")


@pytest.fixture
def page(browser, inbox):
    context = browser.new_context(viewport={"width": 1360, "height": 820}, accept_downloads=True)
    page = context.new_page()
    page.complaints = []
    page.foreign = []
    page.on("console", lambda said: page.complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    # Answers, not requests: those that the policy stops are told as requests, too.
    page.on(
        "response", lambda got: None if got.url.startswith((inbox.address, "data:")) else page.foreign.append(got.url)
    )
    page.goto(inbox.address)
    page.wait_for_selector("body[data-ready]")
    page.wait_for_selector(".live.on")
    yield page
    context.close()


def picture(page, name):
    if PICTURES:
        pathlib.Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{PICTURES}/{name}.png")


def test_walk(page, inbox, tmp_path):
    assert "Point your program here" in page.inner_text("main")
    picture(page, "empty")
    page.click("nav a[data-page=trouble]")
    page.click("text=Put off next delivery")
    page.wait_for_selector("ol >> text=at deliver")
    picture(page, "trouble")
    inbox.send(letter("Your code is 482910", html="<h2>Hello Kim</h2><p>Your code is 482910.</p>"))
    row = page.wait_for_selector(".row")  # by server-sent events: nothing was loaded anew
    row.click()
    frame = page.frame_locator("iframe")
    frame.locator("text=Your code is 482910.").wait_for()
    page.wait_for_selector("#tab-html[aria-selected=true]")
    picture(page, "html")
    for key, tab in (("2", "text"), ("3", "source"), ("4", "headers"), ("5", "parts"), ("6", "links"), ("7", "road")):
        page.keyboard.press(key) if tab != "text" else page.click("#tab-text")
        page.wait_for_selector(f"#tab-{tab}[aria-selected=true]")
        page.wait_for_function("() => document.getElementById('panel').textContent.length > 10")
        picture(page, tab)
    page.wait_for_selector("[data-kind=next]")
    attempts = page.locator("[data-kind=attempt]")
    assert attempts.count() == 1 and "451" in attempts.first.inner_text()
    for word in ("connects to SMTP", "MAIL FROM", "SPF", "DMARC", "250 2.0.0 Ok: queued as 1"):
        assert word.lower() in page.inner_text(".road").lower()
    page.click("nav a[data-page=queue]")
    page.wait_for_selector("td >> text=Try again later")
    picture(page, "queue")
    page.click("[data-advance='1 d']")
    page.wait_for_selector("text=Nothing waits.")
    assert "moved" in page.get_attribute("#clock", "class")
    page.click(".row")
    page.click("#tab-road")
    page.wait_for_selector("[data-kind=attempt][data-state=ok]")
    assert [page.locator("[data-kind=attempt]").nth(n).get_attribute("data-state") for n in (0, 1)] == ["wait", "ok"]
    picture(page, "road-retried")
    with page.expect_download() as download:
        page.click("text=Download")
    download.value.save_as(tmp_path / "mail.eml")
    assert b"Subject: Your code is 482910" in (tmp_path / "mail.eml").read_bytes()
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(tmp_path / "all.mbox")
    assert (tmp_path / "all.mbox").read_bytes().startswith(b"From app@shop.test ")
    page.click("#theme")
    picture(page, "dark")
    page.click("#delete")
    page.wait_for_selector(".row", state="detached")
    assert inbox.call("GET", "/mails")["total"] == 0
    assert not page.complaints and not page.foreign


def test_scripted_451_is_seen_by_the_client(page, inbox):
    page.click("nav a[data-page=trouble]")
    page.click("text=Next RCPT: 451")
    page.wait_for_selector("ol >> text=at rcpt")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        inbox.send(letter("Refused"))
    assert refused.value.recipients["kim@else.test"][0] == 451
    page.wait_for_selector(".toast >> text=451")
    inbox.send(letter("Then taken"))
    page.wait_for_selector(".row >> text=Then taken")


class Trap(http.server.BaseHTTPRequestHandler):
    """Notes who asks: nobody may."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


HOSTILE = """
<html><head><base href="{trap}/base/"><link rel="stylesheet" href="{trap}/css"><meta http-equiv="refresh" content="0;url={trap}/refresh">
<style>@import url("{trap}/import"); body {{ background: url("{trap}/background") }} @font-face {{ font-family: x; src: url("{trap}/font") }}
h1 {{ font-family: x }}</style><script>parent.document.title = "owned"; fetch("{trap}/script")</script></head>
<body onload="parent.document.title='owned'" background="{trap}/body"><h1 style="background:url({trap}/style)">Hostile</h1>
<img src="{trap}/img"><img src=x onerror="top.document.title='owned'"><img srcset="{trap}/srcset 1x"><picture><source srcset="{trap}/source"></picture>
<svg onload="top.document.title='owned'"><script>top.document.title='owned'</script><image href="{trap}/svg"/><use href="{trap}/use#x"/></svg>
<iframe src="{trap}/iframe"></iframe><iframe srcdoc="<script>top.document.title='owned'</script>"></iframe>
<object data="{trap}/object"></object><embed src="{trap}/embed"><video src="{trap}/video" poster="{trap}/poster" autoplay></video>
<audio src="{trap}/audio" autoplay></audio><form action="{trap}/form"><input autofocus onfocus="top.document.title='owned'"><button>go</button></form>
<a href="javascript:top.document.title='owned'" id="js">js</a><a href="data:text/html,<script>top.document.title='owned'</script>">data</a>
<a href="{trap}/link" ping="{trap}/ping">link</a><table background="{trap}/table"><tr><td background="{trap}/td">cell</td></tr></table>
<noscript><p title="</noscript><img src=x onerror=top.document.title='owned'>"></noscript><textarea></textarea><script src="{trap}/src"></script>
<template><img src="{trap}/template"></template><p>The end.</p>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=top.document.title='owned'&gt;">
"""


def test_hostile_html_is_inert(page, inbox):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Trap) as trap:
        trap.asked = []
        threading.Thread(target=trap.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{trap.server_address[1]}"
        subject = "<img src=x onerror=document.title='owned'>"
        inbox.send(letter(subject, html=HOSTILE.format(trap=address)), to=('"<b>x"@else.test', "kim@else.test"))
        page.click(".row")
        frame = page.frame_locator("iframe")
        frame.locator("text=The end.").wait_for()
        (inner,) = [one for one in page.frames if "/html" in one.url]
        markup = inner.content()
        for word in (
            "<script",
            "onerror",
            "onload",
            "onfocus",
            "<iframe",
            "<form",
            "<object",
            "<embed",
            "<svg",
            "javascript:",
            "<meta http",
        ):
            assert word not in markup.replace("&lt;", "_"), word
        for tab in ("text", "source", "headers", "parts", "links", "road"):
            page.click(f"#tab-{tab}")
            page.wait_for_function("() => document.getElementById('panel').textContent.length > 10")
            assert page.locator("#panel script, #panel img[src=x]").count() == 0
        assert page.title() == "mailcore dev" and page.inner_text("h1") == subject
        assert trap.asked == [] and page.foreign == []
        page.click("#tab-html")
        page.click("text=Load pictures")
        page.wait_for_selector("iframe[src$='pictures=1']")
        page.frame_locator("iframe").locator("text=The end.").wait_for()
        end = time.monotonic() + 20
        while "/img" not in trap.asked:
            assert time.monotonic() < end
            page.wait_for_timeout(20)
        # Pictures were asked for, and no more than pictures.
        pictures = {"/img", "/background", "/style"}
        assert set(trap.asked) <= pictures and page.title() == "mailcore dev"
        trap.shutdown()


def test_the_cleaner_alone_and_the_policy_alone(page, inbox, browser):
    """Scripts run neither where the page is opened by itself, without the frame, nor by a mail program's own parts."""
    inbox.send(
        letter("Alone", html="<p id=p>start</p><script>document.getElementById('p').textContent='owned'</script>")
    )
    (row,) = inbox.mails()
    page.goto(f"{inbox.address}api/v1/mails/{row['id']}/html")
    assert page.inner_text("#p") == "start"
    assert page.evaluate("() => window.origin") == "null"


def test_keyboard_and_names(page, inbox):
    for n in range(3):
        inbox.send(letter(f"Mail {n}"))
    page.wait_for_function("() => document.querySelectorAll('.row').length === 3")
    page.keyboard.press("j")
    page.wait_for_selector("h1 >> text=Mail 2")
    page.keyboard.press("j")
    page.wait_for_selector("h1 >> text=Mail 1")
    page.keyboard.press("k")
    page.wait_for_selector("h1 >> text=Mail 2")
    page.keyboard.press("/")
    page.keyboard.type("subject:0")
    page.wait_for_function("() => document.querySelectorAll('.row').length === 1")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "list"
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    picture(page, "keys")
    page.keyboard.press("Escape")
    for where in ("", "#/queue", "#/trouble", "#/names", "#/connect", "#/mail/1/road", "#/mail/1/parts"):
        page.goto(inbox.address + where)
        page.wait_for_function("() => document.getElementById('detail').textContent.length > 5")
        nameless = page.evaluate("""() => [...document.querySelectorAll('button, a[href], input, select, [role=tab], [role=option], iframe, img, dialog')]
            .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.title || one.labels?.length || one.hasAttribute('alt')))
            .map((one) => one.outerHTML)""")
        assert nameless == [], where
    tree = page.locator("body").aria_snapshot()
    for name in (
        'listbox "Mails, newest first"',
        'tablist "Ways to look at the mail"',
        'searchbox "Search mails"',
        'navigation "Pages"',
    ):
        assert name in tree, tree


def test_what_is_read_stays_where_it_is(page, inbox):
    with smtplib.SMTP("127.0.0.1", inbox.smtp_port) as smtp:
        for n in range(40):
            smtp.sendmail("a@shop.test", ["kim@else.test"], letter(f"Mail {n}"))
        page.wait_for_selector("#total >> text=40 mails")
        place = page.evaluate(
            """() => { const list = document.getElementById('list'); list.scrollTop = 740; return list.scrollTop; }"""
        )
        page.wait_for_function(
            "() => [...document.querySelectorAll('.row')].some((row) => row.textContent.includes('Mail 29'))"
        )
        at = "() => [...document.querySelectorAll('.row')].find((row) => row.textContent.includes('Mail 25')).getBoundingClientRect().top"
        before = page.evaluate(at)
        smtp.sendmail("a@shop.test", ["kim@else.test"], letter("Newer"))
        page.wait_for_selector("#total >> text=41 mails")
        page.wait_for_function("() => document.getElementById('list').scrollTop > " + str(place))
        assert abs(page.evaluate(at) - before) < 1


def test_ten_thousand_mails_stay_smooth(browser, inbox_with):
    count = 10_000
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        with mailcore.Engine(folder, settings=_QUICK) as engine:
            kim = engine.put_account("kim@else.test", None)
            with kim["INBOX"] as mailbox:
                for n in range(count):
                    mailbox.append(letter(f"Mail {n}", "Some text of a mail.\r\n" * 10).encode())
            kim.close()
        began = time.monotonic()
        inbox = inbox_with("--store", folder)
        started = time.monotonic() - began
        assert inbox.call("GET", "/status")["mails"] == count
        began = time.monotonic()
        assert inbox.call("GET", "/mails?q=subject:4711")["total"] == 1
        searched = (time.monotonic() - began) * 1000
        scroll(
            browser.new_page(viewport={"width": 1360, "height": 820}),
            inbox,
            f"start {started:.1f} s, search {searched:.0f} ms",
        )


def scroll(page, inbox, measured):
    page.goto(inbox.address)
    page.wait_for_selector(".row")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    rows = page.evaluate("performance.now()")
    frames = page.evaluate("""async () => {
        const list = document.getElementById('list'); const times = []; let last = performance.now();
        for (let n = 0; n < 120; n++) {
            list.scrollTop += n % 20 === 0 ? 40000 : 300;
            await new Promise(requestAnimationFrame);
            const now = performance.now(); times.push(now - last); last = now;
        }
        return times.sort((a, b) => a - b);
    }""")
    page.wait_for_function("() => document.querySelectorAll('.row').length > 5")
    rows_in_page = page.locator(".row").count()
    print(
        f"10 000 mails: {measured}; first paint {paint:.0f} ms, rows {rows:.0f} ms; frames: median "
        f"{frames[60]:.1f} ms, 95% {frames[114]:.1f} ms, worst {frames[-1]:.1f} ms; {rows_in_page} rows are elements"
    )
    assert rows_in_page < 60 and frames[60] < 50


def test_page_with_a_token(browser, inbox_with):
    inbox = inbox_with("--token", "a token of eight words or so")
    context = browser.new_context()
    page = context.new_page()
    assert page.goto(inbox.address).status == 401
    page.goto(f"{inbox.address}?token=a%20token%20of%20eight%20words%20or%20so")
    page.wait_for_selector(".live.on")
    assert "token" not in page.url
    inbox.send(letter("Behind a token", html="<p>seen</p>"))
    page.click(".row")
    page.frame_locator("iframe").locator("text=seen").wait_for()
    page.click("[data-advance='1 h']")
    page.wait_for_selector("#clock.moved")
    context.close()
