"""The ports of `mailcore dev`, apart from the rest so that the command line knows them without loading it."""

#: The services that are opened, with the ports they have unless told otherwise.
PORTS = {"smtp": 2525, "submission": 2587, "imap": 2143, "pop3": 2110}
#: The inbox's.
HTTP_PORT = 8025
