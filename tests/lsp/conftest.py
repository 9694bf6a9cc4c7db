"""One session with a server for each test."""

from __future__ import annotations

import pytest_lsp
from pytest_lsp import LanguageClient

from tests.lsp import session


@pytest_lsp.fixture(config=session.CONFIG)
async def client(client: LanguageClient):  # type: ignore[no-untyped-def]
    await session.begin(client)
    yield
    await client.shutdown_session()
