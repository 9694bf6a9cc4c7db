"""The data that text names. Importing this registers every task."""

from cospace.runtime.tasks import folder, graph, image

__all__ = ["folder", "graph", "image"]
