"""The command line: what a user types and sees. `runtime` is loaded only by the verbs that run something."""

import gc

COLLECTED = gc.get_threshold()
"""How often cycles are looked for, in verbs that take longer than loading."""
gc.set_threshold(700_000, 50, 50)  # before anything is loaded: modules, trees and graphs are many objects that stay
