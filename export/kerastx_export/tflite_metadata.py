"""The TFLITE_METADATA buffer: what mobile tools read about a graph.

Written field by field after metadata_schema.fbs of TensorFlow Lite (schema version 1.0.0 of it is enough here), as
the packages that hold its generated code exist for few versions of Python. The associated files that it names are
appended to the file by `kerastx.artifact.seal`.
https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/metadata_schema.fbs
"""

from __future__ import annotations

import flatbuffers

from kerastx.artifact import Manifest

NAME = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
_MIN_PARSER_VERSION = "1.0.0"
# enum AssociatedFileType
_UNKNOWN, _TENSOR_AXIS_LABELS, _VOCABULARY = 0, 2, 5
# union ContentProperties
_FEATURE_PROPERTIES = 1

_INPUT_NOTES = {
    "token_ids": "Ids of tokenizer.json, one {text} a row with its special tokens, filled up with [PAD].",
    "segment_ids": "0 for the first text and its special tokens; 1 for the second, if the tokenizer says so.",
    "padding_mask": "True for real tokens, False for [PAD].",
    "text": "The UTF-8 bytes of a text, zeros behind it.",
    "pair": "The UTF-8 bytes of the second text, zeros behind it.",
}
# Output -> what it is and the name of its second axis.
_OUTPUT_NOTES = {
    "logits": ("One score for each label, before the {function}.", "label"),
    "probabilities": ("The probability of each label; the labels are in labels.txt.", "label"),
    "score": ("The number that a {text} gets.", "score"),
    "vector": ("The vector of a {text}.", "dimension"),
    "null_score": ("The score of: no answer here.", "score"),
    "scores": ("The scores of the best spans of the context, the best first; -5000 where there are no more.", "span"),
    "starts": ("The number of the first token of each span.", "span"),
    "ends": ("The number of the last token of each span.", "span"),
    "is_cut": ("True where the text has more tokens than were read.", "text"),
}
TEXTS = ("text", "pair")
_TAGGING_NOTE = "The probability of each tag of each token: O, then B- and I- of each line of labels.txt."


def metadata_buffer(manifest: Manifest, *, inputs: list[str], outputs: list[str]) -> bytes:
    """Return the flatbuffer that describes a graph and its tensors.

    Args:
        manifest: of the file.
        inputs, outputs: names of the tensors in the order of the graph.
    """
    build = _TableBuilder()
    words = {
        "text": "pair of texts" if manifest.pair else "text",
        "function": "sigmoid" if manifest.task == "multi_label" else "softmax",
    }
    labels = []
    if manifest.labels:
        is_tagging = manifest.task == "tagging"
        note = "One kind of entity a line." if is_tagging else "One label a line, in the order of the probabilities."
        labels.append(build.file("labels.txt", note, _TENSOR_AXIS_LABELS))

    def output(name: str) -> int:
        if manifest.task == "tagging" and name == "probabilities":
            return build.tensor(name, _TAGGING_NOTE, ("batch", "length", "tag"))
        note, axis = _OUTPUT_NOTES[name]
        files = labels if name == "probabilities" else []
        return build.tensor(name, note.format(**words), ("batch", axis), files=files)

    described = [
        build.tensor(name, _INPUT_NOTES[name].format(**words), ("batch", "byte" if name in TEXTS else "length"))
        for name in inputs
    ]
    graph = build.table(
        (0, build.text(manifest.task)),
        (2, build.vector(described)),
        (3, build.vector([output(name) for name in outputs])),
    )
    files = [
        build.file("tokenizer.json", "The tokenizer, as the `tokenizers` library reads it.", _VOCABULARY),
        build.file("kerastx.json", "The manifest of the file.", _UNKNOWN),
    ]
    root = build.table(
        (0, build.text(f"kerastx {manifest.task}")),
        (1, build.text(manifest.description)),
        (2, build.text(str(manifest.version))),
        (3, build.vector([graph])),
        (4, build.text("kerastx")),
        (6, build.vector(files)),
        (7, build.text(_MIN_PARSER_VERSION)),
    )
    build.builder.Finish(root, file_identifier=_IDENTIFIER)
    return bytes(build.builder.Output())


class _TableBuilder:
    """Flatbuffer tables as (field number, offset of its value)."""

    def __init__(self):
        self.builder = flatbuffers.Builder(1024)

    def text(self, value: str) -> int:
        return self.builder.CreateString(value)

    def vector(self, offsets: list[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return self.builder.EndVector()

    def table(self, *fields: tuple[int, int], bytes_: tuple[tuple[int, int], ...] = ()) -> int:
        slots = 1 + max([number for number, _ in (*fields, *bytes_)], default=-1)
        self.builder.StartObject(slots)
        for number, offset in fields:
            self.builder.PrependUOffsetTRelativeSlot(number, offset, 0)
        for number, value in bytes_:
            self.builder.PrependUint8Slot(number, value, 0)
        return self.builder.EndObject()

    def file(self, name: str, description: str, kind: int) -> int:
        return self.table((0, self.text(name)), (1, self.text(description)), bytes_=((2, kind),))

    def tensor(self, name: str, description: str, axes: tuple[str, ...], files: list[int] | None = None) -> int:
        content = self.table((1, self.table()), bytes_=((0, _FEATURE_PROPERTIES),))
        fields = [
            (0, self.text(name)),
            (1, self.text(description)),
            (2, self.vector([self.text(axis) for axis in axes])),
            (3, content),
        ]
        if files:
            fields.append((6, self.vector(files)))
        return self.table(*fields)
