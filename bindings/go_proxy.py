#!/usr/bin/env python3
"""Lays the Go module out as a module proxy does, for `go get` without a server.

    python3 bindings/go_proxy.py FOLDER
    GOPROXY=file://FOLDER GONOSUMDB='*' GOSUMDB=off go get github.com/libmailcore/libmailcore/bindings/go@vVERSION

The version is that of Cargo.toml; a release has the tag bindings/go/vVERSION.
"""

import json
import pathlib
import re
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent


def main(folder):
    module = (HERE / "go" / "go.mod").read_text(encoding="utf-8")
    path = re.search(r"^module (\S+)$", module, flags=re.M)[1]
    cargo = (HERE.parent / "Cargo.toml").read_text(encoding="utf-8")
    version = "v" + re.search(r'^version = "(.*)"$', cargo, flags=re.M)[1]
    place = pathlib.Path(folder) / path / "@v"
    place.mkdir(parents=True, exist_ok=True)
    (place / "list").write_text(version + "\n")
    (place / f"{version}.info").write_text(json.dumps({"Version": version}))
    (place / f"{version}.mod").write_text(module)
    with zipfile.ZipFile(place / f"{version}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((HERE / "go").iterdir()):
            if file.is_file():
                archive.writestr(zipfile.ZipInfo(f"{path}@{version}/{file.name}"), file.read_bytes())
        for name in ("LICENSE-MIT", "LICENSE-APACHE"):
            archive.writestr(zipfile.ZipInfo(f"{path}@{version}/{name}"), (HERE.parent / name).read_bytes())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: go_proxy.py FOLDER")
    main(sys.argv[1])
