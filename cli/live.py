"""What a running search shows: a live panel in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cospace.cli.figures import human

if TYPE_CHECKING:
    from cospace.runtime.events import Event
    from rich.console import Console, RenderableType

ROWS = 8
COLUMNS = 8
QUIET_SECONDS = 10.0
"""Without a terminal: how long nothing is said while steps go on."""


@contextmanager
def display(console: Console | None = None) -> Iterator[Callable[[Event], None]]:
    """An observer for a search. In a terminal the panel is removed at the end, for the summary to stand alone."""
    from rich.console import Console

    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield Lines(console.print)
        return
    from rich.live import Live

    panel = Panel()
    with Live(panel, console=console, refresh_per_second=4, transient=True) as live:
        panel.log = live.console.print
        yield panel


def minutes(seconds: float) -> str:
    whole = round(max(0.0, seconds))
    short = f"{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 3600}:{short}" if whole >= 3600 else short


def describe(values: Mapping[str, object]) -> str:
    """`loss 0.412, accuracy 91.2 %, temperature 1.3`."""
    parts = []
    for name, value in values.items():
        shown = f"{value:.1%}" if _is_share(name, value) else human(value, digits=3)
        parts.append(f"{name.replace('_', ' ')} {shown}")
    return ", ".join(parts)


def _is_share(name: str, value: object) -> bool:
    return isinstance(value, float) and 0 <= value <= 1 and any(w in name for w in ("accuracy", "error"))


def cells(front: Sequence[Mapping[str, object]]) -> tuple[list[str], list[list[str]]]:
    """Column names and rows of a Pareto front, cut to what fits on a screen."""
    names = list(dict.fromkeys(name for point in front for name in point))[:COLUMNS]
    rows = []
    for point in front[:ROWS]:
        row = [point.get(name) for name in names]
        rows.append([f"{v:.1%}" if _is_share(n, v) else human(v) for n, v in zip(names, row, strict=True)])
    return names, rows


class Lines:
    """Plain lines, for logs: each phase, each note, and a line of numbers now and then."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = lambda text: say(text, highlight=False, markup=False, soft_wrap=True)  # type: ignore[call-arg]
        self._phase = ""
        self._last = 0.0
        self._front = -1

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if event.kind == "phase" or (event.kind == "step" and event.phase != self._phase):
            self._say(event.phase + (f" ({event.total:,} steps)" if event.total else ""))
            self._phase, self._last = event.phase, now
        if event.kind == "note":
            self._say(f"  {event.values.get('text', '')}")
        elif event.kind == "step":
            ends = event.total and event.step >= event.total
            if not ends and now - self._last < QUIET_SECONDS:
                return
            self._last = now
            of = f"/{event.total:,}" if event.total else ""
            left = f"; {minutes(event.seconds_left)} left" if event.seconds_left is not None else ""
            self._say(f"  {event.step:,}{of}  {describe(event.values)}{left}")
        if event.front and len(event.front) != self._front:
            self._front = len(event.front)
            best = describe(dict(list(event.front[0].items())[:3]))
            self._say(f"  front of {self._front} design{'s' * (self._front > 1)}; least error: {best}")


class Panel:
    """The panel of a terminal: rendered anew by rich at each refresh from the newest events."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._phase = "starting"
        self._done: list[str] = []
        self._step = self._total = 0
        self._values: dict[str, object] = {}
        self._front: Sequence[Mapping[str, object]] = ()
        self._left: tuple[float, float] | None = None
        self.log: Callable[..., None] = lambda *given, **how: None

    def __call__(self, event: Event) -> None:
        if event.kind == "note":
            self.log(str(event.values.get("text", "")), highlight=False, markup=False)
            return
        if event.kind == "phase" and event.phase != self._phase:
            if self._phase != "starting":
                self._done.append(self._phase)
            self._values = {}
        self._phase = event.phase or self._phase
        self._step, self._total = event.step, event.total
        self._values |= event.values
        self._front = event.front or self._front
        if event.seconds_left is not None:
            self._left = (time.monotonic(), event.seconds_left)

    def __rich__(self) -> RenderableType:
        from rich import box
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        head = Table.grid(padding=(0, 2))
        steps = f"{self._step:,}/{self._total:,}" if self._total else ""
        times = minutes(now - self._start)
        if self._left is not None:
            times += f"  about {minutes(self._left[1] - (now - self._left[0]))} left"
        bar = ProgressBar(total=self._total or None, completed=self._step, width=30, pulse=not self._total)
        head.add_row(Text(self._phase, style="bold"), bar, steps, Text(times, style="dim"))
        parts: list[RenderableType] = [head]
        if self._done:
            parts.insert(0, Text("done: " + ", ".join(dict.fromkeys(self._done[-6:])), style="dim"))
        if self._values:
            parts.append(Text(describe(self._values)))
        if self._front:
            names, rows = cells(self._front)
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Pareto front so far", title_justify="left")
            for name in names:
                table.add_column(Text(name), overflow="fold")
            for row in rows:
                table.add_row(*(Text(cell) for cell in row))
            parts.append(table)
            if len(self._front) > ROWS:
                parts.append(Text(f"and {len(self._front) - ROWS} more", style="dim"))
        return Group(*parts)
