"""Recipes by name, and the texts that need no labels."""

from __future__ import annotations

import sys

import pytest

import kerastx_export
from kerastx_export.probe_texts import ODD_TEXTS, probe_texts
from kerastx_export.recipes import RECIPES, recipe_named


def test_a_recipe_is_found_by_its_name():
    assert [recipe_named(name).name for name in RECIPES] == ["fp32", "fp16", "dynamic_wi8_afp32"]
    assert recipe_named("fp16").weight_dtype == "float16"


def test_an_unknown_recipe_is_told_with_the_known_ones():
    with pytest.raises(ValueError, match=r"^recipe must be one of fp32, fp16, dynamic_wi8_afp32, got 'int4'\.$"):
        recipe_named("int4")


def test_probe_texts_are_the_same_every_time_and_differ_from_each_other():
    texts = probe_texts()
    assert texts == probe_texts()
    assert len(texts) == len(ODD_TEXTS) + 192 == len(set(texts))
    assert all(7 <= len(text) <= 700 for text in texts[len(ODD_TEXTS) :])


def test_probe_texts_do_without_the_help_of_python(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    assert probe_texts() == list(ODD_TEXTS)


def test_an_unknown_public_name_is_told():
    with pytest.raises(AttributeError, match=r"has no attribute 'exprot'; it has export_checkpoint, verify_file\.$"):
        kerastx_export.exprot  # noqa: B018
