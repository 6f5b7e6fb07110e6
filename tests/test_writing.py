"""The public names of models that write: lazy, documented, and importing them costs nothing."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

from kerastx import writing


def test_the_list_is_sorted_and_the_docstring_names_all_of_it():
    assert sorted(writing.__all__) == writing.__all__
    assert set(writing.__all__) == set(writing._HOMES)
    assert [name for name in writing.__all__ if not re.search(rf"\b{name}\b", writing.__doc__)] == []
    assert set(writing.__all__) <= set(dir(writing))


@pytest.mark.parametrize("name", writing.__all__)
def test_every_name_resolves_to_something_documented_and_short(name):
    value = getattr(writing, name)
    assert callable(value)
    assert inspect.getdoc(value)
    parameters = [one for one in inspect.signature(value).parameters.values() if one.name != "self"]
    assert sum(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in parameters) <= 3


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(AttributeError, match="no attribute 'GPT'; it has .*LanguageModel"):
        _ = writing.GPT


def test_importing_it_loads_nothing_heavy():
    code = "import sys; from kerastx import writing; print(sorted({'keras', 'tensorflow', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
