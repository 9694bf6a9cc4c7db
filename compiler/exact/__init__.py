"""Exact arithmetic: the reference meaning of an expression at a design, and of columns of designs, in rationals."""
