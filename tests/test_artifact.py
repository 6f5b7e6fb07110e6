"""The exported file: read back as it was sealed, and refused when a single byte is not."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from kerastx.artifact import VERSION, Manifest, read_artifact, read_manifest, seal
from kerastx.errors import ArtifactError

FORMATS = ("tflite", "onnx")
BLANK = b"0" * 64
TENSOR = {"name": "token_ids", "dtype": "int32", "shape": [None, None]}
MANIFEST = Manifest(
    task="classification",
    labels=("good", "bad", "ünicode 猫"),
    tokenizer=json.dumps({"model": {"vocab": {f"token {number}": number for number in range(200)}}}),
    max_length=32,
    recipe="fp32",
    signature={"inputs": [TENSOR], "outputs": [{"name": "logits", "dtype": "float32", "shape": [None, 3]}]},
    versions={"kerastx": "0.1.0"},
    model={"hidden_dim": 32},
    description="for tests",
)
TFLITE_GRAPH = b"\x1c\x00\x00\x00TFL3" + bytes(range(200))


def onnx_graph() -> bytes:
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", tensors[:1], tensors[1:])
    return helper.make_model(graph, producer_name="tests").SerializeToString()


GRAPHS = {"tflite": TFLITE_GRAPH, "onnx": onnx_graph()}
SEALED = {engine_format: seal(GRAPHS[engine_format], MANIFEST, engine_format) for engine_format in FORMATS}


def manifest_values() -> dict[str, object]:
    """What kerastx.json of `MANIFEST` holds."""
    values = dataclasses.asdict(MANIFEST)
    del values["tokenizer"], values["sha256"]
    return values


def hashed(content: bytes) -> bytes:
    """Put the right hash into a file whose last 64 bytes are its place."""
    blank = content[:-64] + BLANK
    return content[:-64] + hashlib.sha256(blank).hexdigest().encode()


def tflite_file(manifest: str, tokenizer: str = MANIFEST.tokenizer, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A .tflite file as the module docstring describes it, written without `seal`."""
    buffer = io.BytesIO(TFLITE_GRAPH)
    with zipfile.ZipFile(buffer, "a", method) as archive:
        archive.writestr("kerastx.json", manifest)
        archive.writestr("tokenizer.json", tokenizer)
        archive.comment = b"kerastx sha256 " + BLANK
    return hashed(buffer.getvalue())


def onnx_file(manifest: str, tokenizer: str = MANIFEST.tokenizer) -> bytes:
    """An .onnx file as the module docstring describes it, written by the onnx library."""
    packed = {
        f"kerastx.{name}": base64.b64encode(zlib.compress(text.encode())).decode()
        for name, text in (("manifest", manifest), ("tokenizer", tokenizer))
    }
    model = onnx.ModelProto()
    helper.set_model_props(model, {**packed, "kerastx.sha256": BLANK.decode()})
    return hashed(GRAPHS["onnx"] + model.SerializeToString())


FILES = {"tflite": tflite_file, "onnx": onnx_file}


@pytest.fixture(params=FORMATS)
def engine_format(request) -> str:
    return request.param


@pytest.fixture
def read(tmp_path):
    """A function that writes bytes to a file of a format and reads it as an artifact."""

    def read_bytes(content: bytes, engine_format: str):
        path = tmp_path / f"file.{engine_format}"
        path.write_bytes(content)
        return read_artifact(path)

    return read_bytes


# What was sealed is read.


def test_a_sealed_file_is_read_back_with_its_hash(read, engine_format):
    content = SEALED[engine_format]
    artifact = read(content, engine_format)
    assert content[-64:] == hashlib.sha256(content[:-64] + BLANK).hexdigest().encode()
    assert artifact.manifest == dataclasses.replace(MANIFEST, sha256=content[-64:].decode())
    assert artifact.content == content
    assert artifact.engine_format == engine_format
    assert content.startswith(GRAPHS[engine_format])


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    labels=st.lists(texts | st.sampled_from(["a\u2028b", "\r\n", "\x85", "\0", '"\\', "\U0001f3f3\ufe0f"]), min_size=1),
    description=texts,
)
@pytest.mark.parametrize("engine_format", FORMATS)
def test_any_text_survives(engine_format, labels, description, tmp_path_factory):
    manifest = dataclasses.replace(MANIFEST, labels=tuple(labels), description=description)
    path = tmp_path_factory.getbasetemp() / f"any_text.{engine_format}"
    path.write_bytes(seal(GRAPHS[engine_format], manifest, engine_format))
    found = read_manifest(path)
    assert dataclasses.replace(found, sha256="") == manifest
    # Other programs count lines: a label is always one, whatever is in it.
    if engine_format == "tflite":
        shown = zipfile.ZipFile(path).read("labels.txt").decode().removesuffix("\n")
    else:
        shown = {entry.key: entry.value for entry in onnx.load(path).metadata_props}["labels"]
    assert len(shown.split("\n")) == len(labels)


def test_the_same_input_gives_the_same_bytes(engine_format):
    assert seal(GRAPHS[engine_format], MANIFEST, engine_format) == SEALED[engine_format]


def test_mobile_tools_find_the_labels_of_a_tflite_file():
    with zipfile.ZipFile(io.BytesIO(SEALED["tflite"])) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "labels.txt"
        assert archive.read("labels.txt").decode() == "good\nbad\nünicode 猫\n"
        assert archive.read("tokenizer.json").decode() == MANIFEST.tokenizer


def test_onnx_tools_find_graph_and_labels_of_an_onnx_file():
    model = onnx.load_from_string(SEALED["onnx"])
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Identity"]
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["labels"].split("\n") == list(MANIFEST.labels)
    assert (properties["task"], properties["description"]) == ("classification", "for tests")


def test_files_written_by_other_programs_as_described_are_read(read, engine_format):
    found = read(FILES[engine_format](json.dumps(manifest_values())), engine_format).manifest
    assert dataclasses.replace(found, sha256="") == MANIFEST


def test_the_suffix_may_be_in_capitals(tmp_path):
    (tmp_path / "A.TFLITE").write_bytes(SEALED["tflite"])
    assert read_manifest(tmp_path / "A.TFLITE").labels == MANIFEST.labels


def test_an_unknown_format_is_not_sealed():
    with pytest.raises(ValueError, match="engine_format must be one of .*'onnx', 'tflite'.*, got 'pb'"):
        seal(TFLITE_GRAPH, MANIFEST, "pb")


def test_a_label_that_is_no_unicode_is_not_sealed(engine_format):
    manifest = dataclasses.replace(MANIFEST, labels=("good", "\ud800"))
    with pytest.raises(ValueError, match="surrogates not allowed"):
        seal(GRAPHS[engine_format], manifest, engine_format)


WATCH = """
import os, sys
written = []
def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if flags is not None and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            written.append((event, path))
    elif event in ("os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate", "shutil.unpack_archive"):
        written.append((event, arguments))
sys.addaudithook(watch)
from kerastx.artifact import read_artifact
labels = [read_artifact(path).manifest.labels for path in sys.argv[1:]]
assert not written, written
open(os.devnull, "w").close()
assert len(written) == 1  # the watch works
print(len(labels))
"""


def test_reading_writes_nothing_to_any_disk(tmp_path):
    paths = [tmp_path / f"file.{engine_format}" for engine_format in FORMATS]
    for path in paths:
        path.write_bytes(SEALED[path.suffix[1:]])
    command = [sys.executable, "-B", "-c", WATCH, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "2\n", done.stderr
    assert sorted(tmp_path.iterdir()) == sorted(paths)


# What is not as it was sealed is refused.


def test_every_altered_byte_is_noticed(read, engine_format):
    sealed, generator = SEALED[engine_format], random.Random(20)
    for position in range(len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= 1 << generator.randrange(8)
        with pytest.raises(ArtifactError, match="truncated or altered"):
            read(bytes(altered), engine_format)


def test_every_truncation_is_noticed(read, engine_format):
    sealed = SEALED[engine_format]
    for length in range(0, len(sealed), 3):
        # Cut inside the graph, nothing of ours is left to be recognized.
        reason = "truncated or altered" if b"kerastx" in sealed[:length] else "not a kerastx file"
        with pytest.raises(ArtifactError, match=reason):
            read(sealed[:length], engine_format)


@pytest.mark.parametrize("extra", [b"\n", bytes(64), b"\x08\x01", b"a whole second file"])
def test_appended_bytes_are_noticed(read, engine_format, extra):
    extra = SEALED[engine_format] if extra == b"a whole second file" else extra
    with pytest.raises(ArtifactError, match="truncated or altered"):
        read(SEALED[engine_format] + extra, engine_format)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n" + bytes(500), TFLITE_GRAPH, GRAPHS["onnx"], b"PK\x05\x06" + bytes(18), b"text\n" * 90],
    ids=["empty", "png", "tflite", "onnx", "zip", "text"],
)
def test_foreign_files_are_told_from_damaged_ones(read, engine_format, content):
    with pytest.raises(ArtifactError, match="is not a kerastx file; kerastx export makes them from a checkpoint"):
        read(content, engine_format)


def test_a_file_under_the_suffix_of_the_other_format_is_refused(read):
    for content, suffix in ((SEALED["onnx"], "tflite"), (SEALED["tflite"], "onnx")):
        with pytest.raises(ArtifactError, match="truncated or altered"):
            read(content, suffix)


def test_what_cannot_be_read_is_said(tmp_path):
    (tmp_path / "folder.tflite").mkdir()
    (tmp_path / "file.pb").write_bytes(SEALED["onnx"])
    with pytest.raises(ArtifactError, match="folder.tflite: expected a .tflite or .onnx file, found a folder"):
        read_artifact(tmp_path / "folder.tflite")
    with pytest.raises(ArtifactError, match="file.pb: expected a file that ends in .tflite or .onnx"):
        read_artifact(tmp_path / "file.pb")
    with pytest.raises(ArtifactError, match="none.onnx: there is no such file"):
        read_artifact(tmp_path / "none.onnx")
    (tmp_path / "loop.onnx").symlink_to(tmp_path / "loop.onnx")
    with pytest.raises(ArtifactError, match="loop.onnx: cannot be read"):
        read_artifact(tmp_path / "loop.onnx")


def test_a_file_too_large_for_any_phone_is_not_loaded(tmp_path):
    path = tmp_path / "large.onnx"
    with path.open("wb") as stream:
        os.truncate(stream.fileno(), 2**32 + 1)
    with pytest.raises(ArtifactError, match="larger than 4294967296 bytes"):
        read_artifact(path)


# What carries a right hash was still written by someone.


def test_a_newer_version_asks_for_an_update(read, engine_format):
    newer = {**manifest_values(), "version": VERSION + 1, "unheard_of": 1}
    with pytest.raises(ArtifactError, match=f"version {VERSION + 1} and this kerastx reads up to {VERSION}; update"):
        read(FILES[engine_format](json.dumps(newer)), engine_format)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"format": "other"}, "manifest of another kind"),
        ({"version": "1"}, "version is '1'"),
        ({"version": True}, "version is True"),
        ({"version": 0}, "version is 0"),
        ({"task": 1}, "task is not a string"),
        ({"recipe": None}, "recipe is not a string"),
        ({"description": ["x"]}, "description is not a string"),
        ({"labels": "good"}, "labels is not a list of strings"),
        ({"labels": ["good", 1]}, "labels is not a list of strings"),
        ({"max_length": 1}, "max_length is not an integer of at least 2"),
        ({"max_length": True}, "max_length is not an integer"),
        ({"max_length": "32"}, "max_length is not an integer"),
        ({"signature": []}, "signature is not an object"),
        ({"versions": "1"}, "versions is not an object"),
        ({"pair": 1}, "pair is not true or false"),
        ({"model": 3}, "model is not an object"),
        ({"signature": {"inputs": [TENSOR]}}, "signature.outputs is not a list of tensors"),
        ({"signature": {"inputs": [{**TENSOR, "dtype": 1}], "outputs": []}}, "signature.inputs is not"),
        ({"signature": {"inputs": [{**TENSOR, "name": []}], "outputs": []}}, "signature.inputs is not"),
        ({"signature": {"inputs": [], "outputs": [{"name": "x"}]}}, "signature.outputs is not"),
        ({"unheard_of": 1}, "missing or unknown entries: unheard_of"),
    ],
)
def test_a_manifest_with_a_wrong_entry_is_refused(read, engine_format, entry, reason):
    with pytest.raises(ArtifactError, match=reason):
        read(FILES[engine_format](json.dumps({**manifest_values(), **entry})), engine_format)


@pytest.mark.parametrize("name", sorted(manifest_values().keys() - {"format", "version"}))
def test_a_manifest_without_an_entry_is_refused(read, name):
    values = manifest_values()
    del values[name]
    with pytest.raises(ArtifactError, match=f"missing or unknown entries: {name}"):
        read(onnx_file(json.dumps(values)), "onnx")


@pytest.mark.parametrize("manifest", ["", "no json", "[" * 100_000, "1" * 10_000, '"text"'])
def test_a_manifest_that_is_no_object_is_refused(read, engine_format, manifest):
    with pytest.raises(ArtifactError, match="manifest that is not JSON|manifest of another kind"):
        read(FILES[engine_format](manifest), engine_format)


def test_a_bomb_is_not_unpacked(read, engine_format):
    bomb = FILES[engine_format]("\0" * (64 * 2**20 + 1))
    assert len(bomb) < 200_000
    with pytest.raises(ArtifactError, match="manifest|kerastx.json") as caught:
        read(bomb, engine_format)
    assert "of more than 67108864 bytes" in str(caught.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_cannot_be_unpacked_piece_by_piece_is_refused(read, method):
    with pytest.raises(ArtifactError, match="its kerastx.json is not deflated"):
        read(tflite_file("\0" * 100_000, method=method), "tflite")


def test_a_file_of_noise_with_a_right_hash_is_an_error_of_ours_or_readable(read, engine_format):
    generator, sealed, refused = random.Random(20), SEALED[engine_format], 0
    start = len(GRAPHS[engine_format])
    for _ in range(1500):
        altered = bytearray(sealed)
        for _ in range(generator.randint(1, 4)):
            position = generator.randrange(start, len(sealed) - 64)
            altered[position] = generator.choice([0, 255, 127, 128, altered[position] ^ 1 << generator.randrange(8)])
        try:
            read(hashed(bytes(altered)), engine_format)
        except ArtifactError:
            refused += 1
    assert refused > 700


def test_a_member_beyond_any_file_is_an_error_of_ours(read):
    """The directory of a zip may name a place of 64 bits, more than Python can seek to."""
    content = tflite_file(json.dumps(manifest_values()))
    entry, end = content.index(b"PK\x01\x02"), content.rindex(b"PK\x05\x06")
    name_end = entry + 46 + int.from_bytes(content[entry + 28 : entry + 30], "little")
    extra = b"\x01\x00\x08\x00" + b"\xff" * 8
    directory = int.from_bytes(content[end + 12 : end + 16], "little") + len(extra)
    content = b"".join(
        [
            content[: entry + 30],
            len(extra).to_bytes(2, "little"),
            content[entry + 32 : entry + 42],
            b"\xff" * 4,
            content[entry + 46 : name_end],
            extra,
            content[name_end : end + 12],
            directory.to_bytes(4, "little"),
            content[end + 16 :],
        ]
    )
    with pytest.raises(ArtifactError, match="its associated files cannot be read"):
        read(hashed(content), "tflite")


def test_the_errors_name_the_file(tmp_path):
    path = Path(tmp_path, "model.onnx")
    path.write_bytes(SEALED["onnx"][:-1])
    with pytest.raises(ArtifactError, match=r"model\.onnx is truncated or altered \(.+\); export it again"):
        read_artifact(path)
