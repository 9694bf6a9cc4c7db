"""The rows of a table as read: which keys each has, and the cells of its columns. Owns what makes a long table cheap.

Keys are numbered value by value, so that rows are told apart by whole numbers; a cell of a file is checked when its
column is first read, and becomes a value where a design may read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field
from cospace.compiler.elaborate.table_cells import Column, is_plain, parse, refused
from cospace.compiler.elaborate.table_files import Wrong
from cospace.compiler.space.graph import Value

Key = tuple[Value, ...]


@define(eq=False)
class Keyed:
    """values: of each key column, each once, in the order of the rows; numbers: of each column, by row, which it is."""

    values: list[list[Value]]
    numbers: list[Sequence[int]]
    _groups: dict[tuple[int, ...], dict[Key, list[int]]] = field(factory=dict)
    _known: list[dict[Value, int]] = field(init=False)
    _index: dict[int, int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._known = [{v: n for n, v in enumerate(column)} for column in self.values]
        self._index = dict(zip(self._mixed(), range(len(self)), strict=True))

    def _mixed(self) -> Sequence[int]:
        """One number a row."""
        mixed, *rest = self.numbers
        for column, values in zip(rest, self.values[1:], strict=True):
            size = len(values)
            mixed = [m * size + n for m, n in zip(mixed, column, strict=True)]
        return mixed

    def __len__(self) -> int:
        return len(self.numbers[0])

    def __getitem__(self, at: int) -> Key:
        return tuple([values[column[at]] for values, column in zip(self.values, self.numbers, strict=True)])

    def __iter__(self) -> Iterator[Key]:
        return (self[at] for at in range(len(self)))

    def keys(self, rows: Sequence[int], columns: Sequence[int]) -> list[Key]:
        """The keys of some rows in some columns."""
        return list(zip(*([self.values[c][self.numbers[c][at]] for at in rows] for c in columns), strict=True))

    def find(self, key: Key) -> int | None:
        """The row with a key."""
        mixed = 0
        for known, value in zip(self._known, key, strict=True):
            number = known.get(value)
            if number is None:
                return None
            mixed = mixed * len(known) + number
        return self._index.get(mixed)

    def twice(self) -> tuple[int, int] | None:
        """The first row whose key stood before, behind the row where it did."""
        if len(self._index) == len(self):
            return None
        seen: dict[int, int] = {}
        return next((seen[m], at) for at, m in enumerate(self._mixed()) if seen.setdefault(m, at) != at)

    def among(self, known: Mapping[int, Value]) -> Sequence[int]:
        """The rows with these values in some columns."""
        if not known:
            return range(len(self))
        columns = tuple(known)
        if columns not in self._groups:
            groups: dict[tuple[int, ...], list[int]] = {}
            for at, numbers in enumerate(zip(*(self.numbers[c] for c in columns), strict=True)):
                groups.setdefault(numbers, []).append(at)
            self._groups[columns] = {
                tuple([self.values[c][n] for c, n in zip(columns, numbers, strict=True)]): rows
                for numbers, rows in groups.items()
            }
        return self._groups[columns].get(tuple(known.values()), ())


def keyed(columns: Sequence[Sequence[Value]]) -> Keyed:
    """Rows by the values of their key columns; a value may stand for others that equal it."""
    values: list[list[Value]] = []
    numbers: list[Sequence[int]] = []
    for column in columns:
        seen: dict[Value, int] = {}
        apart = {id(v): v for v in column}  # those of one text are one object
        same = {key: seen.setdefault(v, len(seen)) for key, v in apart.items()}
        values.append(list(seen))
        numbers.append([same[id(v)] for v in column])
    return Keyed(values, numbers)


class Cells(Sequence[Value | None]):
    """One column of a file. Raises BadCell, when made, for the first cell that can't stand in it."""

    def __init__(self, texts: Sequence[str], column: Column) -> None:
        self.texts = texts
        self.column = column
        self._known: dict[str, Value | None] = {}
        plain = is_plain(column)
        if plain is None or not all(map(plain, texts)):
            for at, text in enumerate(texts):
                if text not in self._known and (plain is None or plain(text) is None):
                    self._known[text] = self._checked(text, at)

    def _checked(self, text: str, at: int) -> Value | None:
        try:
            value = parse(text, self.column)
            said = None if value is None else refused(value, self.column)
        except Wrong as wrong:
            said = str(wrong)
        if said:
            raise BadCell(at, said)
        return value

    def take(self, rows: Iterable[int]) -> list[Value | None]:
        """The values of some rows; those of equal texts are one object."""
        known, column, texts = self._known, self.column, self.texts
        found = []
        for at in rows:
            text = texts[at]
            if text not in known:
                known[text] = parse(text, column)
            found.append(known[text])
        return found

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, at: Any) -> Any:
        return self.take([at])[0]


class BadCell(Exception):
    """A cell that can't stand in its column: its row, counted from 0, and why."""

    def __init__(self, at: int, said: str) -> None:
        super().__init__(said)
        self.at, self.said = at, said


__all__ = ["BadCell", "Cells", "Key", "Keyed", "keyed"]
