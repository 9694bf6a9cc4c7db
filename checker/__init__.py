"""A checker of certificates that stands alone: one file, two beside it for the best; nothing of cospace imported."""
