"""cospace: a language and compiler for design spaces.

The Python door has the verbs of the command line:

    import cospace
    model = cospace.load("specs/name.cospace", area_budget="0.5mm2")
    model.check(); model.count(); model.sample(10); model.cost(designs); model.best(); model.search("results/name")
    net = cospace.network("results/name"); net.bind(4); net(pixels)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cospace.door import Model, load, network

__version__ = "0.1.0"
__all__ = ["Model", "__version__", "load", "network"]


def __getattr__(name: str) -> object:
    """The door, imported when it is first asked for, so that `import cospace` costs nothing."""
    if name in ("load", "Model", "network"):
        from cospace import door

        return getattr(door, name)
    raise AttributeError(f"module 'cospace' has no attribute {name!r}")
