"""The command line: what a user types and sees. `runtime` is loaded only by the verbs that run something."""
