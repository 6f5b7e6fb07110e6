"""What every test shares: a quiet TensorFlow, fixed seeds, no network, and real data where there is some."""

from __future__ import annotations

import functools
import ipaddress
import os
import random
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Read by tensorflow and keras when they are imported, which is later than this line.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SEED = 20


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory) -> Iterator[Path]:
    """A folder, empty at first, for what is kept between processes: tests neither read nor fill the user's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("KERASTX_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, from $KERASTX_DATA or beside the checkout; skips the test without one."""
    named = os.environ.get("KERASTX_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        where = "$KERASTX_DATA is" if named else "$KERASTX_DATA is not set and ../shared/data is"
        pytest.skip(f"{where} not a folder of data sets ({folder})")
    return folder


@pytest.fixture(scope="session")
def classifier(tmp_path_factory) -> Path:
    """The folder of a small classifier, as a checkpoint; see small_classifier.py."""
    from small_classifier import small_classifier

    from kerastx.checkpoint.store import save_checkpoint

    return save_checkpoint(tmp_path_factory.mktemp("classifier") / "checkpoint", small_classifier())


@pytest.fixture(scope="session")
def exported(classifier, tmp_path_factory) -> Callable[..., Path]:
    """A function from format and recipe to the small classifier as a file, exported once."""

    @functools.cache
    def folder_of(recipe: str) -> Path:
        from kerastx_export.export import export_checkpoint

        folder = tmp_path_factory.mktemp(recipe)
        export_checkpoint(classifier, folder, recipe=recipe)
        return folder

    def file(engine_format: str, recipe: str = "fp32") -> Path:
        return folder_of(recipe) / f"classification-{recipe}.{engine_format}"

    return file


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Seed what draws at random, so that a test gives the same numbers alone and in the suite."""
    random.seed(SEED)
    np.random.seed(SEED)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(SEED)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sockets reach this machine only; a test that needs a server starts one here."""
    connect, connect_ex, resolve = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(host) -> None:
        name = host.decode() if isinstance(host, bytes) else host
        if name in (None, "", "localhost"):
            return
        try:
            local = ipaddress.ip_address(name).is_loopback
        except ValueError:
            local = False
        if not local:
            raise RuntimeError(f"a test tried to reach {name!r}; tests run offline")

    def checked(call):
        def wrapper(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6):
                check(address[0])
            return call(self, address)

        return wrapper

    def checked_resolve(host, *args, **kwargs):
        check(host)
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", checked(connect))
    monkeypatch.setattr(socket.socket, "connect_ex", checked(connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", checked_resolve)
