"""The data that text names. Importing this registers every task."""

from cospace.runtime.tasks import graph, image

__all__ = ["graph", "image"]
