"""The VS Code folder: its declarations fit its files, and its script starts and stops the server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "editors" / "vscode"
PACKAGE = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")


def test_everything_that_is_declared_is_there() -> None:
    contributes = PACKAGE["contributes"]
    named = [PACKAGE["main"], contributes["languages"][0]["configuration"], contributes["grammars"][0]["path"]]
    assert all((FOLDER / name).is_file() for name in named)
    script = (FOLDER / "extension.js").read_text(encoding="utf-8")
    for command in contributes["commands"]:
        assert f'"{command["command"]}"' in script
    asked = set(re.findall(r'own\.get\("(\w+)"\)', script))
    settings = {name.removeprefix("cospace.") for name in contributes["configuration"]["properties"]}
    assert asked <= settings and {"command", "arguments", "trace.server"} == settings
    assert set(re.findall(r'require\("([^"/]+)', script)) - {"vscode"} == set(PACKAGE["dependencies"])


def run(how: str) -> list[list[object]]:
    stub = Path(__file__).parent / "vscode_stub.js"
    done = subprocess.run(["node", str(stub), str(FOLDER), how], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@node
def test_the_script_is_sound() -> None:
    subprocess.run(["node", "--check", str(FOLDER / "extension.js")], check=True, timeout=60)


@node
def test_it_starts_the_server_that_is_set_and_stops_it() -> None:
    said = run("well")
    assert ["client", {"command": "/venv/cospace", "args": ["lsp"], "transport": 0}, [{"language": "cospace"}]] in said
    assert said[-2:] == [["start"], ["stop"]] and ["command", "cospace.restart"] in said


@node
def test_without_its_client_or_its_server_it_says_what_to_do() -> None:
    ((_, missing),) = [s for s in run("missing") if s[0] == "warn"]
    assert "npm install" in str(missing)
    ((_, failed),) = [s for s in run("fails") if s[0] == "error"]
    assert "/venv/cospace lsp" in str(failed) and "cospace.command" in str(failed)
