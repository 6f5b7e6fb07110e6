"""The public names: few, lazy, documented, and importing the package costs nothing."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

import kerastx

PUBLIC = [name for name in kerastx.__all__ if not name.startswith("__")]
# What takes or gives arrays says dtype and shape in its docstring.
WITH_ARRAYS = [
    "Tokenizer",
    "build_classifier",
    "build_pretrainer",
    "build_sentence_encoder",
    "build_tagger",
    "classification_dataset",
    "pretraining_dataset",
    "similarity_dataset",
    "tagging_dataset",
]


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_the_list_is_sorted_and_fits_on_a_page():
    assert sorted(kerastx.__all__) == kerastx.__all__
    assert len(kerastx.__all__) <= 40
    assert set(kerastx.__all__) == {"__version__", *kerastx._HOMES}


def test_the_package_docstring_names_every_public_name():
    assert [name for name in PUBLIC if not re.search(rf"\b{name}\b", kerastx.__doc__)] == []


def test_dir_shows_every_public_name():
    assert set(kerastx.__all__) <= set(dir(kerastx))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'Tokeniser'; it has .*Tokenizer"):
        _ = kerastx.Tokeniser


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_resolves_to_something_documented(name):
    value = getattr(kerastx, name)
    assert callable(value)
    assert value.__module__.split(".")[0] == kerastx._HOMES[name].split(":")[0].split(".")[0]
    assert inspect.getdoc(value), f"kerastx.{name} has no docstring"
    assert getattr(kerastx, name) is value  # kept, not imported anew


@pytest.mark.parametrize("name", WITH_ARRAYS)
def test_arrays_are_described_by_dtype_and_shape(name):
    value = getattr(kerastx, name)
    members = (
        [value, *(m for k, m in vars(value).items() if not k.startswith("_"))] if inspect.isclass(value) else [value]
    )
    text = "\n".join(inspect.getdoc(member) or "" for member in members)
    assert re.search(r"\b(u?int\d+|float\d*|bool)\b", text), f"kerastx.{name}: no dtype in\n{text}"
    assert re.search(r"\(k?[BTLNV],[^)]*\)", text), f"kerastx.{name}: no shape in\n{text}"


@pytest.mark.parametrize("name", PUBLIC)
def test_signatures_are_short_and_typed(name):
    value = getattr(kerastx, name)
    parameters = [p for p in inspect.signature(value).parameters.values() if p.name != "self"]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    assert len(positional) <= 3, f"kerastx.{name} takes {len(positional)} positional parameters"
    untyped = [p.name for p in parameters if p.annotation is p.empty and p.kind is not p.VAR_KEYWORD]
    assert untyped == [], f"kerastx.{name} has parameters without a type"


def test_importing_the_package_loads_nothing_else():
    done = run_python(
        "import sys; before = set(sys.modules); import kerastx\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    assert done.stdout.strip() == "['kerastx']", done.stderr


def test_a_light_name_does_not_load_a_heavy_one():
    done = run_python(
        "import sys, kerastx; kerastx.Tokenizer; kerastx.load; kerastx.EncoderConfig; kerastx.runtime.load\n"
        "print(sorted({'keras', 'tensorflow', 'onnxruntime', 'ai_edge_litert', 'torch'} & set(sys.modules)))"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_modules_are_reachable_from_the_package():
    done = run_python("import kerastx; print(kerastx.errors.KerastxError.__name__, kerastx.runtime.load.__name__)")
    assert done.stdout.split() == ["KerastxError", "load"], done.stderr
