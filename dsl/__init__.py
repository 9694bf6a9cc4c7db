"""Text: parsing, syntax tree with spans, diagnostics, and modules on disk. Knows no meaning."""
