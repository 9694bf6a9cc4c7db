"""Renaming and references: every name of two specs, through a real client and without one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file
from cospace.dsl.build import RESERVED
from cospace.lsp.analysis import Trees, load_document
from cospace.lsp.folder import Read, documents
from cospace.lsp.names import WORD, find, identity
from cospace.lsp.rename import Refused, Workspace, rename
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import LanguageClient

from tests.lsp import session
from tests.lsp.test_questions import edited

SPECS = Path(__file__).parent / "specs"
STANDARD = {"cycles", "wbits", "kit"}
"""Names of the language and of a file, which stand in the specs as if they were theirs."""


class Folder:
    """The specs of the tests, or other texts, in a folder of their own."""

    def __init__(self, folder: Path, texts: dict[str, str] | None = None) -> None:
        self.folder = folder
        for path in SPECS.glob("*.cospace") if texts is None else ():
            (folder / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        for name, text in (texts or {}).items():
            (folder / name).write_text(text, encoding="utf-8")
        self.workspace = Workspace(tuple(documents([folder], [])), {}, Trees())

    def read(self, name: str) -> Read:
        document = next(d for d in self.workspace.documents if d.path is not None and d.path.name == name)
        return Read(document, *load_document(document, {}, self.workspace.trees))

    def renamed(self, name: str, offset: int, new: str) -> dict[str, str]:
        """File -> its text after a rename, of those that change."""
        edits = rename(self.read(name), offset, new, self.workspace)
        return {e.document.path.name: e.after for e in edits if e.document.path is not None}


def names(read: Read) -> list[int]:
    """An offset of each name that the author's files declare."""
    seen, found = set(), []
    for m in WORD.finditer(read.loaded.root.text):
        declared = find(read.loaded, m.start()) if m.group() not in RESERVED | STANDARD else None
        declared = identity(declared, read.loaded) if declared is not None else None
        own = declared is not None and not declared.file.path.startswith("std/") and declared.name == m.group()
        if declared is not None and own and (declared.span, declared.name) not in seen:
            seen.add((declared.span, declared.name))
            found.append(m.start())
    return found


@pytest.mark.parametrize("name", ["top.cospace", "kit.cospace"])
def test_a_renamed_spec_is_the_same_up_to_the_name_and_can_be_renamed_back(name: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    before = {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir()}
    space = compile_file(tmp_path / "top.cospace").space
    assert space is not None
    offsets = names(folder.read(name))
    assert len(offsets) > 40
    for offset in offsets[:: len(offsets) // 4]:
        old = WORD.match(before[name], offset).group()  # type: ignore[union-attr]
        after = folder.renamed(name, offset, "fresh_one")
        assert after, old
        (tmp_path / "again").mkdir(exist_ok=True)
        again = Folder(tmp_path / "again", {**before, **after})
        other = compile_file(tmp_path / "again" / "top.cospace").space
        assert other is not None, old
        word = re.compile(r"\bfresh_one\b")
        assert [word.sub(old, d.path) for d in other.decisions] == [d.path for d in space.decisions], old
        assert [[word.sub(old, str(v)) for v in d.values] for d in other.decisions] == [
            [str(v) for v in d.values] for d in space.decisions
        ], old
        assert count(other).feasible == count(space).feasible, old
        assert [word.sub(old, r.reason) for r in other.requirements] == [r.reason for r in space.requirements], old
        moved = after[name].index("fresh_one")
        assert {**before, **after, **again.renamed(name, moved, old)} == before, old


REFUSALS = [
    ("x = 2\ny = x + 1\n", "x =", "y", "declared already"),
    ("x = 2\ny = x + 1\n", "x =", "choose", "reserved"),
    ("x = 2\ny = x + 1\n", "x =", "2x", "not a name"),
    ("x = 2\ny = x + 1\n", "x =", "a b", "not a name"),
    ("x = 2\ndef f(n) = n + x\ny = f(1)\n", "x =", "n", "would mean something else"),
    ("x = 2\ndef f(n) = n + x\ny = f(1)\n", "n) =", "x", "means something else"),
    ("x = 2\ndef f(n) = n + 1\ny = f(x)\n", "n) =", "x", "hides"),
    ("x = 2\ny = sum(i + x for i in 1..3)\n", "x =", "i", "would mean something else"),
    ("x = 2\ny = max(x, 3)\n", "x =", "max", "means something else"),
    ("import std.energy\nx = energy.sram\n", "sram", "mine", "standard library"),
    ("x = 2\ny = x + 1\n", "= 2", "z", "no name here"),
    ("x = 2\ny = max(x, 3)\n", "max", "most", "what declares `max`"),
    ("x = 2\ny = x + 1\nrequire y <= (\n", "x =", "z", "syntax error in line 4"),
    ("a = choose {one, two}\nrequire a == one\n", "one,", "two", "space"),
    ("accelerator e { r = choose {1, 2}; s = r }\nrequire e.r <= 1\n", "r =", "s", "declared already"),
]


@pytest.mark.parametrize(("body", "place", "new", "said"), REFUSALS)
def test_a_rename_that_would_change_more_is_refused(body: str, place: str, new: str, said: str, tmp_path: Path) -> None:
    text = 'space s "t"\n' + body
    folder = Folder(tmp_path, {"s.cospace": text})
    with pytest.raises(Refused) as refused:
        folder.renamed("s.cospace", text.index(place) + (place[0] == "="), new)
    assert said in str(refused.value) or said == "space"


def test_an_import_gets_another_name(tmp_path: Path) -> None:
    texts = {
        "s.cospace": 'space s "t"\nimport kit(most = 3)  # kit\nrequire kit.most <= 4\n',
        "kit.cospace": "param most = 2\n",
    }
    folder = Folder(tmp_path, texts)
    after = folder.renamed("s.cospace", texts["s.cospace"].index("kit.most"), "box")
    assert after == {"s.cospace": 'space s "t"\nimport kit(most = 3) as box  # kit\nrequire box.most <= 4\n'}
    again = Folder(tmp_path, after).renamed("s.cospace", after["s.cospace"].index("box"), "chest")
    assert again["s.cospace"].count("chest") == 2 and "box" not in again["s.cospace"]


async def test_a_client_renames_over_open_and_closed_files(client: LanguageClient, tmp_path: Path) -> None:
    parts = tmp_path / "parts.cospace"
    parts.write_text("# the edge\nedge = 4\narea = edge * edge\n")
    (tmp_path / "other.cospace").write_text('space o "t"\nimport parts\nn = choose {1, 2}\nrequire n <= parts.edge\n')
    text = 'space s "edge"\nimport parts\nrows = choose {1, 2}\nrequire rows <= parts.edge  # edge\n'
    client.workspace_did_change_workspace_folders(
        types.DidChangeWorkspaceFoldersParams(
            types.WorkspaceFoldersChangeEvent(added=[types.WorkspaceFolder(tmp_path.as_uri(), "t")], removed=[])
        )
    )
    uri = session.put(client, tmp_path / "s.cospace", text, 3)
    document, place = types.TextDocumentIdentifier(uri), types.Position(3, text.splitlines()[3].index("edge") + 2)
    asked = await client.text_document_prepare_rename_async(types.PrepareRenameParams(document, place))
    assert asked == types.Range(types.Position(3, 22), types.Position(3, 26))
    changes = (await client.text_document_rename_async(types.RenameParams(document, place, "side"))).document_changes
    told = {Path(c.text_document.uri).name: c for c in changes}
    assert {n: (c.text_document.version, len(c.edits)) for n, c in told.items()} == {
        "s.cospace": (3, 1), "parts.cospace": (None, 3), "other.cospace": (None, 1),
    }  # fmt: skip
    assert edited(text, told["s.cospace"].edits) == text.replace("parts.edge", "parts.side")
    found = await client.text_document_references_async(
        types.ReferenceParams(types.ReferenceContext(True), document, place)
    )
    assert sorted(Path(f.uri).name for f in found) == ["other.cospace"] + ["parts.cospace"] * 3 + ["s.cospace"]
    with pytest.raises(JsonRpcException, match="reserved"):
        await client.text_document_rename_async(types.RenameParams(document, types.Position(2, 1), "when"))
    with pytest.raises(JsonRpcException, match="word of the language"):
        await client.text_document_prepare_rename_async(types.PrepareRenameParams(document, types.Position(3, 2)))
