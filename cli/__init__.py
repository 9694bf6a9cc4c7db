"""The command line: what a user types and sees. `runtime` is loaded only by the verbs that run something."""

import gc

gc.set_threshold(700_000, 50, 50)  # before anything is loaded: modules, trees and graphs are many objects that stay
