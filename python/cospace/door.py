"""The Python door: a spec or a compiled space as an object whose methods are the verbs. Only running loads torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from attrs import evolve, frozen

from cospace.compiler.space.model import Design, Space
from cospace.dsl.diagnostics import Diagnostic, SpecError

if TYPE_CHECKING:
    import threading

    from cospace.compiler.checks.check import Report
    from cospace.compiler.counting.count import Count
    from cospace.compiler.counting.values import ValueCounts
    from cospace.compiler.engines.best import Best
    from cospace.compiler.queries import TableRead
    from cospace.compiler.supernet import Estimate
    from cospace.runtime.deployed import Deployed
    from cospace.runtime.events import Observe
    from cospace.runtime.search import Outcome

Fixed = Mapping[str, object]
"""Decision path -> value as a user writes it: `"64 KiB"`, 4, `"gat"`, True."""


@frozen
class Model:
    """A compiled space. warnings: what compiling had to say."""

    space: Space
    warnings: tuple[Diagnostic, ...] = ()

    def check(self, deep: bool = False, *, within: float = math.inf) -> Report:
        """What is proved about the space; `deep` looks for redundant and vacuous requirements too.

        within: seconds that it may take; what is not proved by then is in `skipped`.
        """
        from cospace.compiler.checks.check import check

        with _within(within):
            return check(self.space, deep=deep)

    def count(self, fixed: Fixed | None = None, *, within: float = math.inf) -> Count:
        """The raw and the feasible number of designs, exact where `exact` says so.

        within: seconds that it may take; then the number lies between `bounds`, and `limit` says why. Raises SpecError
        where something has no value at a design that nothing excludes.
        """
        from cospace.compiler.counting.count import count

        with _within(within):
            return count(*self._countable(fixed))

    def values(self, fixed: Fixed | None = None, *, within: float = math.inf) -> tuple[ValueCounts, ...] | None:
        """How many feasible designs keep each value of each decision, between proved bounds; None where not counted.

        within: seconds that it may take; the bounds are wider then. Raises as `count`.
        """
        from cospace.compiler.counting.values import per_value_counts

        with _within(within):
            return per_value_counts(*self._countable(fixed))

    def sample(
        self, n: int = 1, seed: int = 0, fixed: Fixed | None = None, *, within: float = math.inf
    ) -> list[Design]:
        """n feasible designs, exactly uniform: decision path -> value, live decisions only.

        Raises as `count`, and Unsampled where there is nothing to draw from or they were not drawn `within` so many
        seconds.
        """
        from cospace.compiler import clock
        from cospace.compiler.sampling.sample import Sampler, Unsampled
        from cospace.compiler.space.designs import decode

        def stop() -> NoReturn:
            raise Unsampled(clock.reason())

        with _within(within):
            space, pinned = self._countable(fixed)
            rows = clock.attempt(lambda: Sampler(space, pinned).sample(n, seed), stop)
        return [decode(space.decisions, row) for row in rows]  # rows count the values that are left

    def cost(self, designs: Iterable[Mapping[str, object]]) -> list[dict[str, Any]]:
        """What each design costs, with every work. Raises DesignError for what is not a design."""
        from cospace.compiler.cost import breakdown
        from cospace.compiler.space.designs import parse_design

        return [breakdown(self.space, parse_design(self.space, design)) for design in designs]

    def mapping(self, design: Mapping[str, object]) -> dict[str, Any]:
        """The mapping of each layer in a design, and all that its rule says of it. Raises DesignError."""
        from cospace.compiler.mapping import describe
        from cospace.compiler.space.designs import parse_design

        return describe(self.space, parse_design(self.space, design))

    def with_mapping(self, mapping: Mapping[str, Any]) -> Model:
        """The model with the mappings of what `mapping` told in place of those that are solved, changed or not.

        Raises SpecError (CS817) for what does not fit.
        """
        from cospace.compiler.mapping import with_mappings
        from cospace.compiler.mapping_file import read_given

        return evolve(self, space=with_mappings(self.space, read_given(mapping, "the mapping")))

    def best(self, fixed: Fixed | None = None, *, within: float = math.inf) -> Best:
        """The best of what is modelled, or the front; `certified` says whether that is proved.

        within: seconds that it may take; then it is the best that was met, and no design is better than `bound`.
        """
        from cospace.compiler.engines.best import best

        with _within(within):
            return best(*self._pinned(fixed))

    def get_net_config(self, index: int, table: str | None = None) -> Design:
        """The design with a number, the last decision varying fastest, or that of a row of a table, both from 0.

        Raises DesignError where there is none.
        """
        from cospace.compiler.queries import design_at

        return design_at(self.space, index, table)

    def query_by_index(self, index: int, table: str | None = None) -> dict[str, float | None]:
        """Each objective of a design as `get_net_config` has it, in its unit; None where only running tells it."""
        from cospace.cli.figures import objectives

        found = objectives(self.space, self.get_net_config(index, table))
        return {text: figure["value"] for text, figure in found.items()}

    def get_op_lookup_tables(self) -> list[TableRead]:
        """The columns of tables that objectives and requirements read, by the values of the decisions that choose."""
        from cospace.compiler.queries import tables

        return tables(self.space)

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
        strict: bool = False,
        bfloat16: bool | None = None,
    ) -> Outcome:
        """Run the search into a result folder. strict: data of which some cannot be read is refused. bfloat16:
        whether weights learn in mixed precision; None: where a GPU has it. Raises SpecError for what cannot run."""
        from cospace.runtime.events import ignore
        from cospace.runtime.search import search

        folder = None if data is None else Path(data)
        watch = observe or ignore
        return search(self.space, Path(out), seed, folder, overwrite, baselines, watch, stop, strict, bfloat16)

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


def _within(seconds: float) -> AbstractContextManager[None]:
    from cospace.compiler import clock

    return nullcontext() if seconds == math.inf else clock.within(seconds, "within=")


def load(
    path: Path | str, data_folder: Path | str | None = None, seconds: float = math.inf, /, **settings: object
) -> Model:
    """The model of a spec with `param`s set, or of a compiled space (`.json`). Tables' files may lie in `data_folder`.

    seconds: how long it may take. Raises SpecError, which carries every diagnostic, when the spec has errors or was not
    understood in time.
    """
    from cospace.cli.inputs import compile_spec
    from cospace.compiler import clock

    folder = None if data_folder is None else Path(data_folder)
    with clock.within(seconds, "load's third argument"):
        space, found = compile_spec(Path(path), [f"{name}={value}" for name, value in settings.items()], folder)
    if space is None:
        raise SpecError(found)
    return Model(space, found)


def network(folder: Path | str) -> Deployed:
    """The trained network of a result folder, whose switches `bind` binds. Raises SpecError (CS712) where there is
    none."""
    from cospace.runtime.deployed import deploy

    return deploy(Path(folder))
