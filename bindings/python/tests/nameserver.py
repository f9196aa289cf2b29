"""A DNS server of a few lines, UDP and TCP on one port of loopback, for tests that want real packets."""

import socket
import socketserver
import struct
import threading

TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
# Octets of an answer over UDP; longer ones are cut, and asked for again over TCP.
UDP_OCTETS = 512


class NameServer:
    """Serves `zone`: by name in lower case, a list of (type, data); a type "TIMEOUT" leaves other questions for that
    name without answer, "SERVFAIL" fails them.

    Data: text for A, AAAA, PTR and CNAME, (preference, name) for MX, octets or a list of them for TXT.
    """

    def __init__(self, zone, family=socket.AF_INET, udp_octets=UDP_OCTETS):
        self.zone = {name.lower().rstrip("."): entries for name, entries in zone.items()}
        self.asked = []
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        server = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self):
                octets, sock = self.request
                answer = server.answer(octets, udp_octets)
                if answer:
                    sock.sendto(answer, self.client_address)

        class Connection(socketserver.StreamRequestHandler):
            def handle(self):
                while len(head := self.rfile.read(2)) == 2:
                    answer = server.answer(self.rfile.read(struct.unpack(">H", head)[0]), 65535, "tcp")
                    if answer:
                        self.wfile.write(struct.pack(">H", len(answer)) + answer)

        class Udp(socketserver.ThreadingUDPServer):
            address_family = family

        class Tcp(socketserver.ThreadingTCPServer):
            address_family = family
            allow_reuse_address = True
            daemon_threads = True

        for _ in range(16):
            udp = Udp((host, 0), Datagram)
            try:
                tcp = Tcp(udp.server_address[:2], Connection)
                break
            except OSError:
                udp.server_close()
        self.servers = (udp, tcp)
        port = udp.server_address[1]
        self.at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.threads = [threading.Thread(target=s.serve_forever, args=(0.02,), daemon=True) for s in self.servers]
        for thread in self.threads:
            thread.start()

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
        for thread in self.threads:
            thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def answer(self, question, octets_max, over="udp"):
        """The answer to a question; None to keep silent."""
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]])
            at += 1 + question[at]
        kind = struct.unpack(">H", question[at + 1 : at + 3])[0]
        asked = question[12 : at + 5]
        name = b".".join(labels).decode("latin-1").lower()
        self.asked.append((name, kind, over))
        records, code = self.find(name, kind)
        if records is None:
            return None
        body = b"".join(wire(owner, of, data) for owner, of, data in records)
        flags = 0x8580 | code
        if 12 + len(asked) + len(body) > octets_max:
            flags, body, records = flags | 0x0200, b"", []
        return question[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + asked + body

    def find(self, name, kind):
        """Records (owner, type, data) and the response code; no records at all for silence."""
        found = []
        for _ in range(9):
            entries = self.zone.get(name)
            if entries is None:
                return found, 3 if not found else 0
            here = [(name, of, data) for of, data in entries if TYPES.get(of) == kind]
            if here:
                return found + here, 0
            if any(of == "TIMEOUT" for of, _ in entries):
                return None, 0
            if any(of == "SERVFAIL" for of, _ in entries):
                return [], 2
            alias = [(name, of, data) for of, data in entries if of == "CNAME"]
            if not alias:
                return found, 0
            found += alias
            name = alias[0][2].lower().rstrip(".")
        return [], 2


def dotted(name):
    """A name as it travels. Labels that do not fit are no records: the server leaves them out."""
    labels = [label.encode("latin-1") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([min(len(label), 63)]) + label[:63] for label in labels) + b"\0"


def wire(owner, of, data):
    """One record."""
    if of == "A":
        rdata = socket.inet_pton(socket.AF_INET, data)
    elif of == "AAAA":
        rdata = socket.inet_pton(socket.AF_INET6, data)
    elif of == "MX":
        rdata = struct.pack(">H", data[0]) + dotted(data[1])
    elif of == "TXT":
        strings = [data] if isinstance(data, bytes) else data or [b""]
        pieces = [string[i : i + 255] for string in strings for i in range(0, len(string) or 1, 255)]
        rdata = b"".join(bytes([len(piece)]) + piece for piece in pieces)
    else:
        rdata = dotted(data)
    return dotted(owner) + struct.pack(">HHIH", TYPES[of], 1, 60, len(rdata)) + rdata
