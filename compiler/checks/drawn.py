"""What feasible designs take, seen by drawing many of them from the count: for spaces of so many values that to find a
design for each takes longer. It only ever says yes.
"""

from __future__ import annotations

import numpy
from cospace.compiler.cost import holds
from cospace.compiler.numbers.enumerate import TooMany
from cospace.compiler.proofs.witness import Witnesses
from cospace.compiler.sampling.sample import Sampler
from cospace.compiler.space.designs import decode
from cospace.compiler.space.model import Space
from cospace.dsl.diagnostics import SpecError

BATCH = 1 << 14
BATCHES = 8
PATIENCE = 1 / 200
"""Of what drawing may take elsewhere: where it needs more, other ways to a design are quicker."""


def add_drawn(found: Witnesses, space: Space) -> None:
    """Adds a feasible design, if there was none, and takes from what is missing what drawn designs show."""
    try:
        sampler = Sampler(space, patience=PATIENCE)
        for seed in range(BATCHES):
            rows = sampler.sample(BATCH, seed)
            first = decode(space.decisions, rows[0])
            if not all(holds(r, first) is True for r in space.requirements):
                return
            if not found.designs:
                found.designs.append(first)
            before = len(found.missing)
            open_ = {v for v, _ in found.missing}
            found.missing -= {(v, int(k)) for v in open_ for k in numpy.unique(rows[:, v])}
            if not found.missing or len(found.missing) == before:
                return
    except (SpecError, TooMany):
        return  # nothing is feasible, or too little is known of it: others prove it
