"""Rules of the house that a reader of one file cannot see: forbidden calls, sizes, names, secrets."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCES = sorted([*(ROOT / "core").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py")])
FORBIDDEN_CALLS = {
    "pickle.load", "pickle.loads", "joblib.load", "torch.load", "torch.jit.load", "pd.read_pickle", "yaml.load", "eval", "exec",
    "SimpleITK.ReadImage", "st.html", "os.system", "print",
}  # fmt: skip
FORBIDDEN_ARGUMENTS = {"allow_pickle": True, "unsafe_allow_html": True, "force": True, "shell": True}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_f108_f121_no_file_makes_a_call_that_can_run_foreign_code(path: Path) -> None:
    for call in calls(path):
        assert dotted(call.func) not in FORBIDDEN_CALLS, f"{path.name}:{call.lineno} calls {dotted(call.func)}"
        for argument in call.keywords:
            value = argument.value.value if isinstance(argument.value, ast.Constant) else None
            forbidden = FORBIDDEN_ARGUMENTS.get(argument.arg or "")
            assert not (forbidden is not None and value is forbidden), f"{path.name}:{call.lineno} sets {argument.arg}=True"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_500_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_writes_go_through_the_one_door() -> None:
    raw = re.compile(r"\.(write_text|write_bytes|to_csv|to_parquet|to_json)\(|open\([^)]*[\"'][wax]b?[\"']")
    allowed = {"core/storage/atomic.py", "core/storage/download.py", "core/storage/results.py"}
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        if name in allowed or name.startswith("dashboard/"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not raw.search(line), f"{name}:{number} writes by itself: {line.strip()}"


def test_half_of_all_functions_have_at_most_12_lines() -> None:
    lengths = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lengths.append((body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0)
    assert sorted(lengths)[len(lengths) // 2] <= 12


def test_no_tracked_file_names_a_path_of_a_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    pattern = re.compile(r"(^|[^A-Za-z0-9_.])/(work|root|home)/")
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".json", ".txt", ".csv"} and path.exists():
            assert not pattern.search(path.read_text(encoding="utf-8", errors="replace")), name


def test_listing_the_plug_ins_imports_no_network_library() -> None:
    code = (
        "import sys\nfrom core.datasets import DATASETS\nfrom core.outcomes import PREDICTORS\n"
        "assert len(DATASETS.names()) >= 3 and len(PREDICTORS.names()) >= 15\n"
        "heavy = {'torch', 'timm', 'monai', 'shap', 'lightgbm', 'interpret'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
