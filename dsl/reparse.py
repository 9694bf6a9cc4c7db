"""Reading a text that differs little from one that was read before: only the stretches that the change can touch.

What comes out is what reading the whole text gives, spans and diagnostics included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen
from cospace.dsl import tree
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.parse import read_stretches, whole
from cospace.dsl.stretches import Moved, Stretch


@frozen(eq=False)
class Parsed:
    """A text with what was read of it.

    changed: where it differs from the text before: how many signs both have in common at their starts, at their ends.
    """

    text: str
    path: str
    stretches: Sequence[Stretch | Moved]
    changed: tuple[int, int] = (0, 0)

    def file(self, reporter: Reporter) -> tree.File:
        """The file; what is to be said about it goes to `reporter`."""
        return whole(self.stretches, self.text, self.path, reporter)


def read(text: str, path: str, before: Parsed | None = None) -> Parsed:
    """Parse a text. before: another text of the same file, the more alike the better."""
    if before is None or before.path != path:
        return Parsed(text, path, read_stretches(text, path))
    if before.text == text:
        return Parsed(text, path, before.stretches, (len(text), 0))
    known = {stretch.start: stretch for stretch in before.stretches}
    begin, rest = _change(before.text, text)
    by = len(text) - len(before.text)
    after = text.find("\n", len(text) - rest) + 1 or len(text) + 1  # the line of a change is read anew

    def unchanged(at: int) -> Stretch | Moved | None:
        if at < begin:
            found = known.get(at)
            return found if found is not None and found.reach <= begin else None
        found = known.get(at - by) if at >= after else None
        return found.moved(by) if found is not None else None

    return Parsed(text, path, read_stretches(text, path, unchanged), (begin, rest))


def _change(old: str, new: str) -> tuple[int, int]:
    """How many signs two different texts have in common at their starts, and at their ends."""
    most = min(len(old), len(new))
    start = _alike(most, lambda at, end: old[at:end] == new[at:end])
    a, b = len(old), len(new)
    return start, _alike(most - start, lambda at, end: old[a - end : a - at] == new[b - end : b - at])


def _alike(most: int, same: Callable[[int, int], bool]) -> int:
    """How far two texts are the same, in blocks: comparing texts is fast, their signs one by one is not."""
    found, step = 0, 4_096
    while step:
        while found < most and same(found, min(found + step, most)):
            found = min(found + step, most)
        step //= 16
    return found
