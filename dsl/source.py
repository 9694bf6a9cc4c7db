"""From bytes on disk to text, refusing early what no parser should see; and from offsets to lines and columns."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from pathlib import Path

from cospace.dsl.diagnostics import Reporter, Span

MAX_BYTES = 1 << 20
LONGEST = 120
"""Characters of a text that is an index in a path."""


def as_index(text: str) -> str:
    """A text as an index of a path: nothing in it may end the brackets or the line."""
    return "".join(c if c.isprintable() and c not in "[]" else "_" for c in text[:LONGEST])


def read_source(path: Path, shown: str, reporter: Reporter, at: Span | None = None) -> str | None:
    """The text of a file, or None with a diagnostic.

    shown: the path in messages. at: where the file is asked for; the file's own start when unsaid.
    """
    here = at or Span(shown, 0, 0)
    try:
        if path.is_dir():
            reporter.error("CS005", here, f"`{shown}` is a folder, not a file", help="name a `.cospace` file in it")
            return None
        if not path.exists():
            reporter.error("CS001", here, f"there is no file `{shown}`", help=_neighbours(path))
            return None
        if not path.is_file():
            reporter.error("CS005", here, f"`{shown}` is not an ordinary file")
            return None
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        reporter.error("CS005", here, f"`{shown}` can't be read: {reason.lower()}")
        return None
    return decode_source(data, shown, reporter, here)


def decode_source(data: bytes, shown: str, reporter: Reporter, at: Span | None = None) -> str | None:
    """Bytes as text, or None with a diagnostic: at most 1 MiB of UTF-8 without NUL."""
    here = at or Span(shown, 0, 0)
    if len(data) > MAX_BYTES:
        reporter.error(
            "CS003", here, f"`{shown}` is larger than 1 MiB",
            help="split it into modules and `import` them; measured data belongs in a `table … from` a file",
        )  # fmt: skip
        return None
    if b"\0" in data:
        reporter.error(
            "CS002", here, f"`{shown}` is not a text file: it holds a NUL byte (byte {data.index(0)})",
            help="name a `.cospace` file; if it is one, save it anew as UTF-8",
        )  # fmt: skip
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reporter.error(
            "CS002", here, f"`{shown}` is not UTF-8: byte {error.start}, on line {line}, is 0x{data[error.start]:02x}",
            help="save it as UTF-8",
        )  # fmt: skip
        return None
    return text


def _neighbours(path: Path) -> str | None:
    """What the folder of a missing file holds instead."""
    from cospace.dsl.suggest import closest

    folder = path.parent
    try:
        names = sorted(p.name for p in folder.iterdir() if p.suffix == ".cospace")
    except OSError:
        return f"there is no folder `{folder}` either" if not folder.exists() else None
    stems = [name.removesuffix(".cospace") for name in names]
    asked = path.name.removesuffix(".cospace")  # the ending is no sign of being alike
    near = asked if asked in stems else closest(asked, stems)
    if near is not None:
        return f"did you mean `{folder / near}.cospace`?"
    return f"`{folder}` holds {', '.join(names[:8])}" if names else None


def word_span(text: str, within: Span, word: str) -> Span:
    """Where a stretch of a text says a word first, as a declaration its name; the whole stretch when it doesn't."""
    found = re.compile(rf"\b{re.escape(word)}\b").search(text, within.start, within.end)
    return Span(within.file, found.start(), found.end()) if found else within


class Lines:
    """The lines of a text: offset -> (line, column), both from 1, columns in characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0]
        position = text.find("\n")
        while position >= 0:
            self.starts.append(position + 1)
            position = text.find("\n", position + 1)

    def locate(self, offset: int) -> tuple[int, int]:
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line without its end; empty where there is none."""
        if not 1 <= number <= len(self.starts):
            return ""
        end = self.starts[number] if number < len(self.starts) else len(self.text) + 1
        return self.text[self.starts[number - 1] : end - 1].rstrip("\r")
