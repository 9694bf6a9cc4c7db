"""What a verb says, for tests that run many."""

from __future__ import annotations

from typing import Any

from cospace.cli.main import app
from typer.testing import CliRunner


def run(*words: object, status: int = 0) -> str:
    """Its output, where it ends well; else all that it says. Fails where its status is another."""
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert done.exit_code == status, done.output + done.stderr
    return done.stdout if status == 0 else done.output + done.stderr


def answer(*words: object) -> Any:
    """All that it says and its status. Fails where it breaks."""
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert "Traceback" not in done.output + done.stderr
    assert "this is a bug" not in done.stderr, done.stderr
    return done
