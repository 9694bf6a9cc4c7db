"""The best mapping of a work where there are too many to try: proved by bounds, found by branching."""
