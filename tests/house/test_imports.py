"""Nothing flows back down: who may import whom, and that torch is loaded only to run something."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {
    "grammar": {"cospace.dsl", "cospace.compiler", "cospace.lsp", "cospace.runtime", "cospace.cli"},
    "dsl": {
        "cospace.compiler",
        "cospace.lsp",
        "cospace.runtime",
        "cospace.cli",
        "numpy",
        "z3",
        "torch",
        "rich",
        "typer",
    },
    "compiler": {"cospace.runtime", "cospace.lsp", "cospace.cli", "torch", "rich", "typer"},
    "lsp": {"cospace.runtime", "cospace.cli", "torch", "rich", "typer"},
    "runtime": {"cospace.cli", "cospace.lsp", "typer"},
    "checker": {"cospace", "numpy", "z3"},
    "cli": {"torch", "torch_geometric", "matplotlib", "sklearn"},
}
OUTSIDE: dict[str, set[str]] = {
    "checker": set(),
    "dsl": {"attrs", "attr", "lark"},
    "compiler": {"attrs", "attr", "llvmlite", "numpy", "onnx", "z3"},
}


def imported(path: Path) -> set[str]:
    """Every module that the file imports, at the top or late."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if path.parent == ROOT / "checker" and (node.level or f"{node.module}.py" in os.listdir(path.parent)):
                continue  # its files stand beside each other, as a package or alone
            assert node.level == 0, f"{path}: a relative import"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_nothing_flows_back_down(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        for name in imported(path):
            below = [bad for bad in FORBIDDEN[folder] if name == bad or name.startswith(bad + ".")]
            assert not below, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("folder", OUTSIDE)
def test_only_the_parts_that_were_chosen(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        for name in imported(path):
            top = name.split(".")[0]
            known = top in sys.stdlib_module_names or top == "cospace" or top in OUTSIDE[folder]
            assert known, f"{path.relative_to(ROOT)} imports {name}"


def test_only_a_process_of_its_own_reads_models() -> None:
    """What a stranger's model does to the parser of `onnx` ends with that process; nobody else needs the package."""
    users = {p.name for p in (ROOT / "compiler").rglob("*.py") if any(n.split(".")[0] == "onnx" for n in imported(p))}
    assert users == {"onnx_reader.py"}


def test_the_command_line_loads_runtime_late() -> None:
    """No file of cli/ imports runtime/ or what is heavy at its top."""
    for path in sorted((ROOT / "cli").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
                assert not module.startswith("cospace.runtime"), f"{path.name} imports {module} at its top"


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'z3', 'numpy', 'lark', 'matplotlib', 'sklearn', 'pygls'}"
    assert run_python(f"import cospace.cli.main, sys; print(sorted({heavy} & set(sys.modules)))").strip() == "[]"


@pytest.mark.parametrize("verb", [["check"], ["count"], ["sample", "-n", "2"], ["compile"]])
def test_answers_never_load_torch(verb: list[str]) -> None:
    spec = next(iter(sorted((ROOT / "specs").glob("*.cospace"))))
    code = (
        "import sys\nfrom cospace.cli.main import app\n"
        f"sys.argv = ['cospace', *{verb[:1]!r}, {str(spec)!r}, *{verb[1:]!r}]\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert end.code in (0, None), end.code\n"
        "print('torch' in sys.modules)\n"
    )
    assert run_python(code).splitlines()[-1] == "False"


def test_only_one_room_makes_machine_code() -> None:
    """It is an extra: all else runs without."""
    for path in sorted((ROOT / "compiler").rglob("*.py")):
        if any(name.split(".")[0] == "llvmlite" for name in imported(path)):
            assert path.parent.name == "native", f"{path.relative_to(ROOT)} imports llvmlite"
