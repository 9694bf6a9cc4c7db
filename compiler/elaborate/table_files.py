"""Where a file that a text names lies, and the text of a table: CSV with a line of names, UTF-8. Nothing outside of the
folders."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

MAX_BYTES = 64 << 20
MAX_ROWS = 1_000_000
LINE = 10_000
"""Characters of the first line that are looked at before it is read."""
BLOCK = 10_000
"""Rows that are read at once."""
SHARED = 10_000
"""Texts of cells that are kept once, at most."""
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ":": "colons", " ": "spaces"}


class Missing(Exception):
    """A file that can't be read; `help` says what to do."""

    def __init__(self, said: str, help: str | None = None) -> None:
        super().__init__(said)
        self.help = help


class Wrong(Exception):
    """A cell that does not hold what its column is declared to."""


@frozen(eq=False)
class Sheet:
    """A file as read. names: of its columns; columns: the cells as text of those that were wanted, by name."""

    path: Path
    names: tuple[str, ...]
    columns: dict[str, list[str]]
    even: bool
    """Whether each row is a line, the first after that of the names."""

    def line(self, row: int) -> int:
        """The line that a row begins on, rows counted from 0."""
        if self.even:
            return row + 2
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True, skipinitialspace=True)
            next(lines)
            at = -1
            before = lines.line_num
            for cells in lines:
                at += bool(cells)
                if at == row:
                    break
                before = lines.line_num
            return before + 1


def read_csv(name: str, shown: str, groups: dict[str, Any], wanted: Collection[str]) -> Sheet:
    """The columns `wanted` of the file `name` that the text shown as `shown` asks for; others are not kept.

    groups: "data" is the folder given as `--data` or None, "places" path shown -> real path. Raises Missing.
    """
    path = find_file(name, shown, groups)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Missing(f"`{name}` is larger than {MAX_BYTES >> 20} MiB")
        with path.open(encoding="utf-8-sig", newline="") as file:
            _refuse_separator(name, file.readline(LINE), wanted)
            file.seek(0)
            lines = csv.reader(file, strict=True, skipinitialspace=True)
            head = tuple(h.strip() for h in next(lines, []))
            if len(set(head)) != len(head) or not head:
                raise Missing(f"`{name}` needs a first line that names its columns, each once")
            columns, even = _columns(name, path, lines, head, wanted)
    except (OSError, ValueError, csv.Error) as error:
        reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
        raise Missing(f"`{name}` can't be read: {reason}", "it is a CSV file in UTF-8") from None
    return Sheet(path, head, columns, even)


def _columns(
    name: str, path: Path, lines: Any, head: Sequence[str], wanted: Collection[str]
) -> tuple[dict[str, list[str]], bool]:
    """The cells of each column, and whether each row is a line. lines: the reader, behind the names."""
    found: dict[str, list[str]] = {h: [] for h in head if h in wanted}
    shared: dict[str, str] = {}  # of the texts that stand often one is kept
    rows, begun = 0, lines.line_num
    while block := list(itertools.islice(lines, BLOCK)):
        if {len(r) for r in block} != {len(head)}:
            if any(len(r) not in (0, len(head)) for r in block):
                raise Missing(_uneven(name, path, len(head)))
            block = [r for r in block if r]
        rows += len(block)
        if rows > MAX_ROWS:
            raise Missing(f"`{name}` has more than {MAX_ROWS:,} rows")
        for h, cells in zip(head, zip(*block, strict=True), strict=False):
            if h in found:
                if len(shared) < SHARED:
                    found[h] += [shared.setdefault(c, c) for c in cells]
                else:
                    found[h] += [shared.get(c, c) for c in cells]
    return found, begun == 1 and lines.line_num == rows + 1


def _uneven(name: str, path: Path, wanted: int) -> str:
    """Of the first row with more or fewer cells than the first line."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True, skipinitialspace=True)
        many = next(len(r) for r in lines if len(r) not in (0, wanted))
        return f"line {lines.line_num} of `{name}` has {many} cells, and its first line {wanted}"


def _refuse_separator(name: str, head: str, wanted: Collection[str]) -> None:
    """Raises Missing where something else than commas stands between the names that are wanted, in the first line."""
    if "," in head:
        return
    for separator, said in SEPARATORS.items():
        parts = [p.strip().strip("\"'") for p in head.strip().split(separator)]
        if len(parts) > 1 and any(p in wanted for p in parts):
            raise Missing(
                f"`{name}` has {said} between its columns, where a table has commas",
                f"save it with commas, and a point in numbers: its first line would read `{','.join(parts)[:80]}`",
            )


def find_file(name: str, shown: str, groups: dict[str, Any]) -> Path:
    """The file `name` that the text shown as `shown` asks for, noted as read. Raises Missing."""
    if not name or "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise Missing(f"`{name}` is not a file below the spec's folder", "name a file beside the spec, or below it")
    folders: list[Path] = []
    data = groups.get("data")
    if data is not None:
        folders.append(Path(data))
    places: Mapping[str, Path] = groups.get("places", {})
    own = places.get(shown)
    if own is not None and not shown.startswith("std/"):
        folders.append(own.parent)
    folders.append(groups.get("folder") or Path())
    for folder in folders:
        path = folder / name
        try:
            if not path.is_file():
                continue
            if not path.resolve().is_relative_to(folder.resolve()):
                raise Missing(f"`{name}` leads out of its folder", "a link may not: copy the file there")
        except (OSError, RuntimeError) as error:
            raise Missing(f"`{name}` can't be read: {error}") from None
        groups.setdefault("read", []).append(path)
        return path
    wanted = "the folder given as --data or beside the spec" if data is not None else "beside the spec"
    raise Missing(f"there is no file `{name}` {wanted if data is None else 'in ' + wanted}",
                  "put it there" if data is not None else "give its folder: `--data FOLDER`")  # fmt: skip
