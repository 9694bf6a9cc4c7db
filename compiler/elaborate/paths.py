"""Paths as blocks name them: a path without indices means all its instances, one without `#2` all repetitions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

Segment = tuple[str, str | None, str | None]
"""Name, repetition (`2` of `#2`), indices (`1, 3` of `[1, 3]`)."""

_SEGMENT = re.compile(r"(?P<name>[^.#\[]+)(?:\[(?P<at>(?:[^\[\]]|\[[^\]]*\])*)\])?(?:#(?P<again>\d+))?(?:\.|\Z)")


@lru_cache(maxsize=65_536)
def segments(path: str) -> tuple[Segment, ...]:
    """`net.block[1, 2]#2.op` -> block with indices `1, 2`, the second of that path."""
    return tuple((m["name"], m["again"], m["at"]) for m in _SEGMENT.finditer(path))


def below(path: str, target: str) -> bool:
    """Whether a path is the target's, one of its instances, or lies below one."""
    have, want = segments(path), segments(target)
    return len(have) >= len(want) and all(
        h[0] == w[0] and w[1] in (None, h[1]) and w[2] in (None, h[2]) for h, w in zip(have, want, strict=False)
    )


def instance(path: str, target: str) -> bool:
    """Whether a path is the target's or one of its instances, not below one."""
    return len(segments(path)) == len(segments(target)) and below(path, target)


def length(target: str) -> tuple[int, int]:
    """How closely a target names what it covers: its segments, then how many of them say which instance."""
    parts = segments(target)
    return len(parts), sum((p[1] is not None) + (p[2] is not None) for p in parts)


def outdone(call: str, targets: Iterable[str], others: Iterable[str]) -> bool:
    """Whether one of other targets meets a call more closely than the targets of a block, all networks where it has
    none."""
    own = max((length(t) for t in targets if below(call, t)), default=(1, 0))
    return any(below(call, t) and length(t) > own for t in others)


__all__ = ["below", "instance", "length", "outdone", "segments"]
