"""The exported file: a graph that an engine runs, and inside it everything needed to turn text into answers.

Both formats carry the same three things behind the graph, and end in the SHA-256 of the whole file (taken with
its own 64 hexadecimal characters set to zero):

    .tflite   the associated files of TFLite, a zip appended to the flatbuffer: labels.txt (for mobile tools, where
              there are labels), tokenizer.json, kerastx.json; the hash is the last 64 bytes of the zip's comment
    .onnx     metadata_props: labels (where there are any), task and description as plain text, kerastx.manifest and
              kerastx.tokenizer as base64 of zlib, kerastx.sha256 as the last entry

Reading needs the standard library only, and nothing is ever unpacked to a disk.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerastx.errors import ArtifactError

FORMAT = "kerastx-artifact"
VERSION = 5
# Entries that older versions lack -> the first version that has them; a default stands for what they did not say.
_NEW_ENTRIES = {"pair": 2, "span": 3, "text": 3, "source_tokenizer": 4, "detokenizer": 5}
ENGINE_FORMATS = {".tflite": "tflite", ".onnx": "onnx"}

# Found in every file of ours, so that a damaged one is told from a foreign one.
MARK = b"kerastx"
_BLANK_HASH = b"0" * 64
_COMMENT = b"kerastx sha256 "
_MAX_FILE_BYTES = 2**32
_MAX_MEMBER_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an exported file says about itself.

    Attributes:
        task: "classification", "multi_label", "regression", "embedding", "tagging" or "span"; of files that write
            "language_model" or "seq2seq".
        labels: one name for each of the C classes; none where the task has no classes.
        tokenizer: the text of tokenizer.json.
        source_tokenizer: likewise of the sources of a seq2seq model; "" where it has one for both.
        max_length: tokens that a text is cut to, or that a window of it has.
        recipe: how the weights are stored, e.g. "dynamic_wi8_afp32".
        signature: {"inputs": [...], "outputs": [...]}, each {"name", "dtype", "shape"}; None = any size. Of a file that
            writes those of its step, which answers each input of the cache as "new_NAME" too, and "sources": what is
            encoded.
        versions: what made the file, package -> version.
        model: the encoder's config.
        description: one line for people.
        pair: whether it answers pairs of texts, and single ones otherwise.
        span: how answers are looked for, see `kerastx.text.question_windows.SpanSettings`; {} of another task.
        text: of a graph that takes text too: {"inputs": names, "budget": bytes of each, "kind": a key of
            `kerastx.text.word_breaks.WORD_BREAKS`, "single" and "pair": templates as [text, token id, segment id],
            "pad_id", "sep_id"}; {} of one that takes ids only. A language model's graph reads a prompt: what it
            answers is followed by what is written. An encoder-decoder's reads a source.
        detokenizer: how what was written becomes text; {} of a file that writes nothing, or whose tokens have no such
            form. {"kind", "tokens": a string for each id, or null for those that are left out first, "begin_ids": what
            a written text begins with where nothing else does, "end_ids": each ends it, "special_ids": those
            that do not are never in it}, and by the kind:
            "bytes": each character of a string, U+0000 to U+00FF, is a byte. Put behind each other they are UTF-8.
            "wordpiece", with {"prefix", "cleanup"}: the first string is taken as it is, of the others "prefix" is
                taken off, and those without it get a blank in front; then, in each, every [old, new] of "cleanup" is
                replaced, in this order.
            "pieces", with {"bytes", "leading"}: strings behind each other. "bytes" has the ids of the bytes 0 to 255,
                or none: a run of them is UTF-8, and where it is none, U+FFFD for each. Then the text loses at its
                beginning the blanks of the first token ("leading" is "token"), one blank ("text"), or nothing.
        sha256: of the file; set by whoever reads it.
    """

    task: str
    labels: tuple[str, ...]
    tokenizer: str = field(repr=False)
    max_length: int
    recipe: str
    signature: dict[str, list[dict[str, Any]]]
    versions: dict[str, str] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    pair: bool = False
    span: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=dict)
    source_tokenizer: str = field(default="", repr=False)
    detokenizer: dict[str, Any] = field(default_factory=dict, repr=False)
    format: str = FORMAT
    version: int = VERSION
    sha256: str = ""


@dataclass(frozen=True)
class Artifact:
    """An exported file that has been read and found unaltered."""

    manifest: Manifest
    content: bytes = field(repr=False)
    engine_format: str  # "tflite" or "onnx"


class _DamageError(Exception):
    """The bytes cannot be what `seal` returned; the message says why."""


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """Return the manifest of a .tflite or .onnx file; see `read_artifact` for the errors."""
    return read_artifact(path).manifest


def read_artifact(path: str | os.PathLike[str]) -> Artifact:
    """Read an exported file and check its hash before anything else looks at it.

    Raises:
        ArtifactError: it is missing, not a file of ours, truncated, altered, or written by a newer version.
    """
    path = Path(path)
    engine_format = ENGINE_FORMATS.get(path.suffix.lower())
    if engine_format is None:
        raise ArtifactError(f"{path}: expected a file that ends in .tflite or .onnx")
    content = _read(path)
    try:
        return Artifact(_open(content, engine_format), content, engine_format)
    except _DamageError as error:
        if MARK not in content:
            raise ArtifactError(f"{path} is not a kerastx file; kerastx export makes them from a checkpoint") from error
        raise ArtifactError(f"{path} is truncated or altered ({error}); export it again") from error
    except ArtifactError as error:
        raise ArtifactError(f"{path} {error}") from error


def seal(model: bytes, manifest: Manifest, engine_format: str) -> bytes:
    """Return the file that carries `model` (a TFLite flatbuffer or a serialized ONNX model) and its manifest."""
    values = dataclasses.asdict(manifest)
    for name in ("tokenizer", "sha256"):
        del values[name]
    manifest_json = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    labels = "".join(" ".join(label.splitlines()) + "\n" for label in manifest.labels)
    if engine_format == "tflite":
        members = {"labels.txt": labels} if labels else {}
        members |= {"tokenizer.json": manifest.tokenizer, "kerastx.json": manifest_json}
        content = _append_zip(model, members)
    elif engine_format == "onnx":
        properties = {
            "task": manifest.task,
            "description": manifest.description,
            **({"labels": labels.removesuffix("\n")} if labels else {}),
            "kerastx.manifest": _packed(manifest_json),
            "kerastx.tokenizer": _packed(manifest.tokenizer),
            "kerastx.sha256": _BLANK_HASH.decode(),
        }
        # Concatenated protobuf messages are one message with the repeated fields of both.
        content = model + b"".join(_property(key, value) for key, value in properties.items())
    else:
        raise ValueError(f"engine_format must be one of {sorted(ENGINE_FORMATS.values())}, got {engine_format!r}.")
    end = len(content) - len(_BLANK_HASH)
    return content[:end] + hashlib.sha256(content).hexdigest().encode()


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise ArtifactError(f"{path}: expected a .tflite or .onnx file, found a folder")
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ArtifactError(f"{path} is not a kerastx file: it is larger than {_MAX_FILE_BYTES} bytes")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: there is no such file") from error
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error


def _open(content: bytes, engine_format: str) -> Manifest:
    if engine_format == "tflite":
        if content[4:8] != b"TFL3":
            raise _DamageError("it does not start as a TFLite file")
        end = len(content)
        comment = content[end - len(_BLANK_HASH) - len(_COMMENT) : end - len(_BLANK_HASH)]
        if comment != _COMMENT:
            raise _DamageError("its end is missing")
        digest = _checked_digest(content, end - len(_BLANK_HASH))
        manifest_json, tokenizer = _zip_members(content, "kerastx.json", "tokenizer.json")
    else:
        properties = _onnx_properties(content)
        if "kerastx.sha256" not in properties:
            raise _DamageError("its hash is missing")
        start, end = properties["kerastx.sha256"]
        if end - start != len(_BLANK_HASH):
            raise _DamageError("its hash is incomplete")
        digest = _checked_digest(content, start)
        manifest_json, tokenizer = (
            _unpacked(content, properties, key) for key in ("kerastx.manifest", "kerastx.tokenizer")
        )
    return _manifest(manifest_json, tokenizer, digest)


def _checked_digest(content: bytes, start: int) -> str:
    """Return the hash that stands at `start`, after comparing it with the file's."""
    view = memoryview(content)
    hasher = hashlib.sha256(view[:start])
    hasher.update(_BLANK_HASH)
    hasher.update(view[start + len(_BLANK_HASH) :])
    if view[start : start + len(_BLANK_HASH)] != hasher.hexdigest().encode():
        raise _DamageError("its SHA-256 does not match")
    return hasher.hexdigest()


def _manifest(manifest_json: str, tokenizer: str, digest: str) -> Manifest:
    try:
        values = json.loads(manifest_json)
    except (ValueError, RecursionError) as error:
        raise ArtifactError("has a manifest that is not JSON") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ArtifactError(f'has a manifest of another kind: expected "format": "{FORMAT}"')
    version = values.get("version")
    if type(version) is not int or version < 1:
        raise ArtifactError(f"has a manifest with a wrong entry: version is {version!r}")
    if version > VERSION:
        raise ArtifactError(
            f"is an artifact of version {version} and this kerastx reads up to {VERSION}; update kerastx"
        )
    expected = {entry.name for entry in dataclasses.fields(Manifest)} - {"tokenizer", "sha256"}
    expected -= {name for name, first in _NEW_ENTRIES.items() if version < first}
    if wrong := sorted(expected ^ values.keys()):
        raise ArtifactError(f"has a manifest with missing or unknown entries: {', '.join(wrong)}")
    if problem := _problem(values):
        raise ArtifactError(f"has a manifest with a wrong entry: {problem}")
    return Manifest(**{**values, "labels": tuple(values["labels"]), "tokenizer": tokenizer, "sha256": digest})


def _problem(values: dict[str, Any]) -> str:
    """Return what is wrong with the types of a manifest's entries, or nothing."""
    for name in ("task", "recipe", "description", "source_tokenizer"):
        if not isinstance(values.get(name, ""), str):
            return f"{name} is not a string"
    labels = values["labels"]
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        return "labels is not a list of strings"
    if not isinstance(values.get("pair", False), bool):
        return "pair is not true or false"
    if not isinstance(values["max_length"], int) or values["max_length"] < 2:
        return "max_length is not an integer of at least 2"
    for name in ("signature", "versions", "model", "span", "text", "detokenizer"):
        if not isinstance(values.get(name, {}), dict):
            return f"{name} is not an object"
    for side in ("inputs", "outputs"):
        tensors = values["signature"].get(side)
        if not isinstance(tensors, list) or not all(_is_tensor(tensor) for tensor in tensors):
            return f"signature.{side} is not a list of tensors with name, dtype and shape"
    return ""


def _is_tensor(value: Any) -> bool:
    if not isinstance(value, dict) or not {"name", "dtype", "shape"} <= value.keys():
        return False
    return isinstance(value["name"], str) and isinstance(value["dtype"], str) and isinstance(value["shape"], list)


def _append_zip(model: bytes, members: dict[str, str]) -> bytes:
    buffer = io.BytesIO(model)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, text in members.items():
            # Fixed dates and permissions: the same checkpoint gives the same bytes.
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, text.encode(), zipfile.ZIP_DEFLATED, compresslevel=9)
        archive.comment = _COMMENT + _BLANK_HASH
    return buffer.getvalue()


def _zip_members(content: bytes, *names: str) -> Iterator[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in names:
                # Other methods cannot be read piece by piece: a bomb would be whole in memory before it is counted.
                if archive.getinfo(name).compress_type != zipfile.ZIP_DEFLATED:
                    raise _DamageError(f"its {name} is not deflated")
                with archive.open(name) as member:
                    # The size in the directory is the writer's word; what comes out is counted.
                    data = member.read(_MAX_MEMBER_BYTES + 1)
                if len(data) > _MAX_MEMBER_BYTES:
                    raise ArtifactError(f"has a {name} of more than {_MAX_MEMBER_BYTES} bytes")
                yield data.decode()
    except KeyError as error:
        raise _DamageError(str(error.args[0])) from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        RuntimeError,
        OverflowError,
        EOFError,
        OSError,
    ) as error:
        raise _DamageError("its associated files cannot be read") from error


def _packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _unpacked(content: bytes, properties: dict[str, tuple[int, int]], key: str) -> str:
    if key not in properties:
        raise _DamageError(f"its {key} is missing")
    start, end = properties[key]
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(content[start:end], validate=True), _MAX_MEMBER_BYTES)
        if inflate.unconsumed_tail:
            raise ArtifactError(f"has a {key} of more than {_MAX_MEMBER_BYTES} bytes")
        if not inflate.eof:
            raise _DamageError(f"its {key} is incomplete")
        return data.decode()
    except (zlib.error, binascii.Error, UnicodeDecodeError) as error:
        raise _DamageError(f"its {key} cannot be read") from error


# The wire format of protobuf, as far as a ModelProto's outermost level needs it:
# https://protobuf.dev/programming-guides/encoding
_METADATA_PROPS = 14


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def _delimited(field_number: int, data: bytes) -> bytes:
    return _varint(field_number << 3 | 2) + _varint(len(data)) + data


def _property(key: str, value: str) -> bytes:
    return _delimited(_METADATA_PROPS, _delimited(1, key.encode()) + _delimited(2, value.encode()))


def _read_varint(content: bytes, position: int, end: int) -> tuple[int, int]:
    number = shift = 0
    while position < end and shift < 64:
        byte = content[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
    raise _DamageError("it is cut off or no protobuf")


def _fields(content: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (field number, start, end) of the length-delimited fields of a message."""
    while position < end:
        tag, position = _read_varint(content, position, end)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            _, position = _read_varint(content, position, end)
            continue
        if wire_type == 2:
            length, position = _read_varint(content, position, end)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise _DamageError("it is no protobuf")
        if length > end - position:
            raise _DamageError("it is cut off")
        if wire_type == 2:
            yield number, position, position + length
        position += length


def _onnx_properties(content: bytes) -> dict[str, tuple[int, int]]:
    """Return where the value of each entry of metadata_props stands in the file."""
    properties: dict[str, tuple[int, int]] = {}
    for number, start, end in _fields(content, 0, len(content)):
        if number != _METADATA_PROPS:
            continue
        parts = {part: (first, last) for part, first, last in _fields(content, start, end)}
        if 1 in parts and 2 in parts:
            first, last = parts[1]
            properties[content[first:last].decode("utf-8", "replace")] = parts[2]
    return properties
