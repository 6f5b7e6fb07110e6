"""[B] Classifier files of the same random weights: LiteRT, onnxruntime, OpenVINO and PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from classifier import SIZES, check_inputs, product_operations, read_weights, reference_logits
from contest import OURS, PEERS, Bar, Contestant, Row
from making import make

LENGTHS = (128, 16)
ABOUT = """\
One text of 128 or 16 tokens, batch 1, through a classifier of 6 layers × 384 (12 heads, feed-forward 1536, vocabulary
30,522, 6 classes). Everybody has the same random weights, carried over array by array; the logits of eight texts, half
of them with padding and two segments, are compared with NumPy in 64 bits. Ours are the files that `kerastx export`
writes by default (`dynamic_wi8_afp32`, called int8 here) and with `--recipe fp32`."""
NOTES = (
    "keras-nlp's BERT and optimum's O3 take the tanh approximation of gelu, which is cheaper than the exact one of all "
    "others; they are compared with the same weights under that approximation.",
    "kerastx computes the last block only where the classifier reads it, at the first token; the answer is the same. "
    "All others compute it for every token.",
    "kerastx's int8 files scale the activations of a product token by token: an answer depends neither on the other "
    "texts of its batch nor on padding. optimum's take one scale for all, which onnxruntime runs in fewer nodes.",
    "Differences of the logits are in units of their spread over texts, which the head is scaled to. The weights are "
    "random: what 8 bits cost a trained model is for the task score to say.",
    "optimum's quantizer refuses the O3 file (its shape inference stops at the fused nodes), so int8 is of the plain "
    "export, as documented.",
)
BARS = (
    Bar("ours-litert-int8", "optimum-int8", "128", 1.55),
    Bar("ours-litert-int8", "keras-nlp-dynamic", "128", 1.35),
    Bar("ours-onnx-int8", "optimum-int8", "128", 1.2),
    *(Bar("ours-litert-fp32", "keras-nlp-fp32", case, 1.0) for case in ("128", "16")),
    *(Bar("ours-onnx-fp32", peer, case, 1.0) for peer in ("optimum-fp32", "optimum-o3") for case in ("128", "16")),
)
# Largest difference of a logit; the logits spread by about 1.
INT8 = {"tolerance": None, "min_cosine": 0.98, "arithmetic": "int8"}
BF16 = {"tolerance": None, "min_cosine": 0.99, "arithmetic": "bf16"}


def row(context) -> Row:
    """Return the row."""
    folder = context.folder

    def prepare() -> Mapping[str, str]:
        # Ours always anew: that is what is under test.
        make("kerastx_files.py", folder, SIZES, python=context.pythons[OURS], ours=True)
        absent: dict[str, str] = {}
        for script, product, names in (
            ("optimum_onnx.py", "optimum/int8/model_quantized.onnx", _reading(contestants, "optimum/")),
            ("keras_nlp_litert.py", "keras-nlp/dynamic.tflite", _reading(contestants, "keras-nlp/")),
        ):
            if context.reuse and (folder / product).exists():
                continue
            reason = make(script, folder, SIZES, python=context.pythons[PEERS])
            if reason:
                absent |= dict.fromkeys(names, reason)
        return absent

    def references():
        weights = read_weights(folder)
        return {
            gelu: {
                str(length): [
                    reference_logits(weights, SIZES, inputs, gelu=gelu)[0].tolist()
                    for inputs in check_inputs(SIZES, length)
                ]
                for length in LENGTHS
            }
            for gelu in ("exact", "tanh")
        }

    contestants = _contestants(folder)
    return Row(
        name="files",
        title="Classifier files",
        about=ABOUT,
        unit="text",
        cases={str(length): f"{length} tokens" for length in LENGTHS},
        operations={str(length): product_operations(SIZES, length) for length in LENGTHS},
        contestants=contestants,
        bars=BARS,
        references=references,
        prepare=prepare,
        notes=NOTES,
    )


def _reading(contestants: tuple[Contestant, ...], part: str) -> list[str]:
    return [contestant.name for contestant in contestants if part in contestant.options.get("path", "")]


def _contestants(folder: Path) -> tuple[Contestant, ...]:
    def of(name, label, script, path=None, *, options=None, **choices):
        read = {} if path is None else {"path": str(folder / path)}
        given = {**read, "folder": str(folder), "sizes": SIZES, **(options or {})}
        return Contestant(name=name, label=label, script=f"contestants/{script}", options=given, **choices)

    fewer = {str(length): product_operations(SIZES, length, first_token_only=True) for length in LENGTHS}

    def ours(name, label, path, **choices):
        choices["operations"] = fewer
        return of(name, label, "kerastx_file.py", f"ours/classification-{path}", environment=OURS, **choices)

    def optimum(name, label, path, how, **choices):
        return of(name, label, "onnx_file.py", f"optimum/{path}", options={"how": how}, **choices)

    def keras_nlp(name, label, path, how, **choices):
        choices = {"reference": "tanh", **choices}
        return of(name, label, "litert_file.py", f"keras-nlp/{path}", options={"how": how}, **choices)

    def openvino(name, label, precision, **choices):
        path = "optimum/fp32/model.onnx"
        return of(name, label, "openvino_file.py", path, options={"precision": precision}, **choices)

    return (
        ours("ours-litert-int8", "kerastx .tflite int8", "dynamic_wi8_afp32.tflite", **INT8),
        keras_nlp(
            "keras-nlp-dynamic",
            "keras-nlp litert, dynamic range",
            "dynamic.tflite",
            '`model.export(format="litert", optimizations=[DEFAULT])`',
            **INT8,
        ),
        ours("ours-onnx-int8", "kerastx .onnx int8", "dynamic_wi8_afp32.onnx", **INT8),
        optimum(
            "optimum-int8",
            "optimum-onnx int8 per channel",
            "int8/model_quantized.onnx",
            "`AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)`",
            **INT8,
        ),
        ours("ours-litert-fp32", "kerastx .tflite fp32", "fp32.tflite"),
        keras_nlp("keras-nlp-fp32", "keras-nlp litert fp32", "fp32.tflite", '`model.export(format="litert")`'),
        ours("ours-onnx-fp32", "kerastx .onnx fp32", "fp32.onnx"),
        optimum("optimum-fp32", "optimum-onnx fp32", "fp32/model.onnx", "`onnx_export_from_model`"),
        optimum(
            "optimum-o3",
            "optimum-onnx O3",
            "O3/model_optimized.onnx",
            "`AutoOptimizationConfig.O3()`",
            reference="tanh",
        ),
        of("torch", "PyTorch eager fp32", "torch_classifier.py"),
        openvino("openvino-fp32", "OpenVINO fp32", "f32"),
        openvino("openvino-bf16", "OpenVINO bf16", "bf16", **BF16),
    )
