"""The tokenizers of a file that writes: the library's, or the graph and the tables that the file itself has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerastx.artifact import Manifest
from kerastx.errors import ArtifactError, DataError, MissingExtraError
from kerastx.runtime.engines import Tokenizing
from kerastx.runtime.file_steps import FileSteps
from kerastx.runtime.generation import WritingTokenizer
from kerastx.runtime.graph_tokenizer import GraphTokenizer
from kerastx.text.detokenizer import Detokenizer
from kerastx.text.encoding import TextEncoder
from kerastx.text.template import Slot, Template

_WAY_OUT = ", or export with --input both: such a file needs none"
_NO_TEMPLATE = Template((Slot(0, 0, 0),), (Slot(0, 0, 0), Slot(1, 0, 0)))


class FileTokenizer(Detokenizer):
    """Implements `kerastx.runtime.generation.WritingTokenizer` without the library.

    Args:
        manifest: of the file.
        reader: cuts texts into the tokens that the file writes; None where it has none for them.

    Raises:
        DataError: see `Detokenizer`.
    """

    def __init__(self, manifest: Manifest, reader: GraphTokenizer | None):
        super().__init__(manifest.detokenizer)
        self._reader = reader
        self.template = _NO_TEMPLATE if reader is None else reader.template

    @property
    def _encoder(self) -> GraphTokenizer:
        if self._reader is None:
            raise MissingExtraError("tokenizers", "tokenizers")
        return self._reader

    def encode_ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the int32 ids of each text; MissingExtraError where the file cannot cut it."""
        return self._encoder.encode_ids(texts)

    def token(self, id: int) -> str:
        """Return the piece behind an id; for the error see `encode_ids`."""
        return self._encoder.token(id)


def tokenizers_of(manifest: Manifest, steps: FileSteps) -> tuple[WritingTokenizer, TextEncoder | None]:
    """Return the tokenizer of what a file writes, and of its sources where it has any.

    It is the library's, which cuts words of any length as it does in training; where that is not installed, the file's.

    Raises:
        ArtifactError: what the file says about them is wrong.
        MissingExtraError: the library is not installed, and the file has not all that stands for it.
    """
    has_sources = manifest.task == "seq2seq"
    try:
        try:
            from kerastx.text.tokenizer import Tokenizer
        except MissingExtraError as error:
            if not (manifest.detokenizer and manifest.text and isinstance(steps, Tokenizing)):
                raise MissingExtraError("tokenizers", "tokenizers", way_out=_WAY_OUT) from error
            return _of_the_file(manifest, steps, has_sources=has_sources)
        tokenizer = Tokenizer.from_json(manifest.tokenizer)
        if not has_sources:
            return tokenizer, None
        return tokenizer, Tokenizer.from_json(manifest.source_tokenizer) if manifest.source_tokenizer else tokenizer
    except DataError as error:
        raise ArtifactError(f"its tokenizer cannot be read: {error}") from error


def _of_the_file(
    manifest: Manifest, engine: Tokenizing, *, has_sources: bool
) -> tuple[WritingTokenizer, TextEncoder | None]:
    reader = GraphTokenizer(manifest, engine)
    reads_what_it_writes = not manifest.source_tokenizer
    tokenizer = FileTokenizer(manifest, reader if reads_what_it_writes else None)
    return tokenizer, reader if has_sources else None
