"""How long an editor waits for diagnostics: random edits in a spec of 1,000 lines, through a real client and pipes.

Each edit is answered before the next; every second one takes the edit before it back, so that broken texts and sound
ones take turns. A sound text is then one that was parsed before, which flatters the median. Prints percentiles of the
time from an edit to the diagnostics (syntax, names, types) of its text.

    python benchmarks/editor.py [--edits 200] [--lines 1000] [--seed 0]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from lsprotocol import types
from pygls.lsp.client import LanguageClient

CHARACTERS = "abcz019 +*(){},=.\n"


def spec(lines: int) -> str:
    """A space of as many lines: decisions, quantities, requirements."""
    text = ['space large "many small decisions"']
    for i in range((lines - 1) // 3):
        text += [f"d{i} = choose {{1, 2, 3, 4}}", f"q{i} = d{i} * 2 + {i}", f"require d{i} + q{i} <= {i} + 12"]
    return "\n".join(text) + "\n"


async def measure(edits: int, lines: int, seed: int) -> tuple[list[float], int]:
    """Seconds for each edit, and how many answers were for another text than the one asked about."""
    client = LanguageClient("benchmark", "1")
    told: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def tell(params: types.PublishDiagnosticsParams) -> None:
        told.put_nowait(params)

    await client.start_io(sys.executable, "-m", "cospace", "lsp")
    await client.initialize_async(types.InitializeParams(types.ClientCapabilities()))
    client.initialized(types.InitializedParams())
    text = spec(lines)
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        uri = (Path(folder) / "large.cospace").as_uri()
        opened = types.TextDocumentItem(uri, "cospace", 0, text)
        client.text_document_did_open(types.DidOpenTextDocumentParams(opened))
        await told.get()
        times, old, back = [], 0, None
        for version in range(1, edits + 1):
            if back is None:
                start = rng.randrange(len(text))
                end, new = min(len(text), start + rng.randrange(3)), rng.choice(CHARACTERS)
                back = (start, start + len(new), text[start:end])
            else:
                (start, end, new), back = back, None
            edit = types.TextDocumentContentChangePartial(types.Range(place(text, start), place(text, end)), new)
            text = text[:start] + new + text[end:]
            begin = time.perf_counter()
            document = types.VersionedTextDocumentIdentifier(version, uri)
            client.text_document_did_change(types.DidChangeTextDocumentParams(document, [edit]))
            while (await told.get()).version != version:
                old += 1
            times.append(time.perf_counter() - begin)
        await client.shutdown_async(None)
        client.exit(None)
        await client.stop()
    return times, old


def place(text: str, offset: int) -> types.Position:
    return types.Position(text.count("\n", 0, offset), offset - text.rfind("\n", 0, offset) - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--lines", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    times, old = asyncio.run(measure(options.edits, options.lines, options.seed))
    times.sort()
    half, most, longest = (times[int((len(times) - 1) * share)] * 1e3 for share in (0.5, 0.95, 1.0))
    print(f"{len(times)} edits in {options.lines} lines: half within {half:.0f} ms, 95 % within {most:.0f} ms,")
    print(f"all within {longest:.0f} ms; answers for an older text: {old}")


if __name__ == "__main__":
    main()
