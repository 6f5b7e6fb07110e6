"""The wheel, the editable install and the declared dependencies, checked offline with the build backend itself."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import hatchling.build
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import kerastx

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# The import names that differ from the distribution they come from.
DISTRIBUTIONS = {"sklearn": "scikit-learn"}
HEAVY = {"tensorflow", "keras", "torch", "onnx", "scikit-learn", "scipy", "h5py"}


def declared(extra: str | None = None) -> set[str]:
    """Names of the distributions that an extra (None: the base) asks for, `kerastx[...]` followed."""
    lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    names = set()
    for requirement in map(Requirement, lines):
        if requirement.name == "kerastx":
            names |= set().union(*map(declared, requirement.extras))
        else:
            names.add(canonicalize_name(requirement.name))
    return names


def with_dependencies(names: set[str]) -> set[str]:
    """Add everything that these installed distributions need in turn."""
    found, waiting = set(), set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        for requirement in map(Requirement, importlib.metadata.requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting |= {canonicalize_name(requirement.name)} - found
    return found


def link_distributions(names: set[str], folder: Path) -> None:
    """Make a site folder that holds exactly these installed distributions."""
    for name in names:
        for file in importlib.metadata.files(name) or []:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (folder / top).exists():
                (folder / top).symlink_to(Path(str(file.locate())).parents[len(file.parts) - 1] / top)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"), hatchling.build.build_wheel)


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def build(folder: Path, hook) -> Path:
    here = Path.cwd()
    os.chdir(REPOSITORY)  # what a build frontend does before it calls a hook
    try:
        return folder / hook(str(folder))
    finally:
        os.chdir(here)


def run_python(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code where `folder` is the only site folder: no packages of this environment, not even this checkout."""
    start = f"import sys, site; site.addsitedir({str(folder)!r})\n"
    command = [sys.executable, "-I", "-S", "-c", start + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120, check=False)


FIND_BOTH = """
import importlib.util, kerastx
print(kerastx.__file__)
print(importlib.util.find_spec("kerastx_export").origin)
"""


def test_the_wheel_gives_both_packages(unpacked):
    done = run_python(unpacked, FIND_BOTH)
    assert done.stdout.split() == [
        str(unpacked / "kerastx" / "__init__.py"),
        str(unpacked / "kerastx_export" / "__init__.py"),
    ], done.stderr


def test_the_editable_install_gives_both_packages(tmp_path):
    zipfile.ZipFile(build(tmp_path, hatchling.build.build_editable)).extractall(tmp_path)
    done = run_python(tmp_path, FIND_BOTH)
    assert done.stdout.split() == [
        str(REPOSITORY / "kerastx" / "__init__.py"),
        str(REPOSITORY / "export" / "kerastx_export" / "__init__.py"),
    ], done.stderr


def test_the_wheel_holds_the_sources_and_nothing_else(wheel):
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    sources = {
        path.relative_to(folder).as_posix()
        for folder in (REPOSITORY, REPOSITORY / "export")
        for package in ("kerastx", "kerastx_export")
        for path in (folder / package).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == sources
    assert {name.split("/")[0] for name in names} == {"kerastx", "kerastx_export"}
    assert {"kerastx/py.typed", "kerastx_export/py.typed"} <= set(names)


def test_the_wheel_carries_licence_script_and_version(unpacked):
    distribution = next(iter(importlib.metadata.distributions(path=[str(unpacked)])))
    assert distribution.version == kerastx.__version__
    assert [entry.value for entry in distribution.entry_points] == ["kerastx.cli.app:main"]
    assert "Apache License" in distribution.read_text("licenses/LICENSE")
    assert distribution.metadata["Requires-Python"] == "<3.14,>=3.11"
    assert set(distribution.metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])


def test_every_third_party_import_is_declared():
    everything = declared() | declared("all") | declared("keras-nlp") | declared("parity")
    missing = []
    for package in ("kerastx", "export/kerastx_export"):
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                targets = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    targets = [node.module]
                for root in {target.split(".")[0] for target in targets}:
                    distribution = canonicalize_name(DISTRIBUTIONS.get(root, root))
                    own = root in sys.stdlib_module_names or root in {"kerastx", "kerastx_export", "__future__"}
                    if not own and distribution not in everything:
                        missing.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}: {distribution}")
    assert missing == []


def test_the_base_dependencies_are_light():
    assert declared() == {"numpy", "rich", "typer"}
    assert "tokenizers" not in declared("litert")
    for extra in ("train", "export", "onnx", "language", "keras-nlp", "parity", "all"):
        assert "tokenizers" in declared(extra), extra
    assert declared("all") >= declared("train") | declared("export") | declared("litert") | declared("onnx")


ANSWER = """
import importlib.util, sys, kerastx
assert importlib.util.find_spec("tensorflow") is None
assert importlib.util.find_spec("keras") is None
print(kerastx.__file__)
print(kerastx.load(sys.argv[1])(sys.argv[2]).label)
"""
EXTRAS = ("litert", "onnx")


@pytest.fixture(scope="module")
def file_for(exported):
    """A function from an engine's extra to a file that needs no more than it."""
    return {"litert": exported("tflite"), "onnx": exported("onnx")}.__getitem__


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_file_answers_in_an_environment_of_the_runtime_only(extra, unpacked, tmp_path, file_for):
    needed = with_dependencies(declared() | declared(extra))
    assert not needed & HEAVY
    link_distributions(needed, tmp_path)
    for package in unpacked.iterdir():
        (tmp_path / package.name).symlink_to(package)
    path, text = file_for(extra), "the old cat sat on the hill"
    done = run_python(tmp_path, ANSWER, str(path), text)
    assert done.stdout.split() == [str(tmp_path / "kerastx" / "__init__.py"), kerastx.load(path)(text).label], (
        done.stderr
    )


@pytest.mark.slow
@pytest.mark.parametrize("extra", EXTRAS)
def test_pip_installs_the_runtime_and_a_file_answers(extra, wheel, tmp_path, file_for):
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")

    def run(*command: object) -> subprocess.CompletedProcess[str]:
        words = [str(scripts / command[0]), *map(str, command[1:])]
        return subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=280, check=False)

    probe = run("python", "-m", "pip", "download", "--no-deps", "--dest", tmp_path / "probe", "typer")
    if probe.returncode:
        pytest.skip(f"pip reaches no index: {' '.join(probe.stderr.split())[-200:]}")
    install = run("python", "-m", "pip", "install", f"kerastx[{extra}] @ {wheel.as_uri()}")
    assert install.returncode == 0, install.stderr
    path, text = file_for(extra), "the old cat sat on the hill"
    expected = kerastx.load(path)(text)
    done = run("python", "-c", ANSWER, path, text)
    assert done.stdout.split()[-1:] == [expected.label], done.stderr
    done = run("kerastx", "run", path, text)
    assert done.stdout == f"{expected.label}\t{expected.probability:.4f}\t{text}\n", done.stderr


def test_the_command_line_starts_with_the_base_dependencies_only(unpacked, tmp_path):
    link_distributions(with_dependencies(declared()), tmp_path)
    for package in unpacked.iterdir():
        (tmp_path / package.name).symlink_to(package)
    done = run_python(tmp_path, "from kerastx.cli.app import main; main()", "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
