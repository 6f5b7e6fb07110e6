"""What a person should look at before training on some data, in plain words."""

from __future__ import annotations

from kerastx.data.labelled_report import Finding, LabelledReport, Part, shown
from kerastx.data.splits import MINIMUM_DOCUMENTS
from kerastx.data.store_report import StoreReport

FEW_ROWS = 10
IMBALANCE = 10
LENGTH_RATIO = 3
MANY_REPEATS = 0.01
MANY_CUT = 0.05
MANY_UNKNOWN = 0.01
MANY_SINGLE = 0.25
MANY_UNUSED = 0.2
FEW_TOKENS = 1_000_000
_SHOWN_LABELS = 5


def labelled_warnings(report: LabelledReport) -> list[str]:
    """Return the warnings about labelled rows, the gravest first; [] where there is nothing to say."""
    parts = {"train": report.train, **({"dev": report.dev} if report.dev else {})}
    lines = [line for name, part in parts.items() for line in _unusable(part, name)]
    if report.dev is not None:
        lines += _dev_warnings(report, report.dev)
    for name, part in parts.items():
        lines += _part_warnings(part, name, report.max_length)
    return lines + _label_warnings(report)


def _unusable(part: Part, name: str) -> list[str]:
    lines = [
        f"{plural(found.rows, f'{name} row')} without a {what}: finetune refuses the file; "
        f"first: {found.examples[0].place}"
        for found, what in ((part.no_text, "text"), (part.no_label, "label"))
        if found.rows
    ]
    if name == "train" and len(part.labels) < 2:
        lines.append(f"train has {plural(len(part.labels), 'label')}: a classifier needs two")
    return lines


def _dev_warnings(report: LabelledReport, dev: Part) -> list[str]:
    lines = []
    for found, what in (
        (report.overlap, "that also stand in train"),
        (report.near_overlap, "almost like one of train"),
    ):
        if found.rows:
            lines.append(f"{_counted(found, 'dev', dev)} {what}: the score flatters; first: {_same(found)}")
    if report.unseen_labels:
        lines.append(
            f"{plural(len(report.unseen_labels), 'dev label')} not in train: {some(list(report.unseen_labels))} "
            f"({plural(sum(report.unseen_labels.values()), 'row')}): finetune refuses dev"
        )
    medians = [part.characters.percentile(50) for part in (report.train, dev)]
    if max(medians) > LENGTH_RATIO * min(medians):
        lines.append(
            f"the median text has {medians[0]:,} characters in train and {medians[1]:,} in dev: "
            "are both the same kind of text, from the same column?"
        )
    return lines


def _part_warnings(part: Part, name: str, max_length: int) -> list[str]:
    lines = []
    if part.conflicts.rows:
        one, other = map(shown, part.conflicts.examples[0].labels)
        lines.append(
            f"{_counted(part.conflicts, name, part)} with the text of an earlier row and another label; "
            f"first: {_same(part.conflicts)} ({one}, {other})"
        )
    for found, what in ((part.duplicates, "that repeat"), (part.near_duplicates, "almost like")):
        if found.rows > MANY_REPEATS * part.rows:
            lines.append(f"{_counted(found, name, part)} {what} an earlier row; first: {_same(found)}")
    if part.tokens is not None and part.tokens.share_above(max_length) > MANY_CUT:
        lines.append(
            f"{part.tokens.share_above(max_length):.1%} of the {name} rows are longer than {max_length} tokens and are "
            f"cut; 99 % would fit into --max-length {part.tokens.percentile(99)}"
        )
    if part.unknown_share > MANY_UNKNOWN:
        lines.append(
            f"{part.unknown_share:.1%} of the tokens of {name} are [UNK]: the tokenizer does not know this text"
        )
    return lines


def _label_warnings(report: LabelledReport) -> list[str]:
    counts = report.train.labels
    if len(counts) < 2:
        return []
    lines = []
    rare = [label for label, count in counts.items() if count < FEW_ROWS]
    if rare:
        lines.append(f"{plural(len(rare), 'label')} with fewer than {FEW_ROWS} rows in train: {some(rare)}")
    largest, smallest = next(iter(counts)), list(counts)[-1]
    if counts[largest] > IMBALANCE * counts[smallest]:
        lines.append(
            f"the labels are uneven: {counts[largest]:,} rows of {shown(largest)}, "
            f"{counts[smallest]:,} of {shown(smallest)}; "
            "look at macro F1, not at accuracy alone"
        )
    if report.dev is not None and (missing := [label for label in counts if label not in report.dev.labels]):
        lines.append(f"{plural(len(missing), 'label')} of train without a dev row: {some(missing)}")
    return lines


def store_warnings(report: StoreReport) -> list[str]:
    """Return the warnings about a token store; [] where there is nothing to say."""
    store, lines = report.store, []
    if report.duplicates > MANY_REPEATS * store.num_documents:
        first = report.repeats[0]
        lines.append(
            f"{plural(report.duplicates, 'document')} ({report.duplicates / store.num_documents:.1%}) that repeat an "
            f"earlier one; most often, {first.times} times: {first.text!r}"
        )
    if report.unknown_share > MANY_UNKNOWN:
        lines.append(f"{report.unknown_share:.1%} of the tokens are [UNK]: the tokenizer does not know this text")
    exact = store.manifest.get("exact", False)
    if not exact:  # running text is cut into rows, whatever its lines and documents are
        lines += _pair_warnings(report)
    unused = 1.0 - (report.used_tokens + report.num_never_used) / store.tokenizer.vocabulary_size
    if unused > MANY_UNUSED and not exact:  # the bytes that no text has are there to know any text
        lines.append(f"{unused:.1%} of the vocabulary never occurs: a smaller one, or one of this text, costs less")
    if store.num_tokens < FEW_TOKENS:
        lines.append(
            f"{plural(store.num_tokens, 'token')} in all: pretraining learns little but word frequencies from them"
        )
    return lines


def _pair_warnings(report: StoreReport) -> list[str]:
    """Return the warnings about what sentence pairs are made of."""
    documents, lines = report.document_sentences, []
    if report.sentence_tokens.share_above(report.room) > MANY_CUT:
        lines.append(
            f"{report.sentence_tokens.share_above(report.room):.1%} of the sentences are longer than {report.room} "
            "tokens and are cut: are sentences told apart?"
        )
    if (single := 1.0 - documents.share_above(1)) > MANY_SINGLE:
        lines.append(
            f"{single:.1%} of the documents have one sentence and give no pair: "
            "try another --documents when you prepare the text"
        )
    if documents.num_above(1) < 2:
        lines.append(
            f"only {plural(documents.num_above(1), 'document')} of two or more sentences: pretrain needs two such and "
            "refuses the store; prepare the text with another --documents"
        )
    elif documents.num_above(1) < MINIMUM_DOCUMENTS:
        lines.append(
            f"{plural(documents.num_above(1), 'document')} of two or more sentences, below {MINIMUM_DOCUMENTS}: "
            "nothing is held out and pretraining has no validation loss"
        )
    return lines


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _counted(found: Finding, name: str, part: Part) -> str:
    return f"{plural(found.rows, f'{name} row')} ({found.rows / part.rows:.1%})"


def _same(found: Finding) -> str:
    return f"{found.examples[0].place} = {found.examples[0].like}"


def some(labels: list[str]) -> str:
    more = len(labels) - _SHOWN_LABELS
    return ", ".join(map(shown, labels[:_SHOWN_LABELS])) + (f" and {more} more" if more > 0 else "")
