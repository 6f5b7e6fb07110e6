"""The walls of the house: who may import whom, read from the sources, and what works without keras."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
MAX_LINES = 400
MAX_EXAMPLE_LINES = 180
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
UNSAFE_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
LIGHT_THIRD_PARTY = {"typer", "rich", "click"}


@dataclass(frozen=True)
class Unit:
    """What one unit may import besides the standard library, itself and `errors`."""

    inside: frozenset[str] = frozenset()
    third_party: frozenset[str] = frozenset()
    only_in: dict[str, str] = field(default_factory=dict)  # third-party module -> the one file that may import it


def unit(inside: str = "", third_party: str = "", **only_in: str) -> Unit:
    return Unit(frozenset(inside.split()), frozenset(third_party.split()), only_in)


# numpy is a base dependency; `layers` and `models` go without it, so that a layer serves every backend.
UNITS = {
    "errors": unit(),
    "artifact": unit(),
    "locks": unit(),
    "text": unit("", "numpy tokenizers"),
    "runtime": unit(
        "text artifact",
        "numpy",
        ai_edge_litert="kerastx/runtime/engines/litert.py",
        onnxruntime="kerastx/runtime/engines/onnx.py",
    ),
    "data": unit("text locks", "numpy scipy sklearn tensorflow tensorflow_text", py3langid="kerastx/data/language.py"),
    "layers": unit("", "keras"),
    "models": unit("layers", "keras numpy"),
    "checkpoint": unit(
        "text models runtime",
        "keras numpy safetensors",
        keras_nlp="kerastx/checkpoint/keras_nlp.py",
        huggingface_hub="kerastx/checkpoint/hub.py",
    ),
    "sources": unit("checkpoint runtime"),
    "training": unit(
        "models checkpoint",
        "keras numpy",
        tensorflow="kerastx/training/distribution.py",
        scipy="kerastx/training/baselines.py",
        sklearn="kerastx/training/baselines.py",
    ),
    "analysis": unit("text data models checkpoint runtime", "keras numpy", matplotlib="kerastx/analysis/drawing.py"),
    "kerastx_export": unit(
        "artifact text runtime data layers models checkpoint training analysis",
        "numpy scipy keras tensorflow "
        "ai_edge_litert ai_edge_quantizer flatbuffers onnx onnx_ir onnxruntime onnxscript tf2onnx",
    ),
}
# Composition roots: they import everything, but only when a verb runs or an attribute is asked for.
LAZY_UNITS = {"cli", "facade"}
LIGHT_ROOTS = ("kerastx", "kerastx.cli.app")


@dataclass(frozen=True)
class Import:
    line: int
    target: str  # absolute dotted name, the imported name included: `from a import b` -> a.b
    at_import_time: bool  # neither inside a function nor under TYPE_CHECKING


def module_of(path: str) -> str:
    """kerastx/text/tokenizer.py -> kerastx.text.tokenizer, export/kerastx_export/gate.py -> kerastx_export.gate."""
    return path.removeprefix("export/").removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def unit_of(module: str) -> str:
    """kerastx.text.tokenizer -> text, kerastx_export.gate -> kerastx_export, kerastx.NAME -> facade."""
    parts = module.split(".")
    if parts[0] != "kerastx":
        return parts[0]
    return parts[1] if len(parts) > 1 and parts[1] in {*UNITS, "cli"} else "facade"


def imports_of(path: str, tree: ast.AST) -> Iterator[Import]:
    """Every import of a file, wherever it stands, `importlib.import_module("...")` included."""
    module = module_of(path)
    package = module if path.endswith("/__init__.py") else module.rpartition(".")[0]

    def visit(node: ast.AST, at_import_time: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, at_import_time)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(node.lineno, f"{source}.{alias.name}", at_import_time)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield Import(node.lineno, argument.value, at_import_time)
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for name, value in ast.iter_fields(node):
            guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and name == "body"
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from visit(child, at_import_time and not later and not guarded)

    yield from visit(tree, True)


def import_violation(path: str, found: Import) -> str | None:
    """Say why this file may not import that, or None where it may."""
    here, there, root = unit_of(module_of(path)), unit_of(found.target), found.target.split(".")[0]
    if found.target.startswith("keras.src"):
        return "keras.src is private to keras"
    if root == "__future__" or (root in sys.stdlib_module_names and root not in UNSAFE_MODULES):
        return None
    if root in UNSAFE_MODULES:
        return f"{root} runs or trusts what it reads; use json, safetensors or numpy"
    if path.startswith("examples/"):
        public = root != "kerastx" or (found.target.count(".") < 2 and there == "facade")
        return None if public and root != "kerastx_export" else "examples use public names only: kerastx.NAME"
    if here in LAZY_UNITS or found.target == "kerastx.__version__" or there in {here, "errors"}:
        return None
    allowed = UNITS[here]
    if root in {"kerastx", "kerastx_export"}:
        if there in allowed.inside:
            return None
        return f"`{here}` may import {sorted(allowed.inside | {'errors'})} of this project, not `{there}`"
    if root in allowed.third_party or allowed.only_in.get(root) == path:
        return None
    if root in allowed.only_in:
        return f"{root} belongs in {allowed.only_in[root]} only"
    return f"`{here}` may import {sorted(allowed.third_party) or 'no third-party module'}, not {root}"


def unsafe_call(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}:
        return f"{node.func.id}() runs what it reads"
    for keyword in node.keywords:
        is_true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        if keyword.arg == "allow_pickle" and is_true:
            return "allow_pickle=True runs what it reads"
    return None


def check_file(path: str, source: str) -> list[str]:
    """Return what is wrong with one source file, as path:line: reason."""
    tree = ast.parse(source, path)
    wrong = []
    most = MAX_EXAMPLE_LINES if path.startswith("examples/") else MAX_LINES
    if (lines := source.count("\n")) > most:
        wrong.append(f"{path}:{most + 1}: {lines} lines; split before {most}")
    for part in Path(path).with_suffix("").parts:
        if VAGUE_NAMES & set(part.split("_")):
            wrong.append(f"{path}:1: `{part}` names no subject")
    for found in imports_of(path, tree):
        if reason := import_violation(path, found):
            wrong.append(f"{path}:{found.line}: {reason}")
    if unit_of(module_of(path)) == "layers":
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"keras.backend", "keras.src"}:
                wrong.append(f"{path}:{node.lineno}: layers reach the backend through keras.ops only")
    for node in ast.walk(tree):
        if reason := unsafe_call(node):
            wrong.append(f"{path}:{node.lineno}: {reason}")
    return wrong


def check_light_roots(sources: dict[str, str]) -> list[str]:
    """Follow what `import kerastx` and the command line load before a verb runs: light things only."""
    paths = {module_of(path): path for path in sources}
    waiting = [module for module in LIGHT_ROOTS if module in paths]
    seen, wrong = set(waiting), []
    while waiting:
        path = paths[waiting.pop()]
        for found in imports_of(path, ast.parse(sources[path], path)):
            root = found.target.split(".")[0]
            if not found.at_import_time or root == "__future__" or root in sys.stdlib_module_names:
                continue
            if unit_of(found.target) not in {*LAZY_UNITS, "errors"} and root not in LIGHT_THIRD_PARTY:
                wrong.append(f"{path}:{found.line}: {found.target} is loaded before a verb runs; move it inside")
            module = found.target if found.target in paths else found.target.rpartition(".")[0]
            if root == "kerastx" and module in paths and module not in seen and unit_of(module) in LAZY_UNITS:
                seen.add(module)
                waiting.append(module)
    return wrong


def sources(*folders: str) -> dict[str, str]:
    found = {
        path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8")
        for folder in folders
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
    }
    assert found, f"no sources in {folders}"
    return found


PACKAGES = ("kerastx", "export/kerastx_export")


def test_every_file_keeps_to_the_import_table():
    wrong = [line for path, source in sources(*PACKAGES, "examples").items() for line in check_file(path, source)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_nothing_heavy_is_imported_before_it_is_used():
    wrong = check_light_roots(sources("kerastx"))
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_folder_is_a_known_unit():
    entries = [p.stem for p in (REPOSITORY / "kerastx").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
    assert set(entries) - {"__init__"} <= {*UNITS, "cli", "writing"}  # the last is a facade, as `__init__`


def test_tests_stay_readable_too():
    wrong = [
        f"{path}: {source.count(chr(10))} lines; split before {MAX_LINES}"
        for path, source in sources("tests").items()
        if source.count("\n") > MAX_LINES
    ]
    assert not wrong, "\n" + "\n".join(wrong)


BLOCKER = """
import importlib, importlib.abc, pkgutil, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked: this unit must do without it")

BLOCKED = set(sys.argv[2].split(","))
sys.meta_path.insert(0, Blocked())
module = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(getattr(module, "__path__", []), module.__name__ + "."):
    if sys.argv[1] not in ("kerastx", "kerastx.cli") and ".engines." not in found.name:
        importlib.import_module(found.name)
assert not BLOCKED & set(sys.modules), BLOCKED & set(sys.modules)
"""
HEAVY = (
    "keras,tensorflow,tensorflow_text,torch,jax,sklearn,matplotlib,safetensors,onnx,tf2onnx,onnxruntime,ai_edge_litert"
)


@pytest.mark.parametrize(
    ("module", "also_blocked"),
    [
        ("kerastx", "numpy,tokenizers,typer,rich"),
        ("kerastx.errors", "numpy,tokenizers,typer,rich"),
        ("kerastx.artifact", "numpy,tokenizers,typer,rich"),
        ("kerastx.text", "typer,rich"),
        ("kerastx.runtime", "tokenizers,typer,rich"),
        ("kerastx.cli.app", "numpy,tokenizers"),
    ],
)
def test_light_units_load_without_keras_and_tensorflow(module, also_blocked):
    command = [sys.executable, "-c", BLOCKER, module, f"{HEAVY},{also_blocked}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_the_blocker_blocks():
    command = [sys.executable, "-c", BLOCKER, "kerastx.models.encoder", HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=120, check=False)
    assert done.returncode == 1
    assert "keras is blocked" in done.stderr


@pytest.mark.parametrize(
    ("path", "source", "reason"),
    [
        ("kerastx/errors.py", "import numpy", "no third-party module"),
        ("kerastx/artifact.py", "def f():\n    import flatbuffers", "artifact.py:2: .*flatbuffers"),
        ("kerastx/text/a.py", "import tensorflow as tf", "not tensorflow"),
        ("kerastx/text/a.py", "from kerastx.data.store import open_store", "not `data`"),
        ("kerastx/text/a.py", "from ..data import store", "not `data`"),
        ("kerastx/data/a.py", "from kerastx import models", "not `models`"),
        ("kerastx/data/a.py", "from kerastx import Tokenizer", "not `facade`"),
        ("kerastx/runtime/session.py", "def f():\n    import onnxruntime", "engines/onnx.py only"),
        (
            "kerastx/runtime/engines/onnx.py",
            "from ai_edge_litert import interpreter",
            "engines/litert.py only",
        ),
        ("kerastx/layers/a.py", "import numpy as np", "not numpy"),
        ("kerastx/layers/a.py", "from keras.src import backend", "private to keras"),
        ("kerastx/layers/a.py", "import keras\nkeras.backend.backend()", "a.py:2: .*keras.ops only"),
        ("kerastx/models/a.py", "from kerastx.checkpoint import store", "not `checkpoint`"),
        ("kerastx/training/losses.py", "import tensorflow as tf", "distribution.py only"),
        (
            "kerastx/training/a.py",
            "def f():\n  import importlib\n  importlib.import_module('torch')",
            ":3: .*torch",
        ),
        (
            "kerastx/checkpoint/a.py",
            "def f():\n    from kerastx_export import parity",
            "not `kerastx_export`",
        ),
        ("kerastx/analysis/a.py", "from matplotlib import pyplot", "drawing.py only"),
        ("kerastx/checkpoint/a.py", "import pickle", "pickle runs or trusts"),
        ("export/kerastx_export/a.py", "from kerastx.cli.app import main", "not `cli`"),
        ("export/kerastx_export/a.py", "import torch", "not torch"),
        ("examples/a.py", "from kerastx.data.store import open_store", "public names only"),
        ("examples/a.py", "import kerastx.data", "public names only"),
        ("kerastx/text/a.py", "import numpy\nnumpy.load('x', allow_pickle=True)", ":2: allow_pickle"),
        ("kerastx/text/a.py", "eval('1')", r"eval\(\) runs"),
        ("kerastx/text/text_utils.py", "", "`text_utils` names no subject"),
        ("kerastx/text/common/a.py", "", "`common` names no subject"),
        ("kerastx/text/a.py", "\n" * 401, "401 lines"),
        ("examples/a.py", "\n" * 181, "181 lines; split before 180"),
    ],
)
def test_a_breach_is_reported(path, source, reason):
    wrong = check_file(path, source)
    assert len(wrong) == 1, wrong
    assert re.search(reason, wrong[0]), wrong[0]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "kerastx/text/a.py",
            "import json\nimport numpy\nfrom kerastx.errors import DataError\nfrom . import tokenizer",
        ),
        (
            "kerastx/runtime/engines/litert.py",
            "def f():\n    from ai_edge_litert.interpreter import Interpreter",
        ),
        ("kerastx/training/baselines.py", "from sklearn.linear_model import LogisticRegression"),
        ("kerastx/cli/export.py", "def f():\n    from kerastx_export import export_checkpoint"),
        ("kerastx/checkpoint/a.py", "from kerastx import __version__"),
        ("export/kerastx_export/a.py", "import tensorflow as tf\nfrom kerastx.runtime import session"),
        ("examples/a.py", "import keras\nimport kerastx\nfrom kerastx import Tokenizer"),
        ("kerastx/models/a.py", "import re\nre.compile('x')\nmodel.eval()"),
    ],
)
def test_what_is_allowed_passes(path, source):
    assert check_file(path, source) == []


def test_a_heavy_import_before_a_verb_runs_is_reported():
    light = {"kerastx/__init__.py": "", "kerastx/cli/app.py": "import typer\nfrom kerastx.cli import run"}
    inside = "def run():\n    from kerastx.cli.run_work import work"
    work = {"kerastx/cli/run_work.py": "import keras\nfrom kerastx.models import encoder"}
    assert check_light_roots({**light, **work, "kerastx/cli/run.py": inside}) == []
    wrong = check_light_roots({**light, **work, "kerastx/cli/run.py": "from kerastx.cli.run_work import work"})
    assert [line.split(": ")[0] for line in wrong] == [
        "kerastx/cli/run_work.py:1",
        "kerastx/cli/run_work.py:2",
    ]
