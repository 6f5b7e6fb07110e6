"""Lines of text files exactly as they stand, for models that write: line ends and blanks are tokens like others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator


def exact_lines(
    pieces: Iterable[tuple[str, bool, bool]], documents: str, heading_of: Callable[[str], tuple[str, bool] | None]
) -> Iterator[str | None]:
    """Yield the lines of a file with their ends, and None where a new document may start.

    What is yielded between two documents is the text of one, to the letter; of documents between blank lines those
    lines are no part.

    Args:
        pieces: (text, starts a line, ends a line).
        documents: see `read_sentences`.
        heading_of: see `kerastx.data.corpus.heading_of`.
    """
    for piece, at_start, at_end in pieces:
        stripped = piece.strip()
        if at_start and at_end and documents == "blank" and not stripped:
            yield None
            continue
        if at_start and at_end and documents == "heading" and stripped and stripped[0] in "#=":
            heading = heading_of(stripped)
            if heading is not None and heading[1]:
                yield None
        yield piece
