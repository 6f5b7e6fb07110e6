"""[C] Translation files: a source of 32 tokens, a target of 60, beside CTranslate2."""

from __future__ import annotations

from collections.abc import Mapping

from contest import OURS, PEERS, Bar, Row
from making import make
from rows.writer_files import contestants
from translator import NEW_TOKENS, SIZES, SOURCE, read
from writer import BEAMS

ABOUT = f"""\
{NEW_TOKENS} tokens for a source of {SOURCE}, batch 1, by the Transformer of 2017: 4 + 4 layers × 512 (8 heads, feed-
forward 2048, vocabulary 32,000 for both sides), greedy and with {BEAMS} beams. Everybody has the same random weights.
Before the timing those in 32 bits must write the tokens of Keras; those in 8 bits must give these tokens the
log-probabilities that Keras gives them, with a cosine of at least 0.998. What is computed once for the source is part
of the time."""
NOTES = ("What CTranslate2 computes with is its choice for the CPU, as for files that write.",)
BARS = (Bar("litert-int8", "ct2-int8", "greedy", 1.0), Bar("litert-int8", "ct2-int8", "beams", 1.0))
TASK = "seq2seq"


def row(context) -> Row:
    """Return the row."""
    folder = context.folder / "translation"

    def prepare() -> Mapping[str, str]:
        options = {"task": TASK, "sizes": SIZES}
        make("writer_files.py", folder, options, python=context.pythons[OURS], ours=True)
        reason = make("ctranslate2_models.py", folder, options, python=context.pythons[PEERS])
        return dict.fromkeys(("ct2-int8", "ct2-fp32"), reason) if reason else {}

    def references():
        found = read(folder)
        return {"exact": found, "logits": dict.fromkeys(("greedy", "beams"), found["log_probabilities"])}

    return Row(
        name="translation",
        title="Translation files",
        about=ABOUT,
        unit="text",
        cases={"greedy": "greedy", "beams": f"{BEAMS} beams"},
        contestants=tuple(contestants(folder, TASK, SIZES)),
        bars=BARS,
        references=references,
        prepare=prepare,
        notes=NOTES,
        seconds_per_turn=0.7,
    )
