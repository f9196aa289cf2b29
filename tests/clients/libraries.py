"""IMAP libraries of Python that are not its own, each driven through a day's work: `libraries.py NAME PORT USER PASSWORD`.

Run by tests/clients/run with the interpreter of a virtual environment that has them.
"""

import asyncio
import datetime
import ssl
import sys

MAIL = b"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" \
       b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: image/png; name=x.png\r\n" \
       b"Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n"


def context():
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    return trusting


def imapclient(port, user, password):
    import imapclient

    def connect():
        client = imapclient.IMAPClient("127.0.0.1", port=port, ssl_context=context(), timeout=30)
        client.login(user, password)
        return client

    with connect() as client:
        assert client.has_capability("UIDPLUS") and client.namespace().personal == (("", "/"),)
        client.id_({"name": "test"})
        uses = {flag for flags, _, _ in client.list_folders() for flag in flags}
        assert {b"\\Sent", b"\\Trash", b"\\Drafts", b"\\Junk"} <= uses, uses
        assert client.find_special_folder(b"\\Sent") == "Sent"
        for name in ("Entwürfe/台北", "A & B"):
            client.create_folder(name)
            assert client.folder_exists(name)
        client.rename_folder("A & B", "C & D")
        client.subscribe_folder("C & D")
        assert "C & D" in [name for _, _, name in client.list_sub_folders()]
        client.select_folder("Entwürfe/台北")
        when = datetime.datetime(2020, 2, 29, 23, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=5)))
        client.append("Entwürfe/台北", MAIL, flags=[imapclient.SEEN, "$Label"], msg_time=when)
        [uid] = client.search(["SUBJECT", "grüße"], "UTF-8")
        [one] = client.fetch([uid], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[]"]).values()
        assert one[b"ENVELOPE"].from_[0].mailbox == b"ann" and one[b"BODYSTRUCTURE"].is_multipart, one
        assert one[b"BODY[]"] == MAIL and one[b"RFC822.SIZE"] == len(MAIL), one
        assert one[b"INTERNALDATE"] == when.astimezone().replace(tzinfo=None), one
        assert set(one[b"FLAGS"]) == {imapclient.SEEN, b"\\Recent", b"$Label"}, one
        assert client.add_flags([uid], [imapclient.FLAGGED])[uid]
        assert imapclient.FLAGGED not in client.remove_flags([uid], [imapclient.FLAGGED])[uid]
        before = client.folder_status("Entwürfe/台北", ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"]
        client.add_flags([uid], [imapclient.ANSWERED])
        assert list(client.fetch([uid], ["FLAGS"], [f"CHANGEDSINCE {before}"])) == [uid]
        with connect() as other:
            other.select_folder("Entwürfe/台北")
            other.idle()
            client.append("Entwürfe/台北", MAIL)
            heard = []
            while (2, b"EXISTS") not in heard:
                heard += other.idle_check(timeout=20) or [None]
                assert None not in heard, "nothing heard"
            other.idle_done()
        client.copy([uid], "C & D")
        client.move([uid], "Trash")
        client.delete_messages(client.search("ALL"))
        client.expunge()
        assert client.folder_status("Entwürfe/台北", ["MESSAGES"])[b"MESSAGES"] == 0
        client.unselect_folder()
        for name in ("Entwürfe/台北", "Entwürfe", "C & D"):
            client.delete_folder(name)


def aioimaplib(port, user, password):
    import aioimaplib

    async def work():
        async def connect():
            client = aioimaplib.IMAP4_SSL("127.0.0.1", port=port, ssl_context=context(), timeout=30)
            await client.wait_hello_from_server()
            assert (await client.login(user, password)).result == "OK"
            assert (await client.select("Archive")).result == "OK"
            return client

        one, other = await connect(), await connect()
        assert one.has_capability("IDLE") and one.has_capability("MOVE")
        idle = await other.idle_start(timeout=30)
        assert (await one.append(MAIL, mailbox="Archive", flags="\\Flagged")).result == "OK"
        heard = []
        while b"1 EXISTS" not in heard:
            heard += await asyncio.wait_for(other.wait_server_push(), 20)
        other.idle_done()
        await asyncio.wait_for(idle, 20)
        found = await one.uid_search("FLAGGED FROM ann")
        assert found.result == "OK" and found.lines[0], found
        uid = found.lines[0].split()[-1].decode()
        fetched = await one.uid("fetch", uid, "(FLAGS BODY.PEEK[])")
        assert bytes(fetched.lines[1]) == MAIL, fetched
        assert (await one.uid("store", uid, "+FLAGS", "(\\Seen)")).result == "OK"
        assert (await one.uid("copy", uid, "Trash")).result == "OK"
        assert (await one.uid("store", uid, "+FLAGS.SILENT", "(\\Deleted)")).result == "OK"
        assert (await one.expunge()).result == "OK"
        assert (await other.noop()).result == "OK"
        assert (await one.close()).result == "OK"
        for client in (one, other):
            await client.logout()

    asyncio.run(work())


if __name__ == "__main__":
    {"imapclient": imapclient, "aioimaplib": aioimaplib}[sys.argv[1]](int(sys.argv[2]), sys.argv[3], sys.argv[4])
