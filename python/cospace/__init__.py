"""cospace: a language and compiler for design spaces."""

__version__ = "0.1.0"
