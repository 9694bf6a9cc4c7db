"""How many designs are feasible: exact integers, or proved bounds."""
