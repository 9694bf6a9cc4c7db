"""From a module's name in text (`"graph.gcn"`) to the Python factory that runs it.

Only what is registered here by a decorator can run: a spec never causes an import and never names a Python object.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from cospace.dsl.diagnostics import NOWHERE, Diagnostic, Span, SpecError
from cospace.dsl.suggest import closest

Factory = TypeVar("Factory", bound=Callable[..., Any])

WITHOUT = "check, count, sample, cost and best work without the runtime"
"""The way out where a space is understood but can't be run yet."""

_factories: dict[str, Callable[..., Any]] = {}
_modules = {
    "engines": "cospace.runtime.engines",
    "losses": "cospace.runtime.losses",
    "measures": "cospace.runtime.measures",
    "optimisers": "cospace.runtime.optimisers",
    "quantisers": "cospace.runtime.quantise",
    "tasks": "cospace.runtime.tasks",
    "graph": "cospace.runtime.operators.graph",
    "image": "cospace.runtime.operators.image",
    "tensor": "cospace.runtime.operators.image",
}
"""The first word of a name -> the module that registers such names: an engine is found without loading what trains."""


def register(source: str) -> Callable[[Factory], Factory]:
    """Make a factory known under the name that text uses."""

    def keep(factory: Factory) -> Factory:
        _factories[source] = factory
        return factory

    return keep


def find(source: str, span: Span = NOWHERE) -> Callable[..., Any]:
    """The factory of a module's name.

    Raises:
        SpecError: CS701, when nothing runs it yet.
    """
    kind = source.split(".", 1)[0]
    _load(kind)
    if source in _factories:
        return _factories[source]
    near = closest(source, known())
    same = sorted(name for name in _factories if name.startswith(kind + "."))
    runs = f"runs today: {', '.join(same)}" if same else f"nothing runs `{kind}` yet"
    hint = f"did you mean `{near}`?" if near else f"{runs}; {WITHOUT}"
    raise SpecError((Diagnostic("CS701", "error", f"the runtime cannot run `{source}` yet", span, help=hint),))


def known() -> tuple[str, ...]:
    """Every name that runs, sorted."""
    _load(*_modules)
    return tuple(sorted(_factories))


def _load(*kinds: str) -> None:
    for kind in kinds:
        if kind in _modules:
            import_module(_modules[kind])


def refuse(code: str, message: str, span: Span = NOWHERE, help: str | None = None) -> SpecError:
    """An error to raise for whoever runs a spec."""
    return SpecError((Diagnostic(code, "error", message, span, help=help),))
