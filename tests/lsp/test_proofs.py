"""Proofs in the background: before the count, of the newest text, from processes that end what nobody waits for."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from cospace.lsp import proofs
from cospace.lsp.analysis import Memory
from cospace.lsp.documents import Document
from cospace.lsp.proofs import Proved, Prover
from cospace.lsp.proving import FORKS, answers, space_of
from lsprotocol import types
from pytest_lsp import LanguageClient

from tests.lsp import session

GOOD = 'space s "t"\nrows = choose {1, 2}\nwidth = choose {1, 2}\nrequire rows > width\n'


def within(answer):  # type: ignore[no-untyped-def]
    return asyncio.wait_for(answer, 100)


def job(text: str) -> dict[str, object]:
    return {"uri": "untitled:s", "text": text, "path": None, "buffers": {}}


def test_the_proofs_come_first_and_then_the_count() -> None:
    proved, counted, kept, *excluded, end = answers(space_of(job(GOOD), Memory()))
    assert [row[0] for row in proved["diagnostics"]] == ["CS603", "CS603"] and proved["open"]
    assert (counted["raw"], counted["bounds"]) == (4, (1, 1)) and len(kept["values"]) == 2
    assert [e["excludes"][3:] for e in excluded] == [[3, 3]] and end == {"open": False}
    assert list(answers(space_of(job(GOOD + "x = y\n"), Memory()))) == [{"diagnostics": [], "open": False}]
    empty = list(answers(space_of(job(GOOD + "require width > 2\n"), Memory())))
    assert [row[1] for row in empty[0]["diagnostics"]] == ["error"] and empty[1]["bounds"] == (0, 0)


def feasible(proved: Proved) -> int | None:
    return proved.counts.space.feasible if proved.counts is not None else None


async def prove(prover: Prover, text: str, uri: str = "untitled:s") -> list[Proved]:
    return [proved async for proved in prover.prove(Document(uri, text, 1, None), {})]


FOREVER = GOOD + "".join(f"a{i} = choose 1..9\n" for i in range(30))
FOREVER += "require " + " + ".join(f"(a{i} * a{i + 1}) ^ 3" for i in range(29)) + " == 1_234_567\n"


@pytest.mark.parametrize("forks", [pytest.param(True, marks=pytest.mark.skipif(not FORKS, reason="no forks")), False])
def test_a_text_is_proved_as_alone_whatever_was_proved_or_ended_before(forks: bool) -> None:
    async def scenario() -> None:
        prover = Prover(forks)
        first = await within(prove(prover, GOOD))
        assert [feasible(p) for p in first] == [None, 1, 1, 1, 1] and [p.open for p in first] == [True] * 4 + [False]
        assert first[0].diagnostics == first[1].diagnostics and len(first[0].diagnostics) == 2
        assert prover.spare is not None
        used = await prover.spare
        async with aclosing(prover.prove(Document("untitled:s", GOOD, 2, None), {})) as found:
            async for _ in found:
                break  # the text has changed: nobody waits for the count
        late = asyncio.create_task(prove(prover, FOREVER))
        await asyncio.sleep(1)
        late.cancel()
        again = await within(prove(prover, "# moved\n" + GOOD))
        assert [feasible(p) for p in again] == [None, 1, 1, 1, 1]
        spans = [[d.span.start for d in p.diagnostics] for p in (first[0], again[0])]
        assert spans[1] == [start + len("# moved\n") for start in spans[0]]
        if forks:
            assert await prover.spare is used, "one process proves all"
        else:
            assert await within(used.process.wait()) != 0
        last = await prover.spare
        await within(prover.close())
        assert last.process.returncode is not None

    asyncio.run(scenario())


@pytest.mark.skipif(not FORKS, reason="one process for each job")
def test_jobs_do_not_wait_for_each_other_and_an_ended_process_is_replaced() -> None:
    async def scenario() -> None:
        prover = Prover()
        late = asyncio.create_task(prove(prover, FOREVER, "untitled:late"))
        await asyncio.sleep(0.5)
        found = await within(asyncio.gather(*(prove(prover, GOOD, f"untitled:{n}") for n in range(3))))
        assert all(feasible(proved[-1]) == 1 for proved in found) and not late.done()
        assert prover.spare is not None
        process = await prover.spare
        children = Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children")
        ids = children.read_text().split() if children.exists() else []
        process.process.kill()
        ended = await within(late)  # it is told, and not for ever waited for
        assert not ended[-1].open and ended[-1].counts is None
        while any(Path(f"/proc/{pid}/stat").exists() for pid in ids):  # what it had begun ends with it
            await asyncio.sleep(0.05)
        assert feasible((await within(prove(prover, GOOD)))[-1]) == 1
        assert await prover.spare is not process
        prover.forget("untitled:s")
        await within(prover.close())

    asyncio.run(asyncio.wait_for(scenario(), 100))


def test_what_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "SECONDS", 2.0)

    async def scenario() -> None:
        prover = Prover()
        assert not (await within(prove(prover, FOREVER)))[-1].open
        monkeypatch.setattr(proofs, "SECONDS", 100.0)
        assert feasible((await within(prove(prover, GOOD)))[-1]) == 1
        await within(prover.close())

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
