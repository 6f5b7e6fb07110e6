"""The description that mobile tools read, taken apart by field number as metadata_schema.fbs gives them."""

from __future__ import annotations

import zipfile

import flatbuffers
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from kerastx.artifact import VERSION as FORMAT_VERSION
from kerastx.artifact import Manifest
from kerastx_export.tflite_metadata import metadata_buffer

NAME, DESCRIPTION, VERSION, SUBGRAPHS, AUTHOR, FILES, MIN_PARSER = 0, 1, 2, 3, 4, 6, 7  # ModelMetadata
INPUTS, OUTPUTS = 2, 3  # SubGraphMetadata
DIMENSIONS, CONTENT, TENSOR_FILES = 2, 3, 6  # TensorMetadata
FILE_TYPE = 2  # AssociatedFile


class Table:
    """A flatbuffer table, read by field number."""

    def __init__(self, content: bytes, position: int):
        self._table = flatbuffers.table.Table(content, position)

    def _offset(self, number: int) -> int:
        return self._table.Offset(4 + 2 * number)

    def text(self, number: int) -> str:
        offset = self._offset(number)
        return self._table.String(offset + self._table.Pos).decode()

    def byte(self, number: int) -> int:
        offset = self._offset(number)
        return self._table.Get(flatbuffers.number_types.Uint8Flags, offset + self._table.Pos) if offset else 0

    def tables(self, number: int) -> list[Table]:
        return [Table(self._table.Bytes, self._table.Indirect(position)) for position in self._items(number)]

    def texts(self, number: int) -> list[str]:
        return [self._table.String(position).decode() for position in self._items(number)]

    def table(self, number: int) -> Table:
        return Table(self._table.Bytes, self._table.Indirect(self._offset(number) + self._table.Pos))

    def _items(self, number: int) -> list[int]:
        offset = self._offset(number)
        if not offset:
            return []
        start = self._table.Vector(offset)
        return [start + 4 * index for index in range(self._table.VectorLen(offset))]


def root(content: bytes) -> Table:
    assert content[4:8] == b"M001"
    return Table(content, flatbuffers.encode.Get(flatbuffers.packer.uoffset, content, 0))


@pytest.fixture
def described() -> Table:
    manifest = Manifest(
        task="classification",
        labels=("no", "yes"),
        tokenizer="{}",
        max_length=16,
        recipe="fp32",
        signature={"inputs": [], "outputs": []},
        description="Ünïcode about it.",
    )
    inputs = ["padding_mask", "token_ids", "segment_ids"]  # the order of a graph is its own
    return root(metadata_buffer(manifest, inputs=inputs, outputs=["probabilities", "logits"]))


def test_the_model_is_described(described):
    assert described.text(NAME) == "kerastx classification"
    assert described.text(DESCRIPTION) == "Ünïcode about it."
    assert described.text(VERSION) == str(FORMAT_VERSION)
    assert described.text(AUTHOR) == "kerastx"
    assert described.text(MIN_PARSER) == "1.0.0"
    files = described.tables(FILES)
    assert [(file.text(NAME), file.byte(FILE_TYPE)) for file in files] == [("tokenizer.json", 5), ("kerastx.json", 0)]


def test_tensors_are_described_in_the_order_of_the_graph(described):
    (graph,) = described.tables(SUBGRAPHS)
    assert graph.text(NAME) == "classification"
    inputs, outputs = graph.tables(INPUTS), graph.tables(OUTPUTS)
    assert [tensor.text(NAME) for tensor in inputs] == ["padding_mask", "token_ids", "segment_ids"]
    assert inputs[0].text(DESCRIPTION) == "True for real tokens, False for [PAD]."
    assert {tuple(tensor.texts(DIMENSIONS)) for tensor in inputs} == {("batch", "length")}
    assert [tensor.text(NAME) for tensor in outputs] == ["probabilities", "logits"]
    assert {tuple(tensor.texts(DIMENSIONS)) for tensor in outputs} == {("batch", "label")}
    assert {tensor.table(CONTENT).byte(0) for tensor in (*inputs, *outputs)} == {1}  # FeatureProperties


def test_labels_belong_to_the_probabilities_alone(described):
    probabilities, logits = described.tables(SUBGRAPHS)[0].tables(OUTPUTS)
    (labels,) = probabilities.tables(TENSOR_FILES)
    assert (labels.text(NAME), labels.byte(FILE_TYPE)) == ("labels.txt", 2)
    assert logits.tables(TENSOR_FILES) == []


@pytest.mark.parametrize("recipe", ["fp32", "dynamic_wi8_afp32"])
def test_an_exported_file_holds_the_description_and_the_files_that_it_names(exported, recipe):
    path = exported("post-norm", recipe)[1] / f"classification-{recipe}.tflite"
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    entries = {model.Metadata(k).Name(): model.Metadata(k).Buffer() for k in range(model.MetadataLength())}
    described = root(model.Buffers(entries[b"TFLITE_METADATA"]).DataAsNumpy().tobytes())
    (graph,) = described.tables(SUBGRAPHS)
    tensors = [*graph.tables(INPUTS), *graph.tables(OUTPUTS)]
    named = [file.text(NAME) for file in described.tables(FILES)]
    named += [file.text(NAME) for tensor in tensors for file in tensor.tables(TENSOR_FILES)]
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == sorted(named)
        assert archive.read("labels.txt") == b"cold\nmild\nhot\n"
    (entry,) = (model.SignatureDefs(index) for index in range(model.SignatureDefsLength()))
    names = {
        side.TensorIndex(): side.Name().decode()
        for side in (
            *(entry.Inputs(index) for index in range(entry.InputsLength())),
            *(entry.Outputs(index) for index in range(entry.OutputsLength())),
        )
    }
    indices = [*model.Subgraphs(0).InputsAsNumpy(), *model.Subgraphs(0).OutputsAsNumpy()]
    assert [tensor.text(NAME) for tensor in tensors] == [names[index] for index in indices]


@pytest.mark.parametrize(
    ("task", "names", "axis"),
    [
        ("multi_label", ["logits", "probabilities"], "label"),
        ("regression", ["score"], "score"),
        ("embedding", ["vector"], "dimension"),
    ],
)
def test_outputs_are_described_by_task(task, names, axis):
    has_labels = task == "multi_label"
    manifest = Manifest(
        task=task,
        labels=("a", "b") if has_labels else (),
        tokenizer="{}",
        max_length=16,
        recipe="fp32",
        signature={"inputs": [], "outputs": []},
        pair=not has_labels,
    )
    described = root(metadata_buffer(manifest, inputs=["token_ids"], outputs=names))
    (graph,) = described.tables(SUBGRAPHS)
    outputs = graph.tables(OUTPUTS)
    assert graph.text(NAME) == task
    assert [tensor.text(NAME) for tensor in outputs] == names
    assert {tuple(tensor.texts(DIMENSIONS)) for tensor in outputs} == {("batch", axis)}
    assert [len(tensor.tables(TENSOR_FILES)) for tensor in outputs] == ([0, 1] if has_labels else [0])
    notes = " ".join(tensor.text(DESCRIPTION) for tensor in (*graph.tables(INPUTS), *outputs))
    assert ("sigmoid" in notes, "pair of texts" in notes) == (has_labels, not has_labels)
