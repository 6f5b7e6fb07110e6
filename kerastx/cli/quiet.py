"""TensorFlow without its greeting."""

from __future__ import annotations

import logging

from kerastx.errors import MissingExtraError


def import_tensorflow(extra: str) -> None:
    """Import TensorFlow and hide what it prints about devices that are not there.

    Raises:
        MissingExtraError: it is not installed; `extra` of kerastx brings it.
    """
    from kerastx.runtime.engines.silence import silent_stderr

    try:
        with silent_stderr():
            import tensorflow
            import tensorflow_text  # noqa: F401

            tensorflow.config.list_physical_devices()  # looks for a GPU now, while nobody hears its complaint
        # It warns of graphs that are traced for another shape, which is for those who write the code.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), extra) from error
