"""The tutorial's and the README's commands, run as they stand, in a folder that has the shipped specs with few epochs.

A fence `sh run` holds commands that have to end with status 0 (`sh run fails`: 1); `> FILE` keeps what one prints.
`cospace file=NAME` is a file to write (`csv` too, and `onnx`: a model in its text form), `diff file=NAME` lines to
replace, each by the one below it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.pace import at_most

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+) ?(.*?)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FEWER = {"epochs    = 200": "epochs = 2; candidates = 1", "param epochs = 200": "param epochs = 2"}


@frozen
class Ran:
    command: str
    output: str


def prepare(folder: Path) -> None:
    (folder / "specs").mkdir()
    for spec in (ROOT / "specs").glob("*.cospace"):
        text = spec.read_text("utf-8")
        for long, short in FEWER.items():
            assert spec.stem != "gcos" or long in text, f"the shipped spec no longer says {long!r}"
            text = text.replace(long, short)
        (folder / "specs" / spec.name).write_text(text, "utf-8")


def follow(page: Path, folder: Path) -> Iterator[Ran]:
    """Do what a page says, in order."""
    for kind, rest, body in FENCE.findall(page.read_text("utf-8")):
        words = rest.split()
        file = next((w.removeprefix("file=") for w in words if w.startswith("file=")), None)
        if kind == "sh" and "run" in words:
            for line in body.strip().splitlines():
                yield run(line, folder, 1 if "fails" in words else 0)
        elif kind == "diff" and file:
            change(folder / file, body)
        elif kind in ("cospace", "csv") and file:
            (folder / file).write_text(body, "utf-8")
        elif kind == "onnx" and file:
            onnx = pytest.importorskip("onnx", reason="the page's model takes the package onnx to be made")
            (folder / file).write_bytes(onnx.parser.parse_model(body).SerializeToString())


def run(command: str, folder: Path, status: int) -> Ran:
    words = shlex.split(command)
    kept = folder / words.pop() if ">" in words else None
    words = [w for w in words if w != ">"]
    if words[0] in ("cospace", "python"):
        words = [sys.executable, *(["-m", "cospace"] if words[0] == "cospace" else []), *words[1:]]
    environment = {**os.environ, "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=at_most(300), check=False
    )
    assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
    if kept is not None:
        kept.write_text(done.stdout, "utf-8")
    return Ran(command, done.stdout + done.stderr)


def change(file: Path, body: str) -> None:
    text = file.read_text("utf-8")
    for old, new in re.findall(r"^-(.*)\n\+(.*)$", body, re.MULTILINE):
        assert text.count(f"{old}\n") == 1, f"{file.name} has no single line {old!r}"
        text = text.replace(f"{old}\n", f"{new}\n")
    file.write_text(text, "utf-8")


def engine_of(ran: Ran) -> dict[str, str]:
    """The engine that `cospace best` printed."""
    return dict(re.findall(r"^(engine\.\w+) = (.+)$", ran.output, re.MULTILINE))


def test_tutorial(tmp_path: Path) -> None:
    prepare(tmp_path)
    ran = list(follow(ROOT / "docs" / "tutorial.md", tmp_path))
    best = [engine_of(r) for r in ran if r.command.startswith("cospace best")]
    assert len(best) == 3 and best[0] != best[1], "a smaller budget gives another engine"
    assert set(best[2]) == {"engine.multipliers", "engine.adders", "engine.buffer"}
    counts = [r.output for r in ran if r.command.startswith("cospace count")]
    assert len(counts) == 2 and counts[0] != counts[1]
    for folder in ("gcos", "small", "mine"):
        design = json.loads((tmp_path / "results" / folder / "design.json").read_text("utf-8"))
        assert design["design"], folder
        assert "The mapping of each layer" in (tmp_path / "results" / folder / "report.html").read_text("utf-8")
        mapping = json.loads((tmp_path / "results" / folder / "mapping.json").read_text("utf-8"))
        assert mapping["design"] == design["design"] and any(layer["maps"] for layer in mapping["layers"])


def test_accelerators(tmp_path: Path) -> None:
    """What the page says that its commands print, they print."""
    page = ROOT / "docs" / "accelerators.md"
    printed = [line for ran in follow(page, tmp_path) for line in ran.output.splitlines()]
    shown = [body for kind, rest, body in FENCE.findall(page.read_text("utf-8")) if kind == "text" and not rest]
    assert len(shown) == 7 and not {line for body in shown for line in body.splitlines()} - set(printed)
    assert (tmp_path / "mapping.svg").read_text("utf-8").startswith("<svg ")


def test_readme(tmp_path: Path) -> None:
    prepare(tmp_path)
    list(follow(ROOT / "README.md", tmp_path))


def test_networks(tmp_path: Path) -> None:
    table, found, model, best, _, cost = follow(ROOT / "docs" / "networks.md", tmp_path)
    assert "net.conv[stem]" in table.output and "net.Conv[stem]" in model.output
    assert "proved" in found.output and "proved" in best.output
    assert "net.Conv[stem].conv.matmul: chip: on matmul; cycles" in cost.output


def test_certificates(tmp_path: Path) -> None:
    (tmp_path / "checker").symlink_to(ROOT / "checker")
    checked, _, judged, *optima = follow(ROOT / "docs" / "certificates.md", tmp_path)
    assert "certificates: 3 of 3 claims" in checked.output
    assert judged.output.splitlines() == [
        "accepted  dead buffer = 524288",
        "accepted  dead buffer = 1048576",
        "accepted  redundant [2]",
    ]
    assert "accepted by the checker" in optima[0].output and "accepted by the checker" in optima[3].output
    assert "designs of minimize" in optima[2].output and optima[2].output.startswith("accepted  best ")
    assert optima[4].output.startswith("accepted  best ") and "6 of the decisions fixed" in optima[4].output


@pytest.mark.parametrize("page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_specs_on_a_page_compile(page: Path) -> None:
    """A fence `cospace spec` is a whole spec: it compiles without a word."""
    from cospace.compiler.driver import compile_text

    for kind, rest, body in FENCE.findall(page.read_text("utf-8")):
        if kind == "cospace" and rest.startswith("spec"):
            found = compile_text(body).diagnostics
            expected = re.findall(r"CS\d{3}", rest)
            assert [d.code for d in found] == expected, [(d.code, d.message) for d in found]
