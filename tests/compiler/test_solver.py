"""Z3 in its own process: one that never returns is killed, one that dies is noticed, and both are said."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
from cospace.compiler.proofs import solver

from tests.compiler import spaces

SPACE = "space s\nx = choose {1, 2, 3}\nrequire x * x <= 4\n"


def replaced(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the solver starts, in place of Python."""
    path = folder / "solver.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(solver.sys, "executable", str(path))


def test_one_that_never_returns_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(tmp_path, f"echo $$ > {tmp_path}/pid\nexec sleep 600", monkeypatch)
    monkeypatch.setattr(solver, "SECONDS", 1.0)
    space = spaces.space_of(SPACE)
    began = time.monotonic()
    verdict = solver.settle(space, space.requirements)
    assert time.monotonic() - began < 30
    assert verdict.possible is None and "stopped after 1 s" in str(verdict.limit)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


@pytest.mark.parametrize("script", ["exit 3", "echo nonsense", "echo '[1]'", "kill -9 $$"])
def test_one_that_dies_is_unknown(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(tmp_path, script, monkeypatch)
    space = spaces.space_of(SPACE)
    verdict = solver.settle(space, space.requirements)
    assert verdict.possible is None and verdict.limit


def test_its_answers_are_proofs_and_designs() -> None:
    space = spaces.space_of(SPACE)
    assert solver.settle(space, space.requirements).possible is True
    assert solver.settle(space, space.requirements, {"x": spaces.value(3)}).possible is False
