"""Rules that a reader can rely on: no system is known by name, nothing runs text or pickles, files stay readable."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("grammar", "dsl", "compiler", "lsp", "runtime", "cli", "checker")
SYSTEMS = {
    "gcos", "auto_nba", "dance", "hw_nas_bench", "instantnet", "o_has", "r2s", "rst", "rt_rcg", "two_in_one", "a3c_s",
    "g_cos", "autonba", "rtrcg", "a3cs", "ohas", "hwnasbench",
}  # fmt: skip


def files_of(*folders: str, suffixes: tuple[str, ...] = (".py",)) -> list[Path]:
    return [
        p
        for folder in folders
        for p in sorted((ROOT / folder).rglob("*"))
        if p.suffix in suffixes and "__pycache__" not in p.parts
    ]


def test_no_file_knows_a_system() -> None:
    names = SYSTEMS | {p.stem for p in (ROOT / "specs").glob("*.cospace")}
    words = {name for n in names for name in (n, n.replace("_", "-"))}
    pattern = re.compile(r"(?<![A-Za-z0-9_-])(" + "|".join(sorted(map(re.escape, words))) + r")(?![A-Za-z0-9_-])", re.I)
    for path in files_of(*CODE, suffixes=(".py", ".lark", ".md")):
        text = path.read_text(encoding="utf-8")
        found = pattern.search(path.stem) or pattern.search(text)
        assert not found, f"{path.relative_to(ROOT)} names {found.group() if found else ''}"


def test_nothing_runs_text_or_pickles() -> None:
    """No eval, exec, compile of text, pickle, or torch.load; `re.compile` and `torch.compile` are not meant."""
    for path in files_of(*CODE, "python", "benchmarks", "tests"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__") or "tests" in path.parts, where
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                assert (owner, node.func.attr) not in {("torch", "load"), ("torch", "save"), ("os", "system")}, where
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                banned = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
                assert not banned & {n.split(".")[0] for n in names}, where
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, where


@pytest.mark.parametrize(
    "path", files_of(*CODE, "python", "tests", "benchmarks"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_files_are_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 500, "more than 500 lines"
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "no docstring says what the module owns"


def test_every_package_is_shipped() -> None:
    """The list in pyproject.toml names every folder of Python files, and nothing else."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = set(re.findall(r'"([\w.]+)"', text.partition("packages = [")[2].partition("]")[0]))
    present = {"cospace"}
    for folder in (*CODE, "specs"):
        for init in (ROOT / folder).rglob("__init__.py"):
            present.add(".".join(("cospace", *init.parent.relative_to(ROOT).parts)))
        for path in (ROOT / folder).rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), f"{path.relative_to(ROOT)} is in no package"
    assert listed == present


def test_what_is_written_speaks_of_the_thing_alone() -> None:
    """No machine's path in anything that is kept."""
    for path in files_of(*CODE, "specs", "docs", "tests", "benchmarks", suffixes=(".py", ".md", ".cospace", ".lark")):
        if path == Path(__file__).resolve():
            continue
        assert b"/work/" not in path.read_bytes(), path.relative_to(ROOT)


def test_every_data_file_is_shipped() -> None:
    """Files that the code reads beside itself are package data."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.setuptools.package-data]")[2]
    patterns: dict[str, list[str]] = {}
    for name, listed in re.findall(r'^"?([\w.]+)"? = \[(.*?)\]', text.partition("\n[")[0], re.M):
        patterns[name] = re.findall(r'"([^"]+)"', listed)
    for path in files_of(*CODE, "specs", suffixes=(".cospace", ".lark", ".md", ".csv", ".json")):
        folder = path.relative_to(ROOT).parts[0]
        inside = path.relative_to(ROOT / folder)
        assert any(inside.match(p) for p in patterns.get(f"cospace.{folder}", [])), f"{folder}/{inside} is not shipped"
