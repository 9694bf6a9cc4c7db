"""The language server: what an editor asks while a spec is written, answered from its text as it stands."""
