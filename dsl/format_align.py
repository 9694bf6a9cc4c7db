"""Alignment: blanks beyond the usual ones, kept where the author aligned something and nowhere else.

- In the code: neighbouring lines of one block, without a blank line or a longer block between them, that have a sign
  of one kind in one column, one of them by more blanks than usual. They are aligned anew, as far left as they go.
- Rows of a list over several lines: as a table, numbers to the right.
- Comments and documentation at the ends of lines: neighbouring lines that have them in one column keep it, or go
  further right together; a single one keeps its column where another line of the file has it, too.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from cospace.dsl.format_items import COMMENT, Item
from cospace.dsl.format_spacing import blanks_between

_MOST_ITEMS = 200
"""Longer lines are nobody's table; aligning them would take time in the square of their length."""
_OPERANDS = frozenset(("NAME", "NUMBER", "STRING", "LPAR", "LSQB", "BINDING", "ASK", "IF", "NOT"))
Key = tuple[int, int, str, int, bool, int]


def align(items: list[Item], lines: list[list[int]], indents: list[int], blank_above: list[bool]) -> dict[int, int]:
    """Item -> blanks beyond the usual ones before it. lines: the items of each; indents: the blanks of each."""
    return _Aligner(items, lines, indents, blank_above).run()


class _Aligner:
    def __init__(self, items: list[Item], lines: list[list[int]], indents: list[int], blank_above: list[bool]) -> None:
        self.items = items
        self.lines = lines
        self.blank_above = blank_above
        self.pads: dict[int, int] = {}
        self.line_of: dict[int, int] = {}
        self.columns: list[dict[int, int]] = []
        for number, line in enumerate(lines):
            at = indents[number]
            columns: dict[int, int] = {}
            for i in line:
                at += blanks_between(items, i) if i != line[0] else 0
                columns[i] = at
                at += len(items[i].text)
                self.line_of[i] = number
            self.columns.append(columns)

    def run(self) -> dict[int, int]:
        rows = self._tables()
        for _, members in sorted(self._groups(rows).items(), key=lambda pair: pair[0][-1]):
            if len(members) > 1 and any(self._source_gap(i) > self._usual_gap(i) for i in members):
                target = max(self._column(i) for i in members)
                for i in members:
                    self._pad(i, target - self._column(i))
        self._trailing()
        return {i: pad for i, pad in self.pads.items() if pad}

    def _column(self, i: int) -> int:
        return self.columns[self.line_of[i]][i]

    def _pad(self, i: int, pad: int) -> None:
        if pad:
            self.pads[i] = self.pads.get(i, 0) + pad
            columns = self.columns[self.line_of[i]]
            for n in columns:
                if n >= i:
                    columns[n] += pad

    def _usual_gap(self, i: int) -> int:
        return blanks_between(self.items, i)

    def _source_gap(self, i: int) -> int:
        before = self.items[i - 1]
        return self.items[i].column - before.column - len(before.text)

    # ---- signs in the code

    def _groups(self, rows: set[int]) -> dict[Key, list[int]]:
        """What stands in one column of the source, by where and what it is; the column is the key's last."""
        items = self.items
        found: dict[Key, list[int]] = defaultdict(list)
        segment: Counter[int] = Counter()
        for number, line in enumerate(self.lines):
            lead = items[line[0]]
            home = id(lead.group)
            closes_block = lead.closes is not None and lead.closes.kind == "block"
            if self.blank_above[number] or closes_block:
                segment[home] += 1
            if lead.kind == COMMENT or closes_block or number in rows or len(line) > _MOST_ITEMS:
                continue
            trailing = self._trailing_item(line)
            for i in line[1:]:
                item = items[i]
                if item.newlines:
                    break  # its column in the source tells nothing about this line
                if i == trailing or blanks_between(items, i) == 0:
                    continue
                depth = item.group.depth - lead.group.depth
                key = (home, segment[home], _kind(item), depth, lead.first == line[0], item.column)
                found[key].append(i)
            last = items[line[-1] if items[line[-1]].kind != COMMENT else line[-2]]
            if last.opens is not None and last.opens.kind == "block":
                segment[id(last.group)] += 1
        return found

    # ---- rows of lists

    def _tables(self) -> set[int]:
        """Align the rows of each table; the numbers of their lines."""
        rows: dict[int, list[tuple[int, list[list[int]]]]] = defaultdict(list)
        for number, line in enumerate(self.lines):
            cells = self._cells(line)
            if cells is not None:
                rows[id(self.items[line[0]].group)].append((number, cells))
        done: set[int] = set()
        for table in rows.values():
            widths = {len(cells) for _, cells in table}
            shaped = any(
                self._source_gap(i) > self._usual_gap(i)
                for number, _ in table
                for i in self.lines[number][1:]
                if self.items[i].kind != COMMENT and not self.items[i].newlines
            )
            if len(table) > 1 and len(widths) == 1 and shaped:
                for k in range(widths.pop()):
                    self._align_cells([cells[k] for _, cells in table])
                done.update(number for number, _ in table)
        return done

    def _cells(self, line: list[int]) -> list[list[int]] | None:
        """The cells of a line that is one list without brackets in it, an element of another list; else None."""
        items = self.items
        lead = items[line[0]]
        if lead.kind != "LSQB" or lead.first != line[0] or lead.group.kind != "[" or len(line) > _MOST_ITEMS:
            return None
        assert lead.opens is not None
        close = lead.opens.closer
        if close not in line or any(items[i].kind not in ("COMMA", COMMENT) for i in line if i > close):
            return None
        cells: list[list[int]] = [[]]
        for i in line[1:]:
            if i >= close:
                break
            if items[i].opens is not None:
                return None
            if items[i].kind == "COMMA":
                cells.append([])
            else:
                cells[-1].append(i)
        if not cells[-1]:
            cells.pop()
        return cells if cells and all(cells) else None

    def _align_cells(self, cells: list[list[int]]) -> None:
        right = all(self.items[c[0]].kind == "NUMBER" or self.items[c[0]].unary for c in cells)
        start = max(self._column(c[0]) for c in cells)
        widths = [self._column(c[-1]) + len(self.items[c[-1]].text) - self._column(c[0]) for c in cells]
        for cell, width in zip(cells, widths, strict=True):
            self._pad(cell[0], start - self._column(cell[0]) + (max(widths) - width if right else 0))

    # ---- comments and documentation at the ends of lines

    def _trailing_item(self, line: list[int]) -> int | None:
        last = self.items[line[-1]]
        return line[-1] if len(line) > 1 and last.kind in (COMMENT, "DOC") and not last.newlines else None

    def _trailing(self) -> None:
        runs = self._runs()
        kept: Counter[int] = Counter()
        for run in runs:
            column = self.items[run[0]].column
            widest = max(self._column(i) for i in run)
            if widest <= column:
                kept[column] += len(run)
        for run in runs:
            column = self.items[run[0]].column
            widest = max(self._column(i) for i in run)
            meant = any(self._source_gap(i) > self._usual_gap(i) for i in run)
            if meant and (len(run) > 1 or (widest <= column and kept[column] > 1)):
                for i in run:
                    self._pad(i, max(column, widest) - self._column(i))

    def _runs(self) -> list[list[int]]:
        """Neighbouring lines' last items of one column; comment lines that go on with such a comment are among them."""
        runs: list[list[int]] = []
        before = -2
        for number, line in enumerate(self.lines):
            trailing = self._trailing_item(line)
            first = self.items[line[0]]
            joins = bool(runs) and before == number - 1 and not self.blank_above[number]
            if trailing is None:
                i = line[0]
                under = joins and first.kind == COMMENT and self.items[runs[-1][-1]].kind == COMMENT
                if under and first.column == self.items[runs[-1][0]].column > self.columns[number][i]:
                    runs[-1].append(i)
                    before = number
                continue
            if joins and self.items[runs[-1][0]].column == self.items[trailing].column:
                runs[-1].append(trailing)
            else:
                runs.append([trailing])
            before = number
        return runs


def _kind(item: Item) -> str:
    if item.kind in ("EQUAL", "BY"):
        return "binds"
    return "operand" if item.kind in _OPERANDS or item.unary else item.kind
