"""The Python door: a spec or a compiled space as an object whose methods are the verbs. Only running loads torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from cospace.compiler.space.model import Design, Space
from cospace.dsl.diagnostics import Diagnostic, SpecError

if TYPE_CHECKING:
    import threading

    from cospace.compiler.checks.check import Report
    from cospace.compiler.counting.count import Count
    from cospace.compiler.counting.values import ValueCounts
    from cospace.compiler.engines.best import Best
    from cospace.compiler.supernet import Estimate
    from cospace.runtime.events import Observe
    from cospace.runtime.search import Outcome

Fixed = Mapping[str, object]
"""Decision path -> value as a user writes it: `"64 KiB"`, 4, `"gat"`, True."""


@frozen
class Model:
    """A compiled space. warnings: what compiling had to say."""

    space: Space
    warnings: tuple[Diagnostic, ...] = ()

    def check(self, deep: bool = False) -> Report:
        """What is proved about the space; `deep` looks for redundant and vacuous requirements too."""
        from cospace.compiler.checks.check import check

        return check(self.space, deep=deep)

    def count(self, fixed: Fixed | None = None) -> Count:
        """The raw and the feasible number of designs, exact where `exact` says so.

        Raises SpecError where something has no value at a design that nothing excludes.
        """
        from cospace.compiler.counting.count import count

        return count(*self._countable(fixed))

    def values(self, fixed: Fixed | None = None) -> tuple[ValueCounts, ...] | None:
        """How many feasible designs keep each value of each decision, between proved bounds; None where not counted.

        Raises as `count`.
        """
        from cospace.compiler.counting.values import per_value_counts

        return per_value_counts(*self._countable(fixed))

    def sample(self, n: int = 1, seed: int = 0, fixed: Fixed | None = None) -> list[Design]:
        """n feasible designs, exactly uniform: decision path -> value, live decisions only. Raises as `count`."""
        from cospace.compiler.sampling.sample import Sampler
        from cospace.compiler.space.designs import decode

        space, pinned = self._countable(fixed)
        rows = Sampler(space, pinned).sample(n, seed)
        return [decode(space.decisions, row) for row in rows]  # rows count the values that are left

    def cost(self, designs: Iterable[Mapping[str, object]]) -> list[dict[str, Any]]:
        """What each design costs, with every work. Raises DesignError for what is not a design."""
        from cospace.compiler.cost import breakdown
        from cospace.compiler.space.designs import parse_design

        return [breakdown(self.space, parse_design(self.space, design)) for design in designs]

    def best(self, fixed: Fixed | None = None) -> Best:
        """The best of what is modelled, or the front; `certified` says whether that is proved."""
        from cospace.compiler.engines.best import best

        return best(*self._pinned(fixed))

    def supernet(self) -> Estimate:
        """The size of the supernet: modules, parameters, bytes at the peak of a step."""
        from cospace.compiler.supernet import estimate

        return estimate(self.space)

    def search(
        self,
        out: Path | str,
        seed: int = 0,
        data: Path | str | None = None,
        overwrite: bool = False,
        baselines: bool = False,
        observe: Observe | None = None,
        stop: threading.Event | None = None,
    ) -> Outcome:
        """Run the search into a result folder. Raises SpecError for what cannot run."""
        from cospace.runtime.events import ignore
        from cospace.runtime.search import search

        folder = None if data is None else Path(data)
        return search(self.space, Path(out), seed, folder, overwrite, baselines, observe or ignore, stop)

    def emit(self) -> str:
        """The compiled space as JSON text, which `load` reads back."""
        from cospace.compiler.space.schema import dumps, to_json

        return dumps(to_json(self.space))

    def _countable(self, fixed: Fixed | None) -> tuple[Space, dict[str, Any]]:
        from cospace.cli.inputs import refuse_undefined

        space, pinned = self._pinned(fixed)
        refuse_undefined(space, pinned)
        return space, pinned

    def _pinned(self, fixed: Fixed | None) -> tuple[Space, dict[str, Any]]:
        from cospace.cli.inputs import pin_paths

        pinned: tuple[Space, dict[str, Any]] = pin_paths(self.space, [(p, str(v)) for p, v in (fixed or {}).items()])
        return pinned


def load(path: Path | str, data_folder: Path | str | None = None, /, **settings: object) -> Model:
    """The model of a spec with `param`s set, or of a compiled space (`.json`). Tables' files may lie in `data_folder`.

    Raises SpecError, which carries every diagnostic, when the spec has errors.
    """
    from cospace.cli.inputs import compile_spec

    space, found = compile_spec(Path(path), [f"{name}={value}" for name, value in settings.items()],
                               None if data_folder is None else Path(data_folder))  # fmt: skip
    if space is None:
        raise SpecError(found)
    return Model(space, found)
