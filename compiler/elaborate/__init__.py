"""From syntax trees to a space: names, types and units, shapes, decisions, works and their rules.

One symbolic evaluation does it: an expression evaluates to a compile-time value (`values.py`), scalars to nodes of the
expression graph. Errors accumulate: a statement that fails binds its names to `BAD`, which silences what follows.
"""
