#!/usr/bin/env python3
"""How fast others sign and verify with DKIM beside ours: mail-auth, libopendkim, dkimpy, and the bare arithmetic.

usage: benches/mailauth.py [ROUNDS]; all run by turns on the same messages of 4 KiB and 100 KiB, relaxed/relaxed, and of
three rounds the best time of each counts. Keys come from memory, not from DNS. Builds tests/oracle (ours, mail-auth and the
arithmetic, in one process) and benches/opendkim.c (Debian: libopendkim-dev), and makes an environment with dkimpy under
target/. What cannot be built is named and left out.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ["dkimpy==1.1.8", "pynacl"]
ROUND_SECONDS = 1.0
ROWS = ["mailcore", "mail-auth", "opendkim", "dkimpy", "arithmetic"]


def oracle():
    folder = ROOT / "tests/oracle"
    subprocess.run(["cargo", "build", "--quiet", "--release", "--manifest-path", folder / "Cargo.toml"], check=True)
    return [folder / "target/release/mailauth-oracle", "speed"]


def opendkim(folder):
    program = pathlib.Path(folder, "opendkim")
    subprocess.run(["cc", "-O2", "-o", program, ROOT / "benches/opendkim.c", "-lopendkim"], check=True, capture_output=True)
    return [program]


def dkimpy():
    venv = ROOT / "target/bench-venv"
    if not (venv / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
        (venv / "ready").touch()
    return [venv / "bin/python", __file__, "--dkimpy"]


def measure_dkimpy(folder):
    """Runs in the environment: the lines that the other programs print, for dkimpy."""
    import dkim

    for path in sorted(pathlib.Path(folder).glob("*.msg")):
        algorithm, _, octets = path.stem.rpartition("-")
        record = path.with_name(f"{algorithm}.dns").read_bytes()
        pem = path.with_name(f"{algorithm}.pem").read_bytes()
        key = seed(pem) if algorithm.startswith("ed") else pem
        signed, plain = path.read_bytes(), path.with_suffix(".eml").read_bytes()

        def verify():
            assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: record)

        def sign():
            form = (b"relaxed", b"relaxed")
            dkim.sign(plain, b"sel", b"example.org", key, canonicalize=form, signature_algorithm=algorithm.encode())

        for operation in (sign, verify):
            best, begin = 1e9, time.perf_counter()
            while time.perf_counter() - begin < ROUND_SECONDS:
                start = time.perf_counter()
                operation()
                best = min(best, time.perf_counter() - start)
            print("dkimpy", operation.__name__, algorithm, octets, best, sep="\t")


def seed(pem):
    """An Ed25519 key as dkimpy wants it: the seed, which ends its PKCS #8 form, in base64."""
    import base64

    der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    return base64.b64encode(der[-32:])


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    best = {}
    with tempfile.TemporaryDirectory(prefix="mailcore-bench-") as folder:
        programs = [oracle()]
        for name, prepare in (("opendkim", lambda: opendkim(folder)), ("dkimpy", dkimpy)):
            try:
                programs.append(prepare())
            except (OSError, subprocess.CalledProcessError) as trouble:
                print(f"without {name}: {trouble}", file=sys.stderr)
        for _ in range(rounds):
            for program in programs:
                said = subprocess.run([*program, folder], check=True, stdout=subprocess.PIPE, text=True).stdout
                for line in said.splitlines():
                    who, operation, algorithm, octets, seconds = line.split("\t")
                    of = (algorithm, operation, int(octets))
                    best.setdefault(of, {}).setdefault(who, []).append(float(seconds))
    print("| | " + " | ".join(ROWS) + " |")
    print("|---" * (len(ROWS) + 1) + "|")
    for (algorithm, operation, octets), figures in sorted(best.items()):
        size = f"{octets // 1024} KiB"
        cells = []
        for who in ROWS:
            if who in figures:
                seconds = min(figures[who])
                cells.append(f"{1 / seconds:,.0f}/s, {octets / 1e6 / seconds:,.0f} MB/s")
            else:
                cells.append("")
        print(f"| {operation} {algorithm}, {size} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--dkimpy"]:
        measure_dkimpy(sys.argv[2])
    else:
        main()
