"""Runs of a benchmark with a line of JSON each in a log: one that is there is not repeated."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def read_lines(log: Path, alike: Mapping[str, Any]) -> list[Line]:
    """What is in a log of runs with these settings."""
    lines = [json.loads(x) for x in log.read_text().splitlines()] if log.is_file() else []
    return [x for x in lines if all(x[name] == value for name, value in alike.items())]


def run_all(run_one: Callable[[Any], Line], jobs: Iterable[Any], processes: int, log: Path) -> Iterator[Line]:
    """Each job's line as soon as it is written down, by so many processes."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(processes) as pool, log.open("a") as file:
        for line in pool.imap_unordered(run_one, jobs):
            file.write(json.dumps(line) + "\n")
            file.flush()
            yield line
