"""Where the file of a table lies, and its text: CSV with a line of names, UTF-8. Nothing outside of the folders."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_BYTES = 64 << 20
MAX_ROWS = 1_000_000


class Missing(Exception):
    """A file that can't be read; `help` says what to do."""

    def __init__(self, said: str, help: str | None = None) -> None:
        super().__init__(said)
        self.help = help


class Wrong(Exception):
    """A cell that does not hold what its column is declared to."""


def read_csv(name: str, shown: str, groups: dict[str, Any]) -> dict[str, list[str]]:
    """Column name -> its cells as text, of the file `name` that the text shown as `shown` asks for.

    groups: "data" is the folder given as `--data` or None, "places" path shown -> real path. Raises Missing.
    """
    path = _find(name, shown, groups)
    groups.setdefault("read", []).append(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Missing(f"`{name}` is larger than {MAX_BYTES >> 20} MiB")
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            head = [h.strip() for h in next(lines, [])]
            if len(set(head)) != len(head) or not head:
                raise Missing(f"`{name}` needs a first line that names its columns, each once")
            cells: list[list[str]] = [[] for _ in head]
            for row in lines:
                if not row:
                    continue
                if len(row) != len(head):
                    raise Missing(
                        f"line {lines.line_num} of `{name}` has {len(row)} cells, and its first line {len(head)}"
                    )
                if len(cells[0]) >= MAX_ROWS:
                    raise Missing(f"`{name}` has more than {MAX_ROWS:,} rows")
                for column, cell in zip(cells, row, strict=True):
                    column.append(cell)
    except (OSError, ValueError, csv.Error) as error:
        reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
        raise Missing(f"`{name}` can't be read: {reason}", "it is a CSV file in UTF-8") from None
    return dict(zip(head, cells, strict=True))


def _find(name: str, shown: str, groups: dict[str, Any]) -> Path:
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
        return path
    wanted = "the folder given as --data or beside the spec" if data is not None else "beside the spec"
    raise Missing(f"there is no file `{name}` {wanted if data is None else 'in ' + wanted}",
                  "put it there" if data is not None else "give its folder: `--data FOLDER`")  # fmt: skip
