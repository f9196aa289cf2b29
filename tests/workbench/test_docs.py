"""The samples of docs/workbench.md do what the page says, and the commands it names exist."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "workbench.md").read_text("utf-8")


def test_samples(tmp_path):
    found = re.findall(r"```python\n# (\S+)\n(.*?)```\n\n```sh\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert found
    for name, text, command, printed in found:
        (tmp_path / name).write_text(text)
        assert command == f"python3 {name}\n"
        done = subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout == printed


def test_server_sample():
    tomllib = __import__("tomllib")
    from mailcore.serving import SERVICES

    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    plan = tomllib.loads(text)
    assert set(plan["listen"]) <= set(SERVICES)
    known = subprocess.run(
        [sys.executable, "-m", "mailcore", "--properties"], capture_output=True, text=True, check=True
    ).stdout
    assert all(f"{name} " in known for name in plan["settings"])


def test_commands_exist():
    told = subprocess.run(
        [sys.executable, "-m", "mailcore", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for line in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE):
        for word in re.findall(r"`([a-z-]+)", line):
            below = (
                "show",
                "explain",
                "hold",
                "release",
                "retry",
                "bounce",
                "drop",
                "list",
                "activate",
                "remove",
                "zsh",
                "fish",
                "dev",
            )
            assert word in below or re.search(rf"^    {word}\b", told, re.MULTILINE), word
