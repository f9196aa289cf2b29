#!/usr/bin/env python3
"""Queues one mail and waits for its outcome.

    MAILCORE_LIBRARY=target/release/libmailcore.so PYTHONPATH=bindings/python/src \\
        python3 examples/send.py FOLDER FROM TO [HOST:PORT]

HOST:PORT is a smart host; without it the mail goes to the MX of the recipient's domain.
"""

import sys
from email.message import EmailMessage

import mailcore


def main(arguments):
    if len(arguments) not in (3, 4):
        sys.exit("usage: send.py FOLDER FROM TO [HOST:PORT]")
    folder, sender, recipient = arguments[:3]
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, "Hello"
    message.set_content("Hello from libmailcore.\n")

    settings = {"outbound.smart_host": arguments[3]} if len(arguments) == 4 else {}
    with mailcore.Engine(folder, settings=settings) as engine:
        id = engine.submit(message)
        if id == 0:
            print("filed here")
            return 0
        print(f"queued as {id}")
        try:
            delivery = engine.wait(id, timeout=60)
        except mailcore.TimeoutError:
            print(f"still queued: {engine.delivery(id).reply}")
            return 1
        print(f"{delivery.state.name.lower()} after {delivery.attempts} attempts: {delivery.host} {delivery.reply}")
        return 0 if delivery.delivered else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
