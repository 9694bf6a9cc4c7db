"""Proofs in the background: before the count, of the newest text, from processes that are ended when they are late."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

from cospace.lsp.analysis import Memory
from cospace.lsp.documents import Document
from cospace.lsp.proofs import Proved, Prover, answers
from lsprotocol import types
from pytest_lsp import LanguageClient

from tests.lsp import session

GOOD = 'space s "t"\nrows = choose {1, 2}\nwidth = choose {1, 2}\nrequire rows > width\n'


def within(answer):  # type: ignore[no-untyped-def]
    return asyncio.wait_for(answer, 100)


def job(text: str) -> dict[str, object]:
    return {"uri": "untitled:s", "text": text, "path": None, "buffers": {}}


def test_the_proofs_come_first_and_then_the_count() -> None:
    proofs, counted, kept, *excluded, end = answers(job(GOOD), Memory())
    assert [row[0] for row in proofs["diagnostics"]] == ["CS603", "CS603"] and proofs["open"]
    assert (counted["raw"], counted["bounds"]) == (4, (1, 1)) and len(kept["values"]) == 2
    assert [e["excludes"][3:] for e in excluded] == [[3, 3]] and end == {"open": False}
    assert list(answers(job(GOOD + "x = y\n"), Memory())) == [{"diagnostics": [], "open": False}]
    empty = list(answers(job(GOOD + "require width > 2\n"), Memory()))
    assert [row[1] for row in empty[0]["diagnostics"]] == ["error"] and empty[1]["bounds"] == (0, 0)


def feasible(proved: Proved) -> int | None:
    return proved.counts.space.feasible if proved.counts is not None else None


def test_a_process_proves_one_text_after_another_and_is_replaced_when_it_is_ended() -> None:
    async def prove(prover: Prover, text: str) -> list[Proved]:
        document = Document("untitled:s", text, 1, None)
        return [proved async for proved in prover.prove(document, {})]

    async def scenario() -> None:
        prover = Prover()
        first = await within(prove(prover, GOOD))
        assert [feasible(p) for p in first] == [None, 1, 1, 1, 1] and [p.open for p in first] == [True] * 4 + [False]
        assert first[0].diagnostics == first[1].diagnostics and len(first[0].diagnostics) == 2
        assert prover.spare is not None
        used = await prover.spare
        async with aclosing(prover.prove(Document("untitled:s", GOOD, 2, None), {})) as found:
            async for _ in found:
                break  # the text has changed: nobody waits for the count
        assert await within(used.wait()) != 0
        again = await within(prove(prover, GOOD.replace(">", "<=")))
        assert [feasible(p) for p in again] == [None, 3, 3, 3, 3]
        last = await prover.spare
        await prover.close()
        assert await within(last.wait()) != 0

    asyncio.run(scenario())


async def test_no_answer_is_ever_for_an_old_text(client: LanguageClient, tmp_path: Path) -> None:
    """Proofs, too: each text has one more decision, and one dead value for each, which only proofs tell."""
    uri = session.put(client, tmp_path / "s.cospace", GOOD)
    text = GOOD
    for version in range(2, 22):
        line = f"d{version} = choose {{1, 2}}\nrequire d{version} > 1\n"
        text = session.change(client, uri, version, text, len(text), len(text), line)
        await asyncio.sleep(0.05 if version % 3 else 0.4)
    while len(await within(session.told(client, uri, 21))) < 22:
        await asyncio.sleep(0.05)
    heard: list[types.PublishDiagnosticsParams] = client.heard  # type: ignore[attr-defined]
    versions = [said.version or 0 for said in heard if said.uri == uri]
    assert versions == sorted(versions)
    for said in heard:
        if said.uri == uri and said.diagnostics:
            assert len(said.diagnostics) == 1 + (said.version or 0)
