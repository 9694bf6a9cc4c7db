"""Operators as torch modules, one file a library of text."""
