"""The README's pictures, drawn from a result folder: `.venv/bin/python docs/images/draw.py results/gcos`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from cospace.cli.summary import summarise
from cospace.runtime.report_data import read_result
from cospace.runtime.report_plots import plot_pareto
from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
GREY = "#7a7a7a"
"""Reads on a light and on a dark page."""


def draw_terminal(folder: Path, command: str) -> Path:
    """The last lines of a search as a terminal shows them."""
    console = Console(record=True, width=112, file=io.StringIO())
    console.print(Text(f"$ {command}", style="bold"))
    for line in summarise(folder):
        console.print(Text(line))
    path = HERE / "search.svg"
    path.write_text(console.export_svg(title="cospace"), encoding="utf-8")
    return path


def draw_front(folder: Path) -> Path:
    """The Pareto plot of the report, standing alone."""
    svg = plot_pareto(read_result(folder)).replace("currentColor", GREY)
    if 'xmlns="' not in svg:
        svg = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    path = HERE / "front.svg"
    path.write_text(svg, encoding="utf-8")
    return path


if __name__ == "__main__":
    result = Path(sys.argv[1])
    print(draw_terminal(result, "make search"))
    print(draw_front(result))
