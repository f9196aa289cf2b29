"""Makes the wheel and the source archive (PEP 517), with the standard library only.

    MAILCORE_LIBRARY=libmailcore.so pip wheel --no-deps bindings/python

A wheel holds the shared library and the licences. Its tag is computed from what that library needs: the highest version
of glibc among its symbols gives manylinux_2_NN, musl's C library gives musllinux_1_2. A library that needs anything
else of the system is refused, and without a library there is no wheel: an installation that only fails at the first
import helps nobody. Needs Python 3.11 or later; the wheel itself runs on those that pyproject.toml names.
"""

import base64
import gzip
import hashlib
import io
import os
import pathlib
import sys
import tarfile
import tomllib
import zipfile

import elf

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
SONAME = "libmailcore.so.0"
LICENCES = ("LICENSE-MIT", "LICENSE-APACHE")
# What every Linux has; each other library must be inside ours.
OF_THE_SYSTEM = ("libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "libgcc_s.so", "ld-linux", "ld64.so")
NO_LIBRARY = (
    "libmailcore: there is no library to put into a wheel: install a ready wheel (pip install --only-binary :all: "
    "libmailcore), or build one in a checkout with bindings/package wheel, or set MAILCORE_LIBRARY to a libmailcore.so "
    "that has OpenSSL inside (cargo feature vendored-openssl)"
)


def get_requires_for_build_wheel(config_settings=None):
    return []


get_requires_for_build_sdist = get_requires_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Writes the wheel; its name."""
    path = _library()
    library = path.read_bytes()
    project = _project()
    tag = f"py3-none-{platform(library, path)}"
    stem = f"{project['name']}-{project['version']}"
    info = f"{stem}.dist-info"
    files = {f"mailcore/{path.relative_to(_package()).as_posix()}": path.read_bytes() for path in _sources()}
    files[f"mailcore/_lib/{SONAME}"] = library
    files[f"{info}/METADATA"] = _metadata(project)
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: libmailcore\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    files[f"{info}/entry_points.txt"] = _entry_points(project)
    for name in LICENCES:
        files[f"{info}/licenses/{name}"] = _licence(name)
    rows = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(content)}\n")
    files[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    wheel = f"{stem}-{tag}.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)  # of 1980: the same content makes the same file
            entry.external_attr = (0o755 if ".so" in name else 0o644) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return wheel


def build_sdist(sdist_directory, config_settings=None):
    """Writes the source archive of the package, which holds no library; its name."""
    project = _project()
    stem = f"{project['name']}-{project['version']}"
    files = {f"src/mailcore/{path.relative_to(_package()).as_posix()}": path.read_bytes() for path in _sources()}
    for name in ("pyproject.toml", "README.md", "wheel_backend.py", "elf.py"):
        files[name] = (HERE / name).read_bytes()
    for name in LICENCES:
        files[name] = _licence(name)
    files["PKG-INFO"] = _metadata(project)
    name = f"{stem}.tar.gz"
    with (
        open(pathlib.Path(sdist_directory) / name, "wb") as out,
        gzip.GzipFile(fileobj=out, mode="wb", filename="", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, content in files.items():
            entry = tarfile.TarInfo(f"{stem}/{path}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return name


def platform(library, path):
    """The platform tag of a library; ends the build where a wheel cannot rely on what it needs."""
    try:
        needs = elf.needs(library)
    except ValueError as e:
        raise SystemExit(f"libmailcore: {path}: {e}") from None
    if needs.soname != SONAME:
        raise SystemExit(f"libmailcore: {path} is not libmailcore: its soname is {needs.soname or 'missing'}, not {SONAME}")
    musl = any(name.startswith("libc.musl") for name in needs.libraries)
    strange = [name for name in needs.libraries if not name.startswith((*OF_THE_SYSTEM, "libc.musl"))]
    if strange:
        raise SystemExit(
            f"libmailcore: {path} needs {', '.join(strange)}, which a wheel cannot rely on: build it with cargo features "
            "bundled-sqlite and vendored-openssl"
        )
    if musl:
        return f"musllinux_1_2_{needs.machine}"
    versions = [name.removeprefix("GLIBC_").split(".") for name in needs.versions if name.startswith("GLIBC_2.")]
    minor = max((int(version[1]) for version in versions), default=17)
    # 2.17 is the oldest that the names of tags know.
    return f"manylinux_2_{max(minor, 17)}_{needs.machine}"


def _library():
    named = os.environ.get("MAILCORE_LIBRARY")
    path = pathlib.Path(named) if named else CHECKOUT / "target" / "release" / "libmailcore.so"
    if not path.is_file():
        raise SystemExit(NO_LIBRARY if not named else f"libmailcore: MAILCORE_LIBRARY: there is no file {named}")
    return path


def _package():
    return HERE / "src" / "mailcore"


def _sources():
    page = (".html", ".css", ".js", ".svg", ".json")  # of mailcore/dev
    found = [path for path in _package().rglob("*") if path.suffix in (".py", *page) or path.name == "py.typed"]
    return sorted(path for path in found if "_lib" not in path.parts)


def _project():
    return tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _licence(name):
    beside = HERE / name  # in a source archive
    return (beside if beside.exists() else CHECKOUT / name).read_bytes()


def _metadata(project):
    lines = ["Metadata-Version: 2.4", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Summary: {project['description']}", f"License-Expression: {project['license']}"]
    lines += [f"License-File: {name}" for name in LICENCES]
    lines += [f"Classifier: {text}" for text in project.get("classifiers", [])]
    lines += [f"Project-URL: {name}, {url}" for name, url in project.get("urls", {}).items()]
    lines += [f"Requires-Dist: {text}" for text in project.get("dependencies", [])]
    for extra, needed in project.get("optional-dependencies", {}).items():
        lines += [f"Provides-Extra: {extra}", *(f'Requires-Dist: {text} ; extra == "{extra}"' for text in needed)]
    lines += [f"Requires-Python: {project['requires-python']}", "Description-Content-Type: text/markdown", ""]
    return "\n".join([*lines, (HERE / "README.md").read_text(encoding="utf-8")]).encode()


def _entry_points(project):
    groups = {"console_scripts": project.get("scripts", {}), **project.get("entry-points", {})}
    parts = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in of.items()) for group, of in groups.items() if of]
    return "\n".join(parts).encode()


if __name__ == "__main__":
    print(platform(pathlib.Path(sys.argv[1]).read_bytes(), sys.argv[1]))
