"""Where in a text a node of the expression graph stands: asked only to say what has no value, so known only then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

apart: ContextVar[bool] = ContextVar("places apart", default=False)


@contextmanager
def places_apart() -> Iterator[None]:
    """While it lasts, what may have no value is another node at each place where it is written, and knows its place."""
    before = apart.set(True)
    try:
        yield
    finally:
        apart.reset(before)
