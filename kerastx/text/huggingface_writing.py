"""The tokenizer files that `transformers.AutoTokenizer` loads, written from a `Tokenizer`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerastx.errors import DataError
from kerastx.text.huggingface_files import CONFIG_NAME
from kerastx.text.template import Slot
from kerastx.text.tokenizer import FILE_NAME, Tokenizer
from kerastx.text.whole_files import write_text

_BERT = ("CAS", "CASBS")
_ROBERTA = ("CAS", "CASSBS")
_ONE_SEGMENT = {0}


def write_huggingface_tokenizer(folder: Path, tokenizer: Tokenizer, *, model_max_length: int) -> None:
    """Write the files from which `transformers.AutoTokenizer.from_pretrained(folder)` gives equal ids.

    They are tokenizer.json, tokenizer_config.json and special_tokens_map.json, and vocab.txt of a WordPiece
    vocabulary; files of these names are replaced. Ids differ for a text that holds special tokens, which
    `transformers` reads as such and `Tokenizer.encode` as text.

    Args:
        folder: made where it is missing.
        tokenizer: of any family.
        model_max_length: the most tokens that the model takes, special ones included.

    Raises:
        ValueError: model_max_length is below 1.
        DataError: a token of a WordPiece vocabulary holds a line break, which vocab.txt cannot.
    """
    if model_max_length < 1:
        raise ValueError(f"model_max_length must be at least 1, got {model_max_length}.")
    folder = Path(folder)
    content = json.loads(tokenizer.to_json())
    special = _special_tokens(tokenizer)
    added = {str(token["id"]): {key: token[key] for key in token if key != "id"} for token in content["added_tokens"]}
    config = {
        "added_tokens_decoder": added,
        "tokenizer_class": huggingface_class(tokenizer),
        "model_max_length": model_max_length,
        **special,
        **_text_options(content),
    }
    options = {entry["content"]: entry for entry in added.values()}
    special_map = {name: {key: options[token][key] for key in _OPTIONS} for name, token in special.items()}
    files = {FILE_NAME: content, CONFIG_NAME: config, "special_tokens_map.json": special_map}
    written = {name: json.dumps(value, ensure_ascii=False, indent=2) + "\n" for name, value in files.items()}
    if tokenizer.family == "WordPiece":
        written["vocab.txt"] = _vocabulary_lines(tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        write_text(folder / name, text)


_OPTIONS = ("content", "lstrip", "normalized", "rstrip", "single_word")


def huggingface_class(tokenizer: Tokenizer) -> str:
    """Return the class of `transformers` that encodes as the tokenizer does; the general one where none is known."""
    content = json.loads(tokenizer.to_json())
    parts = tuple((content[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer"))
    template = tokenizer.template
    shape = (_shape(template.single, tokenizer), _shape(template.pair, tokenizer))
    single = {slot.segment_id for slot in template.single}
    pair = [slot.segment_id for slot in template.pair]
    one_segment, bert_segments = {*single, *pair} == _ONE_SEGMENT, single == _ONE_SEGMENT and pair == [0, 0, 0, 1, 1]
    roberta = shape == _ROBERTA and one_segment and tokenizer.token(tokenizer.cls_id) == "<s>"
    if parts == ("BertNormalizer", "BertPreTokenizer") and tokenizer.family == "WordPiece" and shape == _BERT:
        if bert_segments:
            return "BertTokenizer"
        if one_segment:
            return "DistilBertTokenizer"
    if tokenizer.family == "BPE" and parts == (None, "ByteLevel") and roberta:
        return "RobertaTokenizer"
    if tokenizer.family == "Unigram" and roberta:
        return "XLMRobertaTokenizer"
    if tokenizer.family == "Unigram" and shape == _BERT and bert_segments:
        return "AlbertTokenizer"
    return "PreTrainedTokenizerFast"


def _shape(slots: tuple[Slot, ...], tokenizer: Tokenizer) -> str:
    """Return the slots as letters: A and B the texts, C and S the opening and the separating token."""
    letters = {tokenizer.cls_id: "C", tokenizer.sep_id: "S"}
    return "".join(letters.get(slot.token_id, "?") if slot.text is None else "AB"[slot.text] for slot in slots)


def _special_tokens(tokenizer: Tokenizer) -> dict[str, str]:
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    special = dict(zip(names, map(tokenizer.token, tokenizer.special_ids), strict=True))
    if tokenizer.family != "WordPiece":  # the defaults of these classes would be added to the vocabulary
        special |= {"bos_token": special["cls_token"], "eos_token": special["sep_token"]}
    return special


def _text_options(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options whose defaults in `transformers` would overrule tokenizer.json."""
    normalizer, pre_tokenizer = content["normalizer"] or {}, content["pre_tokenizer"] or {}
    if normalizer.get("type") == "BertNormalizer":
        return {
            "do_lower_case": normalizer["lowercase"],
            "strip_accents": normalizer["strip_accents"],
            "tokenize_chinese_chars": normalizer["handle_chinese_chars"],
        }
    if pre_tokenizer.get("type") == "ByteLevel":
        return {"add_prefix_space": pre_tokenizer["add_prefix_space"]}
    return {}


def _vocabulary_lines(tokenizer: Tokenizer) -> str:
    tokens = [tokenizer.token(id) for id in range(tokenizer.vocabulary_size)]
    for id, token in enumerate(tokens):
        if "\n" in token or "\r" in token:
            raise DataError(f"vocab.txt has one token a line, and token {id} holds a line break: {token!r}")
    return "".join(f"{token}\n" for token in tokens)
