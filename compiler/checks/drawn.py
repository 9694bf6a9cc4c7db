"""What feasible designs take, seen in many at once: for spaces of so many values that to find a design for each takes
longer. It only ever says yes.

Where every decision is always live and raw designs are now and then feasible, such designs are varied: values that none
has shown are put into them, as many at once as mostly leaves them feasible. Else designs are drawn from the count.
"""

from __future__ import annotations

from typing import Any

import numpy
from cospace.compiler.cost import holds
from cospace.compiler.numbers.enumerate import TooMany
from cospace.compiler.proofs.witness import Witnesses
from cospace.compiler.sampling.recheck import Recheck
from cospace.compiler.sampling.sample import Sampler
from cospace.compiler.space.designs import decode
from cospace.compiler.space.graph import TRUE
from cospace.compiler.space.model import Space
from cospace.dsl.diagnostics import SpecError
from numpy.typing import NDArray

Rows = NDArray[Any]
BATCH = 1 << 14
BATCHES = 8
PATIENCE = 1 / 200
"""Of what drawing may take elsewhere: where it needs more, other ways to a design are quicker."""
RAW, VARIED = 1 << 12, 1 << 11
"""Raw designs, and varied ones, that are decided at once."""
ROUNDS = 200
"""Batches of varied designs, at most."""
FEW, MOST = 0.1, 0.4
"""Shares of feasible ones below which fewer values are put in at once, and above which more are."""


def add_drawn(found: Witnesses, space: Space) -> None:
    """Adds a feasible design, if there was none, and takes from what is missing what drawn designs show."""
    try:
        if not _add_varied(found, space):
            _add_counted(found, space)
    except (SpecError, TooMany):
        return  # nothing is feasible, or too little is known of it: others prove it


def _add_varied(found: Witnesses, space: Space) -> bool:
    """Whether some raw designs are feasible; then what they show when they are varied."""
    if any(d.guard is not TRUE or d.allowed is not None for d in space.decisions):
        return False
    rng = numpy.random.default_rng(0)
    sizes = [len(d.values) for d in space.decisions]
    recheck = Recheck(space)
    kind = numpy.min_scalar_type(-max(sizes) - 1)
    bases = numpy.empty((0, len(sizes)), dtype=kind)
    for _ in range(BATCHES):
        raw = numpy.stack([rng.integers(0, size, RAW).astype(kind) for size in sizes]).T
        bases = raw[recheck.held(raw)]
        if len(bases):
            break
    if not len(bases) or not _show(found, space, bases):
        return False
    open_ = [numpy.zeros(size, dtype=bool) for size in sizes]
    for v, k in found.missing:
        open_[v][k] = True
    chance, left = 1.0, sum(int(o.sum()) for o in open_)
    for _ in range(ROUNDS):
        missing = {v: numpy.flatnonzero(o) for v, o in enumerate(open_) if o.any()}
        most = max(map(len, missing.values()), default=0)
        missing = {v: values for v, values in missing.items() if 2 * len(values) >= most}
        rows = numpy.asfortranarray(bases[rng.integers(0, len(bases), VARIED)])
        for v, values in missing.items():
            put = numpy.flatnonzero(rng.random(VARIED) < chance)
            rows[put, v] = values[(rng.integers(len(values)) + numpy.arange(len(put))) % len(values)]
        held = rows[recheck.held(rows)]
        if len(held) and not _agrees(space, held[0]):
            return False
        for v in missing:
            open_[v][held[:, v]] = False
        before, left = left, sum(int(o.sum()) for o in open_)
        if len(held) < FEW * VARIED:
            chance /= 2
        elif len(held) > MOST * VARIED:
            chance = min(1.0, 2 * chance)
        if not left or (left == before and chance * len(missing) <= 1):
            break
    found.missing = {(v, int(k)) for v, o in enumerate(open_) for k in numpy.flatnonzero(o)}
    return True


def _show(found: Witnesses, space: Space, rows: Rows) -> bool:
    """Takes what feasible designs show from what is missing; whether the reference evaluator agrees on the first."""
    if not _agrees(space, rows[0]):
        return False
    if not found.designs:
        found.designs.append(decode(space.decisions, rows[0]))
    open_ = {v for v, _ in found.missing}
    found.missing -= {(v, int(k)) for v in open_ for k in numpy.unique(rows[:, v])}
    return True


def _agrees(space: Space, row: Rows) -> bool:
    """Whether the reference evaluator finds a design feasible too."""
    design = decode(space.decisions, row)
    return all(holds(r, design) is True for r in space.requirements)


def _add_counted(found: Witnesses, space: Space) -> None:
    sampler = Sampler(space, patience=PATIENCE)
    for seed in range(BATCHES):
        before = len(found.missing)
        if not _show(found, space, sampler.sample(BATCH, seed)):
            return
        if not found.missing or len(found.missing) == before:
            return
