"""A checker of certificates that stands alone: one file, nothing of cospace imported."""
