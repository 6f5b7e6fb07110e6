"""TensorFlow without its greeting."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

from kerastx.errors import MissingExtraError


def import_tensorflow(extra: str) -> None:
    """Import TensorFlow and hide what it prints about devices that are not there.

    The lines come from its C++ side before any log level is read, so only the file descriptor stops them.

    Raises:
        MissingExtraError: it is not installed; `extra` of kerastx brings it.
    """
    try:
        with _stderr_to_nowhere():
            import tensorflow
            import tensorflow_text  # noqa: F401

            tensorflow.config.list_physical_devices()  # looks for a GPU now, while nobody hears its complaint
        # It warns of graphs that are traced for another shape, which is for those who write the code.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), extra) from error


@contextlib.contextmanager
def _stderr_to_nowhere() -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
