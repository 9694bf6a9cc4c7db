"""Expressions over batches of designs, in numpy or torch: numbers with proved bounds on rounding, tables, gradients."""
