"""Shared by all tests: the `--update-golden` option, and a cache folder of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the .expect files of tests/golden")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the user's cache out of the tests; subprocesses inherit it."""
    before = os.environ.get("COSPACE_CACHE")
    folder = tmp_path_factory.mktemp("cache")
    os.environ["COSPACE_CACHE"] = str(folder)
    yield folder
    if before is None:
        os.environ.pop("COSPACE_CACHE", None)
    else:
        os.environ["COSPACE_CACHE"] = before
