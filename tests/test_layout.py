"""The package's one rule: what a result depends on stands apart from the tools that read it."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "src" / "fashion_cnn"
PIPELINE = sorted(
    path
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "stages").glob("*.py")]
    if not path.is_relative_to(PACKAGE / "tools") and path != PACKAGE / "__main__.py"
)


def imported(path: Path) -> set[str]:
    """The modules that a file names in its imports, wherever they stand."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: write imports in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", PIPELINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_pipeline_never_imports_a_tool(path: Path) -> None:
    assert not [name for name in imported(path) if name.startswith("fashion_cnn.tools")]


@pytest.mark.parametrize("path", sorted((ROOT / "stages").glob("*.py")), ids=lambda path: path.stem)
def test_a_stage_script_fits_in_35_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 35


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_an_init_file_hands_names_on_and_holds_no_logic(path: Path) -> None:
    allowed = (ast.Import, ast.ImportFrom)
    for node in ast.parse(path.read_text()).body:
        listed = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert isinstance(node, allowed) or listed or docstring, ast.unparse(node)
