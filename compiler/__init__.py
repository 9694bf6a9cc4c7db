"""Meaning: names, types and units, the space, proofs, counting, sampling, and one lowering per target."""
