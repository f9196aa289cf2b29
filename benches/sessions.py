"""What idle IMAP sessions cost in memory: PSS and private memory of a serving process with 0, 50 and 1000 of them.

    MAILCORE_LIBRARY=target/release/libmailcore.so PYTHONPATH=bindings/python/src python3 benches/sessions.py

Each session is logged in and has INBOX selected. The server is a process of its own, so that only it is measured;
the Python in it is in the first line too: read the differences. Linux only (/proc/PID/smaps_rollup).
"""

import resource
import socket
import subprocess
import sys

COUNTS = (0, 50, 1000)

SERVER = """
import sys, tempfile, mailcore
quick = {"login.argon2_kib": 8, "login.argon2_passes": 1, "dns.host_only": True, "login.allow_plaintext": True}
room = {"sessions.per_listener_max": 2000, "sessions.per_peer_max": 2000}
with tempfile.TemporaryDirectory() as folder:
    with mailcore.Engine(folder, hostname="mx.example.org", settings={**quick, **room}) as engine:
        engine.put_account("alice@example.org", "wonderland")
        print(engine.listen("imap", "127.0.0.1", 0).port, flush=True)
        sys.stdin.read()
"""


def session(port):
    """A connection that is logged in and has INBOX open."""
    connection = socket.create_connection(("127.0.0.1", port))
    with connection.makefile("rb") as answers:
        answers.readline()
        for command in (b"a LOGIN alice@example.org wonderland", b"a SELECT INBOX"):
            connection.sendall(command + b"\r\n")
            while not (line := answers.readline()).startswith(b"a "):
                assert line, "the server closed"
            assert line.startswith(b"a OK"), line
    return connection


def memory(pid):
    """PSS and private dirty memory, in KiB."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        fields = dict(line.split(":", 1) for line in rollup if ":" in line and "-" not in line.split(":", 1)[0])
    return tuple(int(fields[name].split()[0]) for name in ("Pss", "Private_Dirty"))


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    with subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        port = int(server.stdout.readline())
        sessions = []
        for count in COUNTS:
            sessions.extend(session(port) for _ in range(count - len(sessions)))
            pss, private = memory(server.pid)
            print(f"{count:5} sessions: PSS {pss / 1024:.1f} MiB, of its own {private / 1024:.1f} MiB")
        for connection in sessions:
            connection.close()
        server.stdin.close()


if __name__ == "__main__":
    main()
