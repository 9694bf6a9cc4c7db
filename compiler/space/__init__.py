"""The compiled space: decisions and one expression graph, what walks and rewrites the graph, and the space as JSON."""
