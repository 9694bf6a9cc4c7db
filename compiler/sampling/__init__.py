"""Exactly uniform feasible designs, and what decides each of them anew."""
