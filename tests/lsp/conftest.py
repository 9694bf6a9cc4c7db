"""One session with a server for each file of tests: starting one takes a second."""

from __future__ import annotations

import pytest_lsp
from pytest_lsp import LanguageClient

from tests.lsp import session


@pytest_lsp.fixture(config=session.CONFIG, scope="module")
async def client(client: LanguageClient):  # type: ignore[no-untyped-def]
    await session.begin(client)
    yield
    await client.shutdown_session()
