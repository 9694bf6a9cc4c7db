"""Tasks: data with its splits, one file a family."""
