"""Texts to compare a file with Keras on, when there are no labelled rows: varied, and the same on every machine."""

from __future__ import annotations

import re

PARAGRAPHS = 192

# Short, empty, odd and foreign texts; what a person or a machine may send.
ODD_TEXTS = (
    "",
    " ",
    "a",
    "?",
    "ok",
    "No.",
    "I loved it!",
    "I did not love it at all.",
    "THIS IS WRITTEN IN CAPITALS",
    "semi-colons; dashes - and 'quotes' \"of all\" kinds...",
    "1234567890 3.14159 1e-12 0x7f",
    "user@example.org wrote at 12:34:56 on 2024-02-29",
    "https://example.org/a/very/long/path?with=parameters&and=values#anchor",
    "def f(x):\n    return x ** 2  # a comment\n",
    "[CLS] [MASK] [SEP] [PAD] are words here",
    "naïve café Ünïcödé ǅ ſ İ ß",
    "Zażółć gęślą jaźń",
    "Съешь же ещё этих мягких французских булок",
    "Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία",
    "نص عربي قصير للتجربة",
    "טקסט קצר בעברית",
    "我喜欢这部电影，演员非常出色。",
    "この映画はとても面白かったです。",
    "이 영화는 정말 재미있었어요.",
    "emoji 🎬👍🏽 and ‍joiners 👩‍👩‍👧‍👦",
    "tabs\tand\nnew\r\nlines",
    "zero\u200bwidth and\u00a0no-break and \ufeff",
    "e\u0301 against é, ﬁ against fi, ① against 1",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "word " * 40,
    "one long sentence that goes on and on and on, and on, " * 60,
)


def probe_texts() -> list[str]:
    """Return the odd texts and paragraphs of Python's own help, 7 to 700 characters long."""
    return [*ODD_TEXTS, *_help_paragraphs()]


def probe_pairs() -> tuple[list[str], list[str]]:
    """Return first and second texts: each probe text with another, some without a second, and two long ones."""
    texts = probe_texts()
    half = len(texts) // 2
    pairs = [*texts[half:], *texts[:half]]
    pairs[::16] = [""] * len(pairs[::16])
    return [*texts, ODD_TEXTS[-1], ODD_TEXTS[-1]], [*pairs, ODD_TEXTS[-1][::-1], ODD_TEXTS[-2]]


def _help_paragraphs() -> list[str]:
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some distributions leave it out
        return []
    whole = "\n\n".join(topics[name] for name in sorted(topics))
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", whole)]
    paragraphs = sorted({part for part in paragraphs if 7 <= len(part) <= 700})
    step = max(1, len(paragraphs) // PARAGRAPHS)
    return paragraphs[::step][:PARAGRAPHS]
