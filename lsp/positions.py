"""Offsets in a text and positions in an editor: lines from 0, columns in the units that the client counts in."""

from __future__ import annotations

import re
from bisect import bisect_right

from cospace.dsl.diagnostics import Span
from lsprotocol import types

Encoding = types.PositionEncodingKind | str

_LINE = re.compile(r"\r\n|\n|\r")


class Places:
    """The lines of one text, in one encoding. Positions outside the text are taken as the nearest place inside."""

    def __init__(self, text: str, encoding: Encoding = types.PositionEncodingKind.Utf16) -> None:
        self.text = text
        self.encoding = encoding
        self.starts = [0, *(m.end() for m in _LINE.finditer(text))]
        self.plain = text.isascii()

    def offset(self, position: types.Position) -> int:
        """The character that a position stands before."""
        if position.line < 0:
            return 0
        if position.line >= len(self.starts):
            return len(self.text)
        start, end = self._line(position.line)
        if self.plain or self.encoding == types.PositionEncodingKind.Utf32:
            return min(start + max(0, position.character), end)
        units = 0
        for at in range(start, end):
            if units >= position.character:
                return at
            units += self._width(self.text[at])
        return end

    def position(self, offset: int) -> types.Position:
        """Where an editor sees an offset."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self.starts, offset) - 1
        before = self.text[self.starts[line] : offset]
        if self.plain or self.encoding == types.PositionEncodingKind.Utf32:
            return types.Position(line, len(before))
        return types.Position(line, sum(map(self._width, before)))

    def range(self, span: Span) -> types.Range:
        """A span as an editor marks it."""
        return types.Range(self.position(span.start), self.position(span.end))

    def _line(self, line: int) -> tuple[int, int]:
        """Start and end of a line, its end characters left out."""
        start = self.starts[line]
        end = self.starts[line + 1] if line + 1 < len(self.starts) else len(self.text)
        while end > start and self.text[end - 1] in "\r\n":
            end -= 1
        return start, end

    def _width(self, character: str) -> int:
        if self.encoding == types.PositionEncodingKind.Utf8:
            return len(character.encode("utf-8", "surrogatepass"))
        return 2 if ord(character) > 0xFFFF else 1
