"""The first mail of a program that uses the installed package: filed for Bob, and read again."""

import sys
from email.message import EmailMessage

import mailcore

message = EmailMessage()
message["From"], message["To"], message["Subject"] = "alice@example.com", "bob@example.org", "hello"
message.set_content("Hello Bob.\n")

settings = {"dns.host_only": True, "login.argon2_kib": 8}
with mailcore.Engine(sys.argv[1], hostname="mx.example.org", settings=settings) as engine:
    bob = engine.put_account("bob@example.org", "builder")
    engine.submit(message)
    assert [mail.subject for mail in bob["INBOX"]] == ["hello"]
print("Bob has the mail")
