"""The page of the shipped systems: its command runs as it stands, and its table is what that prints."""

from __future__ import annotations

import re
from pathlib import Path

from .test_tutorial import FENCE, run

PAGE = Path(__file__).parents[2] / "docs" / "systems.md"
ROW = re.compile(r"^\| .* \|$", re.MULTILINE)


def test_the_table_is_what_the_command_prints(tmp_path: Path) -> None:
    text = PAGE.read_text("utf-8")
    (command,) = (body.strip() for kind, rest, body in FENCE.findall(text) if kind == "sh" and "run" in rest.split())
    printed = ROW.findall(run(command, tmp_path, 0).output)
    assert len(printed) > 2
    assert ROW.findall(text) == printed, "print it anew: cospace specs --counts"
