"""Let an exported file write without kerastx: what a client in any language does, with numpy and the runtime alone.

    python examples/plain_client.py build/files/language_model-dynamic_wi8_afp32.tflite "She looked at him and" 40
    python examples/plain_client.py build/files/seq2seq-dynamic_wi8_afp32.onnx "A man rides a bicycle." 40

The file must have its tokenizer inside, as it has by default for WordPiece and byte-level BPE. What is written is the
most probable token at each step, as `kerastx generate FILE` writes it. The entries of the manifest are described in
kerastx/artifact.py.
"""

from __future__ import annotations

import argparse
import base64
import functools
import json
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

Tensors = dict[str, np.ndarray]
Run = Callable[[Tensors], Tensors]


def opened_tflite(path: str) -> tuple[dict, dict[str, Run]]:
    """Return the manifest, and what the file computes by name."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    runners = {name: interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()}
    # An app keeps the cache in buffers that are input and output at once (LiteRT's CompiledModel): nothing is copied.
    functions: dict[str, Run] = {
        name: functools.partial(lambda runner, inputs: runner(**inputs), runner) for name, runner in runners.items()
    }
    return json.loads(zipfile.ZipFile(path).read("kerastx.json")), functions


def opened_onnx(path: str) -> tuple[dict, dict[str, Run]]:
    """Return the manifest, and what the file computes by name: all in one graph, of which a step always runs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of inputs that need not be given
    session = onnxruntime.InferenceSession(path, options)
    entry = session.get_modelmeta().custom_metadata_map["kerastx.manifest"]
    inputs = {tensor.name: tensor for tensor in session.get_inputs()}

    def idle_step(length: int) -> Tensors:
        """A token, an empty cache, and a source of some length: what a step takes that nobody asks for."""
        sizes = {name: [1, *tensor.shape[1:]] for name, tensor in inputs.items() if len(tensor.shape) == 4}
        sizes = {name: [*size[:2], length * name.startswith("source_"), size[3]] for name, size in sizes.items()}
        idle = {name: np.zeros(size, np.float32) for name, size in sizes.items()}
        if "source_padding_mask" in inputs:
            idle["source_padding_mask"] = np.ones((1, length), bool)
        one = np.zeros((1, 1), np.int32)
        return {**idle, "cached_positions": one[:, :0], "token_ids": one, "positions": one}

    def asked(prefix: str, given: Tensors) -> Tensors:
        names = [output.name for output in session.get_outputs() if output.name.startswith(prefix)]
        return dict(zip(names, session.run(names, given), strict=True))

    def tokenize(given: Tensors) -> Tensors:
        found = asked("read_", {**idle_step(1), **given})
        return {name.removeprefix("read_"): values for name, values in found.items()}

    def encode(given: Tensors) -> Tensors:
        found = asked("new_source_", {**idle_step(given["source_token_ids"].shape[1]), **given})
        return {name.removeprefix("new_"): values for name, values in found.items()}

    def step(given: Tensors) -> Tensors:
        names = ["logits", *(f"new_{name}" for name in inputs if name.startswith(("cached", "key", "value")))]
        return dict(zip(names, session.run(names, given), strict=True))

    return json.loads(zlib.decompress(base64.b64decode(entry))), {"tokenize": tokenize, "encode": encode, "step": step}


def text_of(table: dict, token_ids: list[int]) -> str:
    """Return what tokens spell; for the kind "pieces" see kerastx/artifact.py."""
    strings = [table["tokens"][token] for token in token_ids if table["tokens"][token] is not None]
    if table["kind"] == "bytes":
        return "".join(strings).encode("latin-1").decode("utf-8", "replace")
    if table["kind"] != "wordpiece":
        raise SystemExit(f"tokens of the kind {table['kind']} are not put together here")
    text = ""
    for number, piece in enumerate(strings):
        is_part = piece.startswith(table["prefix"])
        piece = piece.removeprefix(table["prefix"]) if is_part and number else piece if not number else f" {piece}"
        for old, new in table["cleanup"]:
            piece = piece.replace(old, new)
        text += piece
    return text


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help=".tflite or .onnx that writes")
    parser.add_argument("text", help="a prompt, or what is to be translated")
    parser.add_argument("tokens", type=int, help="the most new tokens")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> str:
    """Write, print and return a text."""
    options = parse_arguments(arguments)
    path, text, most = options.file, options.text, options.tokens
    manifest, run = (opened_tflite if path.endswith(".tflite") else opened_onnx)(path)
    table, places = manifest["detokenizer"], manifest["model"]["max_sequence_length"]

    # UTF-8, and zeros up to the bytes that the tokenizer takes.
    row = np.zeros((1, manifest["text"]["budget"]), np.uint8)
    row[0, : len(text.encode())] = np.frombuffer(text.encode(), np.uint8)
    found = run["tokenize"]({"text": row})
    token_ids = found["token_ids"][:, : found["lengths"][0, 0]]
    source: Tensors = {}
    if manifest["task"] == "seq2seq":  # what all steps take of the source, once; the target begins with its own tokens
        mask = np.ones(token_ids.shape, bool)
        source = run["encode"]({"source_token_ids": token_ids, "source_padding_mask": mask})
        source["source_padding_mask"] = mask
    elif found["is_cut"][0, 0]:
        raise SystemExit("the prompt is longer than the model's context")
    prompt = [] if source else token_ids[0].tolist()
    if source or not token_ids.size:
        token_ids = np.array([table["begin_ids"]], np.int32)

    # A .tflite writes into slots that are there: so many as all tokens need. The cache of an .onnx grows from none.
    specs = {spec["name"]: spec for spec in manifest["signature"]["inputs"]}
    slots = min(token_ids.shape[1] + most, places) if "first_slot" in specs else 0
    cache: Tensors = {"cached_positions": np.full((1, slots), -1, np.int32)}  # -1: empty
    for name, spec in specs.items():
        if name.startswith(("key_", "value_")):
            _, heads, _, size = spec["shape"]
            cache[name] = np.zeros((1, heads, slots, size), np.float32)

    never = sorted(set(table["special_ids"]) - set(table["end_ids"]))
    written: list[int] = []
    place = 0
    while len(written) < most and place + token_ids.shape[1] <= places:
        length = token_ids.shape[1]
        given = {"token_ids": token_ids, "positions": np.arange(place, place + length, dtype=np.int32)[None]}
        if slots:
            given["first_slot"] = np.array(place, np.int32)
        found = run["step"]({**given, **cache, **source})
        cache = {name: found[f"new_{name}"] for name in cache}
        place += length
        logits = found["logits"][0]
        logits[never] = logits[len(table["tokens"]) :] = -np.inf  # a table may have rows behind its last token
        token = int(logits.argmax())
        if token in table["end_ids"]:
            break
        written.append(token)
        token_ids = np.array([[token]], np.int32)
    # How the first new token is spelled, with a blank or as a part of a word, says the one before it.
    before = text_of(table, prompt)
    answer = text_of(table, [*prompt, *written])[len(before) :]
    print(answer)
    return answer


if __name__ == "__main__":
    main()
