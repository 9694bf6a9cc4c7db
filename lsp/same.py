"""Whether two spaces are one up to a name: what a rename must not change."""

from __future__ import annotations

import json
import re
from typing import Any

from cospace.compiler.driver import Compiled
from cospace.compiler.space.model import Space
from cospace.compiler.space.schema import Writer, to_json

_PLACES = ("span", "files", "sources")


class _Merging(Writer):
    """Records that are equal up to a word have one number: a constant that two names shared may fall apart in two."""

    def __init__(self, word: str, instead: str) -> None:
        super().__init__()
        self.word = re.compile(rf"\b{re.escape(word)}\b")
        self.instead = instead
        self.known: dict[tuple[int, str], int] = {}

    def number(self, known: list[dict[str, Any]], data: dict[str, Any]) -> int:
        key = id(known), self.told(data)
        if key not in self.known:
            self.known[key] = super().number(known, data)
        return self.known[key]

    def told(self, data: Any) -> str:
        """What was written, without the places in its texts, one word in place of the other."""
        return self.word.sub(self.instead, json.dumps(_bare(data), sort_keys=True, ensure_ascii=False))


def same_up_to(before: Compiled, after: Compiled, old: str, new: str) -> bool:
    """Whether a text means after a rename what it meant before: the same space, or the same faults, up to the name.

    The new name is read as the old one on both sides: where it stood nowhere before, that takes the rename back.
    """
    if [(d.code, d.severity) for d in before.diagnostics] != [(d.code, d.severity) for d in after.diagnostics]:
        return False
    first, second = before.space, after.space
    if first is None or second is None:
        return first is second
    told = [_told(space, new, old) for space in (first, second)]
    return told[0] == told[1]


def _told(space: Space, word: str, instead: str) -> str:
    writer = _Merging(word, instead)
    return writer.told(to_json(space, writer=writer))


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _bare(v) for k, v in value.items() if k not in _PLACES}
    return [_bare(v) for v in value] if isinstance(value, list) else value
