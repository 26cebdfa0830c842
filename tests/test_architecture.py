"""The house rules as tests: doors, walls, what a process loads, what a file may hold."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "desktop_slm"
MAX_LINES = 500

WALLS = {
    "PySide6": "gui/",
    "shiboken6": "gui/",
    "cryptography": "store/",
    "defusedxml": "documents/formats/",
    "docx": "documents/",
    "jinja2": "engine/rendering.py",
    "keyring": "store/keyring_wall.py",
    "llama_cpp": ("bench/bare_loop.py", "engine/"),
    "lxml": "documents/formats/",
    "markdown": "gui/markdown/",
    "markdown_it": ("documents/formats/markdown.py", "gui/markdown/"),
    "mdit_py_plugins": "gui/markdown/",
    "msgspec": "",
    "numpy": ("documents/", "engine/"),
    "platformdirs": "paths.py",
    "py3langid": "documents/language.py",
    "pypdfium2": "documents/formats/pdf.py",
    "pypdfium2_raw": "documents/formats/pdf.py",
    "sqlcipher3": "store/database.py",
}
"""Foreign library -> where it may be imported: a folder or a file. What is not listed may not be imported."""

ONE_FILE_EACH = ("keyring", "platformdirs", "py3langid", "pypdfium2", "sqlcipher3", "llama_cpp")

EVERY_EXCEPTION = {
    "gui/job.py": 1,  # any bug must reach the crash dialog
    "processes/child.py": 1,  # the last wall of a child
}


@functools.cache
def _modules() -> dict[str, ast.Module]:
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def _foreign(tree: ast.Module) -> Iterator[str]:
    """Yield the top-level names of everything imported that is neither Python's nor ours."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "desktop_slm":
                yield top


_LINT = "from importlinter.cli import lint_imports_command as run; run()"


def test_doors():
    command = [sys.executable, "-c", _LINT, "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert f"Contracts: {len(contracts)} kept, 0 broken" in done.stdout


def test_the_linter_sees_a_broken_door(tmp_path):
    """The test above proves something only if a wrong import fails it."""
    (tmp_path / "desktop_slm").mkdir()
    for name, text in {
        "__init__": "",
        "errors": "import desktop_slm.paths\n",
        "paths": "",
        "gui": "import PySide6\n",
    }.items():
        (tmp_path / "desktop_slm" / f"{name}.py").write_text(text)
    config = (
        '[tool.importlinter]\nroot_package = "desktop_slm"\n[[tool.importlinter.contracts]]\n'
        'name = "doors"\ntype = "layers"\ncontainers = ["desktop_slm"]\nexhaustive = true\n'
        'layers = ["gui", "paths", "errors"]\n'
    )
    (tmp_path / "pyproject.toml").write_text(config)
    command = [sys.executable, "-c", _LINT, "--no-cache"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "desktop_slm.errors is not allowed to import desktop_slm.paths" in done.stdout


def test_one_wall_per_foreign_library():
    wrong = []
    for name, tree in _modules().items():
        for library in _foreign(tree):
            allowed = WALLS.get(library)
            folders = (allowed,) if isinstance(allowed, str) else allowed or ()
            if not any(name.startswith(folder) for folder in folders):
                wrong.append(f"{name} imports {library}")
    assert not wrong


@pytest.mark.parametrize("library", ONE_FILE_EACH)
def test_one_file_imports_it(library):
    importers = {name for name, tree in _modules().items() if library in set(_foreign(tree))}
    if library == "llama_cpp":
        importers -= {"bench/bare_loop.py"}  # the benchmark's yardstick, in a child of its own
    assert len(importers) <= 1, importers


def test_two_places_catch_every_exception():
    found: dict[str, int] = {}
    for name, tree in _modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and _catches_everything(node):
                found[name] = found.get(name, 0) + 1
    assert found == EVERY_EXCEPTION


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler keeps any exception from going on."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
    if None not in kinds and not names & {"Exception", "BaseException"}:
        return False
    if "Exception" in names:
        return True
    goes_on = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    handed_on = any(
        isinstance(node, ast.Attribute) and node.attr == "set_exception" for node in ast.walk(handler)
    )
    return not (goes_on or handed_on)


def test_files_stay_readable():
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), ROOT / "dev.py"]
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not long


def test_no_drawers():
    """Modules are named by what they hold."""
    drawers = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    assert not [name for name in _modules() if Path(name).stem in drawers]


def _loaded_by(code: str) -> set[str]:
    """Run ``code`` in a fresh interpreter and return the top-level modules it has loaded."""
    code += "\nimport sys; print(' '.join({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"llama_cpp", "pypdfium2", "pypdfium2_raw", "docx", "lxml", "numpy", "py3langid", "llm", "gguf"}


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("desktop_slm.__main__", HEAVY | {"PySide6", "msgspec", "sqlcipher3", "keyring", "asyncio"}),
        ("desktop_slm.app", HEAVY | {"PySide6"}),
        ("desktop_slm.cli.main", HEAVY | {"PySide6"}),
        ("desktop_slm.gui.main_window", HEAVY),
        ("desktop_slm.engine.worker", {"PySide6", "shiboken6", "sqlcipher3", "keyring", "pypdfium2", "docx"}),
        ("desktop_slm.documents.reader_main", {"PySide6", "shiboken6", "sqlcipher3", "keyring", "llama_cpp"}),
    ],
)
def test_what_a_process_loads(module, absent):
    assert not _loaded_by(f"import {module}") & absent


def test_an_open_app_is_light_too():
    code = (
        "import tempfile\nfrom pathlib import Path\nfrom desktop_slm.app import App\n"
        "from desktop_slm.paths import Paths\nfolder = tempfile.TemporaryDirectory()\n"
        "app = App(Paths.under(Path(folder.name)), incognito=True)\napp.open()\napp.model_list()\n"
        "app.close()\nfolder.cleanup()"
    )
    assert not _loaded_by(code) & (HEAVY | {"PySide6"})
