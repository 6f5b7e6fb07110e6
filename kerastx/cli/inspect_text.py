"""The data report as aligned text for a terminal or a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len

from kerastx.data.labelled_report import Finding, LabelledReport, Part
from kerastx.data.lengths import Lengths
from kerastx.data.store_report import RARE, StoreReport

SHOWN_LABELS = 30
SHOWN_SOURCES = 5
LENGTH_HEADER = ("", "mean", "5 %", "median", "95 %", "99 %", "max")

Row = Sequence[str]


def labelled_text(report: LabelledReport, warnings: Sequence[str]) -> str:
    """Return the report on labelled rows: facts, labels, lengths, warnings."""
    parts = {"train": report.train, **({"dev": report.dev} if report.dev else {})}
    head = [["", *parts], *_facts(report, list(parts.values()))]
    lengths = [LENGTH_HEADER, *(row for name, part in parts.items() for row in _part_lengths(name, part))]
    files = "\n".join(f"{name}: {part.path}" for name, part in parts.items())
    return "\n\n".join([files, table(head), table([*_labels(report, parts)]), table(lengths), _warned(warnings)])


def store_text(report: StoreReport, warnings: Sequence[str]) -> str:
    """Return the report on a token store."""
    lengths = [
        LENGTH_HEADER,
        _lengths("tokens of a document", report.document_tokens),
        _lengths("sentences of a document", report.document_sentences),
        _lengths("tokens of a sentence", report.sentence_tokens),
    ]
    blocks = [
        str(report.store.path),
        table(list(_store_facts(report))),
        table(lengths),
        table([["most frequent tokens", "#", "times"], *_frequent(report)]),
        *([table([["repeated documents", "times"], *_repeats(report)])] if report.repeats else []),
        *([table([["largest sources", "MB"], *_sources(report)])] if report.store.manifest.get("sources") else []),
        _warned(warnings),
    ]
    return "\n\n".join(blocks)


def table(rows: Sequence[Row]) -> str:
    """Align columns, the first to the left and the others to the right; wide characters count as two."""
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0] + " " * (widths[0] - cell_len(row[0]))]
            + [" " * (width - cell_len(cell)) + cell for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    )


def _facts(report: LabelledReport, parts: list[Part]) -> Iterator[Row]:
    yield ["rows", *(f"{part.rows:,}" for part in parts)]
    yield ["labels", *(f"{len(part.labels):,}" for part in parts)]
    yield ["largest label", *(_share(max(part.labels.values(), default=0), part.rows) for part in parts)]
    yield ["without text or label", *(f"{part.no_text.rows + part.no_label.rows:,}" for part in parts)]
    yield ["repeat an earlier row", *(_counted(part.duplicates, part) for part in parts)]
    yield ["  with another label", *(_counted(part.conflicts, part) for part in parts)]
    yield ["almost like an earlier row", *(_counted(part.near_duplicates, part) for part in parts)]
    if report.dev is not None:
        yield ["also in train", "", _counted(report.overlap, report.dev)]
        yield ["almost like a row of train", "", _counted(report.near_overlap, report.dev)]
        yield ["labels that train lacks", "", f"{len(report.unseen_labels):,}"]
    if report.train.tokens is not None:
        shares = [_share(part.tokens.num_above(report.max_length), part.rows) for part in parts if part.tokens]
        yield [f"longer than {report.max_length} tokens", *shares]
        yield ["tokens that are [UNK]", *(f"{part.unknown_share:.1%}" for part in parts)]


def _labels(report: LabelledReport, parts: dict[str, Part]) -> Iterator[Row]:
    yield ["label", "#", *parts]
    names = report.label_names
    for number, name in enumerate(names[:SHOWN_LABELS], 1):
        yield [one_line(name), f"{number}", *(_share(part.labels.get(name, 0), part.rows) for part in parts.values())]
    if rest := names[SHOWN_LABELS:]:
        shares = [_share(sum(part.labels.get(name, 0) for name in rest), part.rows) for part in parts.values()]
        yield [f"... {len(rest):,} more (all with --json)", "", *shares]


def _part_lengths(name: str, part: Part) -> Iterator[Row]:
    yield _lengths(f"{name}, characters", part.characters)
    yield _lengths(f"{name}, words", part.words)
    if part.tokens is not None:
        yield _lengths(f"{name}, tokens", part.tokens)


def _lengths(title: str, lengths: Lengths) -> Row:
    percentiles = [f"{lengths.percentile(share):,}" for share in (5, 50, 95, 99)]
    return [title, f"{lengths.mean:,.1f}", *percentiles, f"{lengths.maximum:,}"]


def _store_facts(report: StoreReport) -> Iterator[Row]:
    store, size = report.store, report.store.tokenizer.vocabulary_size
    yield ["documents", f"{store.num_documents:,}"]
    yield ["sentences", f"{store.num_sentences:,}"]
    yield ["tokens", f"{store.num_tokens:,}"]
    yield ["sentence pairs of an epoch", f"{report.pairs:,}"]
    yield ["documents that repeat another", _share(report.duplicates, store.num_documents)]
    yield ["documents of one sentence, no pair", f"{1.0 - report.document_sentences.share_above(1):.1%}"]
    yield [f"documents longer than a row of {report.room}", f"{report.document_tokens.share_above(report.room):.1%}"]
    yield [f"sentences cut at {report.room} tokens", f"{report.sentence_tokens.share_above(report.room):.1%}"]
    yield ["vocabulary", f"{size:,}"]
    yield ["  that occurs", _share(report.used_tokens, size)]
    yield [f"  that occurs fewer than {RARE} times", _share(report.rare_tokens, size)]
    yield ["tokens that are [UNK]", f"{report.unknown_share:.2%}"]
    yield ["tokens of a word", f"{report.pieces_per_word:.2f}"]
    yield ["unigram entropy, nats", f"{store.unigram_entropy:.3f}"]
    sources = store.manifest.get("sources", [])
    yield ["source files", f"{len(sources):,}, {sum(source.get('size_bytes', 0) for source in sources) / 1e6:,.1f} MB"]
    for name, value in report.manifest_facts().items():
        yield from _manifest_rows(name, value)


def _manifest_rows(name: str, value: Any) -> Iterator[Row]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _manifest_rows(f"{name}, {key}", inner)
    elif isinstance(value, list):
        yield [name, ", ".join(one_line(str(inner)) for inner in value)]
    else:
        yield [name, f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else one_line(str(value))]


def _frequent(report: StoreReport) -> list[Row]:
    return [
        [f"  {one_line(token)}", f"{number}", _share(count, report.store.num_tokens)]
        for number, (token, count) in enumerate(report.frequent_tokens(), 1)
    ]


def _repeats(report: StoreReport) -> list[Row]:
    return [[f"  {one_line(repeat.text)}", f"{repeat.times:,}"] for repeat in report.repeats]


def _sources(report: StoreReport) -> list[Row]:
    sources = sorted(report.store.manifest["sources"], key=lambda source: -source.get("size_bytes", 0))
    return [
        [f"  {one_line(str(source.get('name', '')))}", f"{source.get('size_bytes', 0) / 1e6:,.1f}"]
        for source in sources[:SHOWN_SOURCES]
    ]


def _counted(finding: Finding, part: Part) -> str:
    return _share(finding.rows, part.rows)


def _share(count: int, total: int) -> str:
    """Return `count  share`; the share always takes the same room, so that a column reads well."""
    return f"{count:,}  {count / max(total, 1):>6.1%}"


def one_line(text: str) -> str:
    """Return a text without line ends and control characters, at most 60 characters."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= 60 else line[:57] + "..."


def _warned(warnings: Sequence[str]) -> str:
    return "\n".join(f"! {one}" for one in warnings) if warnings else "Nothing to warn about."
