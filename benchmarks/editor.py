"""How long an editor waits: random edits in a spec of 1,000 lines, through a real client and pipes.

The spec has a network of stages with alternatives, bits per layer, an accelerator that maps each work, searches, and
banks of memory with decisions, quantities and requirements of their own. Each edit, one sign put in place of up to two,
anywhere, is answered before the next; every second one takes the edit before it back, so that broken texts and sound
ones take turns. What is taken back was known a moment ago, which flatters the whole: fresh edits are told apart.

Times are a client's, from sending an edit to the answer for that very text: diagnostics (syntax, names, types), then,
after `--proofs` sound edits more, proofs. The pause before proofs begin is part of their time. On Linux also the
processor time that was taken for each, which says what a machine with nothing else to do needs.

    python benchmarks/editor.py [--edits 200] [--lines 1000] [--proofs 10] [--seed 0]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from lsprotocol import types
from pygls.lsp.client import LanguageClient

CHARACTERS = "abcz019 +*(){},=.\n"
STAGES = 12

HEAD = """language 1
space large "A network, its bits and an engine, with every bank of memory written out"

import std.tasks
import std.images
import std.learn
import std.works
import std.energy(sram_density = 0.25 um2 / bit) as tech

"""
PARAMS = """param width{n} = {wide}                    "channels of stage {n}"
param reach{n} = {reach}
"""
STAGE = """def stage{n}(x: tensor[c, h, w], out: int, stride = 1) "stage {n}" {{
    kernel = choose kernel {{3, 5}}
    y = choose first {{
        plain = conv_norm(x, out, kernel = kernel, stride = stride)
        wide  = conv_norm(x, out, kernel = 7, stride = stride)
    }}
    z = choose second {{
        conv = conv_norm(y, out)        # at full cost
        deep = relu(norm(depthwise(y, kernel = kernel)))
        skip = y
    }}
    relu(add(y, z))
}}
"""
ENGINE = """precision of net { both = choose {4, 6, 8} bit per layer }

accelerator engine(macs = 4_096) "a dense array" {
    rows, cols = choose 4..64 step 4
    lanes      = choose {1, 2, 4, 8, 16}
    buffer     = choose {64, 128, 256, 512} KiB
    require rows * cols + lanes <= macs          "the multipliers of the board"
    area = (rows * cols + lanes) * tech.mac_area(8 bit) + tech.sram_area(buffer)
    on matmul(m, k, n, wbits, abits) {
        tile    = map {16, 64, 256, 1_024}       # rows held at once
        require tile * k * abits + k * cols * wbits <= buffer * 64
        cycles  = ceil(m / rows) * ceil(n / cols) * k
        fetched = k * n * ceil(m / tile) * wbits
        energy  = m * k * n * tech.mac_energy(wbits, abits) + (m * k * abits + fetched) * tech.dram
        minimize cycles * energy
    }
    cycles  = sum(works.cycles)
    energy  = sum(works.energy)
    latency = cycles / clock
}
board = engine(macs = 2_048)
require board.area <= die                       "the die"
require board.latency <= 1 s
minimize error(photos)
minimize board.energy * board.latency           "energy-delay product"

"""
BANK = """bank{n}  = choose {{1, 2, 4, 8}} KiB
ways{n}  = choose 1..8
lines{n} = bank{n} / (64 byte) * ways{n}
cost{n}  = tech.sram_area(bank{n} * ways{n}) + {n} um2
require lines{n} >= width{stage}                    "a row of stage {stage} fits bank {n}"
"""
TAIL = """total = cost1 + cost2 + cost3 + cost4
require total <= die
search {
    epochs = 10; batch = 64
    loss   = cross_entropy() + 0.1 * log(board.energy / 1 uJ)
    optimiser = sgd(0.1)
    net by gumbel()
    board by das(samples = 8)
}
train of net { epochs = 10; optimiser = sgd(0.1) }
"""


def spec(lines: int) -> str:
    """A space of as many lines, 300 at least."""
    numbers = range(1, STAGES + 1)
    text = HEAD + "".join(PARAMS.format(n=n, wide=16 * (1 + n // 2), reach=2 + n % 3) for n in numbers)
    text += 'param die = 40 mm2                             "what we can afford"\nparam clock = 500 MHz\n\n'
    text += "photos = cifar10()\n\n# What a stage is made of: a reduction, and a block that may be skipped.\n"
    text += "".join(STAGE.format(n=n) for n in numbers)
    text += "\nnetwork net(x: photos.pixels) -> tensor[photos.classes] {\n"
    text += "    stem = conv_norm(x, out = 16)\n    x    = stem\n"
    for n in numbers:
        stride = 2 if n in (3, 6, 9) else 1
        text += f"    # stage {n}\n    x = stage{n}(x, out = width{n}, stride = {stride})\n"
    text += "    linear(global_pool(x), out = photos.classes)\n}\n" + ENGINE
    left = lines - text.count("\n") - TAIL.count("\n")
    banks = ""
    n = 0
    while banks.count("\n") + 9 <= left:
        n += 1
        stage = 1 + n % STAGES
        banks += f"\n# ---- the memory of bank {n}\n" if n % 6 == 0 else ""
        banks += BANK.format(n=n, stage=stage)
        if n % 2:
            banks += f"require cost{n} <= die / {100 + n} when ways{n} > reach{stage}\n"
        else:
            banks += f"hot{n} = if ways{n} > {n % 5 + 1} then cost{n} * reach{stage} else cost{n}\n"
    banks += "# there is no other bank\n" * (left - banks.count("\n"))
    return text + banks + TAIL


class Editor:
    """One session with a server, and one document that is edited in it."""

    def __init__(self, text: str) -> None:
        self.client = LanguageClient("benchmark", "1")
        self.told: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self.text = text
        self.uri = ""
        self.version = 0
        self.old = 0
        self.worked: list[float] = []
        self.proving: list[float] = []

        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def tell(params: types.PublishDiagnosticsParams) -> None:
            self.told.put_nowait(params)

    async def open(self, folder: str) -> None:
        await self.client.start_io(sys.executable, "-m", "cospace", "lsp")
        await self.client.initialize_async(types.InitializeParams(types.ClientCapabilities()))
        self.client.initialized(types.InitializedParams())
        self.uri = (Path(folder) / "large.cospace").as_uri()
        opened = types.TextDocumentItem(self.uri, "cospace", 0, self.text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(opened))
        await self.told.get()

    async def edit(self, start: int, end: int, new: str) -> float:
        """Seconds from sending an edit to the diagnostics of its text."""
        places = types.Range(place(self.text, start), place(self.text, end))
        change = types.TextDocumentContentChangePartial(places, new)
        self.text = self.text[:start] + new + self.text[end:]
        self.version += 1
        before = self.processor_time()
        begin = time.perf_counter()
        document = types.VersionedTextDocumentIdentifier(self.version, self.uri)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
        await self.answer()
        took = time.perf_counter() - begin
        self.worked.append(self.processor_time() - before)
        return took

    def processor_time(self, below: bool = False) -> float:
        """Seconds that the server has run, and with `below` what it started; 0 where the system doesn't say."""
        server = getattr(self.client, "_server", None)
        return 0.0 if server is None else ran(server.pid, below)

    async def answer(self) -> None:
        """The next answer for the text as it stands; those for older ones are counted."""
        while (await self.told.get()).version != self.version:
            self.old += 1

    async def close(self) -> None:
        await self.client.shutdown_async(None)
        self.client.exit(None)
        await self.client.stop()


def ran(pid: int, below: bool) -> float:
    """Seconds that a process has run, and those below it, gone or not."""
    process = Path(f"/proc/{pid}")
    try:
        found = sum(int(thread.read_text().split()[0]) for thread in process.glob("task/*/schedstat")) / 1e9
        if below:
            gone = (process / "stat").read_text().rpartition(")")[2].split()[13:15]
            found += sum(map(int, gone)) / os.sysconf("SC_CLK_TCK")
            children = " ".join(c.read_text() for c in process.glob("task/*/children")).split()
            found += sum(ran(int(child), True) for child in children)
    except OSError:  # it has ended, or the system has no such files
        return 0.0
    return found


def place(text: str, offset: int) -> types.Position:
    return types.Position(text.count("\n", 0, offset), offset - text.rfind("\n", 0, offset) - 1)


async def measure(editor: Editor, edits: int, proofs: int, seed: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds to the diagnostics of edits, of those that take one back, and to the proofs of sound texts."""
    rng = random.Random(seed)
    fresh: list[float] = []
    back: list[float] = []
    proved: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        await editor.open(folder)
        while len(fresh) + len(back) < edits:
            start = rng.randrange(len(editor.text))
            end, new = min(len(editor.text), start + rng.randrange(3)), rng.choice(CHARACTERS)
            old = editor.text[start:end]
            fresh.append(await editor.edit(start, end, new))
            back.append(await editor.edit(start, start + len(new), old))
        for number in range(proofs):
            at = editor.text.index("param die = ") + len("param die = ")
            begin, before = time.perf_counter(), editor.processor_time(below=True)
            await editor.edit(at, editor.text.index(" mm2", at), str(41 + number))
            await editor.answer()
            proved.append(time.perf_counter() - begin)
            editor.proving.append(editor.processor_time(below=True) - before)
        await editor.close()
    return fresh, back, proved


def spell(times: list[float]) -> str:
    times = sorted(times)
    half, most, longest = (times[int((len(times) - 1) * share)] * 1e3 for share in (0.5, 0.95, 1.0))
    return f"half within {half:.0f} ms, 95 % within {most:.0f} ms, all within {longest:.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--lines", type=int, default=1_000)
    parser.add_argument("--proofs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    editor = Editor(spec(options.lines))
    fresh, back, proved = asyncio.run(measure(editor, options.edits, options.proofs, options.seed))
    print(f"{len(fresh) + len(back)} edits in {editor.text.count(chr(10)):,} lines: {spell(fresh + back)}")
    print(f"  fresh ones: {spell(fresh)}")
    print(f"  taken back: {spell(back)}")
    if any(editor.worked):
        print(f"the server's processor time for these: {spell(editor.worked[: len(fresh) + len(back)])}")
    if proved:
        print(f"proofs of {len(proved)} sound texts: {spell(proved)}")
        if any(editor.proving):
            print(f"  processor time of all processes for these, without the pause: {spell(editor.proving)}")
    print(f"answers for an older text: {editor.old}")


if __name__ == "__main__":
    main()
