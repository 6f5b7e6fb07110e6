"""The tokenizer of a Hugging Face model folder, read from the files that `transformers` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors

from kerastx.errors import DataError
from kerastx.text.special_tokens import CONTINUATION, NAMES, bert_processor, one_line_errors
from kerastx.text.tokenizer import FILE_NAME, Tokenizer
from kerastx.text.whole_files import read_text
from kerastx.text.writing_tokens import WritingTokens, check_known, with_writing_tokens

CONFIG_NAME = "tokenizer_config.json"
# The classes of `transformers` whose slow files mean what is built here; others read a vocab.txt differently.
WORDPIECE_CLASSES = {
    f"{name}Tokenizer"
    for name in ("Bert", "ConvBert", "DistilBert", "Electra", "LayoutLM", "Lxmert", "MobileBert", "SqueezeBert")
}
BYTE_BPE_CLASSES = {"RobertaTokenizer", "LongformerTokenizer", "BartTokenizer"}
WRITING_BYTE_BPE_CLASSES = {"BartTokenizer", "GPT2Tokenizer"}
_SAVE_FAST = "write a tokenizer.json with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"


@dataclass(frozen=True)
class WritingIds:
    """What a model that writes says of the tokens it writes with; see `WritingTokens`.

    Attributes:
        begin, end: empty where it says nothing; then the tokenizer's files tell.
        pad: None = the end.
        places: for so many tokens; special tokens behind them, which the model has never seen (BART's <mask>), are
            left out. None = for all.
    """

    begin: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    pad: int | None = None
    places: int | None = None


def read_huggingface_tokenizer(folder: Path, *, segments: bool = True, writing: WritingIds | None = None) -> Tokenizer:
    """Return the tokenizer of a model folder: the ids and the template of Hugging Face's fast tokenizer.

    Read is `tokenizer.json`; without one `vocab.txt`, as WordPiece; without one `vocab.json` and `merges.txt`, as
    byte-level BPE with RoBERTa's template. What `tokenizer_config.json` says of case, accents, Chinese characters
    and the blank before a text counts, also over `tokenizer.json`, as it does in `transformers`. Settings for
    truncation and padding do not count: whoever encodes gives a length.

    Args:
        folder: the local folder.
        segments: False gives pairs the segment id 0 everywhere, for a model without segments (DistilBERT).
        writing: of a model that writes, whose tokenizer needs no more special tokens than these.

    Raises:
        DataError: no such files, files that are broken or of another kind of tokenizer; the message starts with
            the path. The way out is named where there is one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: expected the folder of a Hugging Face model, got none")
    config = read_object(folder / CONFIG_NAME) if (folder / CONFIG_NAME).exists() else {}
    file = _main_file(folder)
    if file.name == FILE_NAME:
        content = read_object(file)
        text = read_text(file, expected="a tokenizer.json")
        with one_line_errors(f"{file}: expected the JSON of a tokenizer"):
            backend = tokenizers.Tokenizer.from_str(text)
            if writing is not None and writing.places is not None and backend.get_vocab_size() > writing.places:
                content = _without_last_special(content, writing.places)
                backend = tokenizers.Tokenizer.from_str(json.dumps(content))
    else:
        _check_no_added_tokens(folder, file)
        backend = _wordpiece(file, config) if file.name == "vocab.txt" else _byte_bpe(file, config, writing)
        content = json.loads(backend.to_str())
    try:
        parts = _configured(content, config)
        if not segments:
            parts["post_processor"] = without_segments(parts["post_processor"])
        if writing is not None:
            vocabulary = backend.get_vocab(with_added_tokens=True)
            tokens = writing_tokens_of(content, config, writing, vocabulary)
            parts["post_processor"] = with_writing_tokens(parts["post_processor"], tokens, vocabulary)
        replace_parts(backend, content, parts)
        tokenizer = Tokenizer(backend)
        if not segments and any(slot.segment_id for slot in tokenizer.template.pair):
            # The files added no special tokens, and the template that the tokenizer got instead has segments.
            own = json.loads(tokenizer.to_json())
            own["post_processor"] = without_segments(own["post_processor"])
            tokenizer = Tokenizer.from_json(json.dumps(own))
        return tokenizer
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


def _without_last_special(content: Mapping[str, Any], places: int) -> dict[str, Any]:
    """Return the JSON of a tokenizer without its special tokens from an id on."""
    tokens = content.get("added_tokens") or []
    gone = {token["content"] for token in tokens if token["id"] >= places and token["special"]}
    model, pieces = content["model"], content["model"]["vocab"]
    if isinstance(pieces, dict):
        kept: Any = {token: number for token, number in pieces.items() if token not in gone}
    else:
        kept = [piece for number, piece in enumerate(pieces) if number < places or piece[0] not in gone]
    added = [token for token in tokens if token["content"] not in gone]
    return {**content, "added_tokens": added, "model": {**model, "vocab": kept}}


def replace_parts(backend: tokenizers.Tokenizer, content: Mapping[str, Any], parts: Mapping[str, Any]) -> None:
    """Set those parts of a backend, given as JSON, that differ from its own JSON.

    Not by reading the whole JSON again: that changes the last bit of some scores, see `families.json_with_scores`.
    """
    empty = {"version": content.get("version", "1.0"), "model": {"type": "WordLevel", "vocab": {}, "unk_token": ""}}
    for name, part in parts.items():
        if part != content.get(name):
            with one_line_errors(f"the {name} of the tokenizer cannot be changed"):
                setattr(backend, name, getattr(tokenizers.Tokenizer.from_str(json.dumps({**empty, name: part})), name))


def writing_tokens_of(
    content: Mapping[str, Any], config: Mapping[str, Any], ids: WritingIds, vocabulary: Mapping[str, int]
) -> WritingTokens:
    """Return the tokens that a model writes with: those of its ids, else those that tokenizer_config.json names."""
    names = {number: token for token, number in vocabulary.items()}
    said = {*ids.begin, *ids.end, *(() if ids.pad is None else (ids.pad,))}
    if outside := sorted(said - set(names)):
        raise DataError(f"the model writes with the token ids {outside}, of which the tokenizer knows nothing")
    end = tuple(names[number] for number in ids.end) or named_token(config, "eos_token", vocabulary)
    begin = tuple(names[number] for number in ids.begin) or named_token(config, "bos_token", vocabulary) or end[:1]
    if not end:
        raise DataError("neither the model's files nor tokenizer_config.json name the token that ends a text (eos)")
    pad = (names[ids.pad],) if ids.pad is not None else named_token(config, "pad_token", vocabulary) or end
    model = content["model"]
    unknown = model.get("unk_token")
    if model.get("type") == "Unigram" and isinstance(model.get("unk_id"), int):
        unknown = names.get(model["unk_id"])
    tokens = WritingTokens(begin, end, pad[0], unknown or pad[0])
    check_known([tokens.unknown], vocabulary)
    return tokens


def named_token(config: Mapping[str, Any], key: str, vocabulary: Mapping[str, int]) -> tuple[str, ...]:
    """Return the token that tokenizer_config.json names under a key, as one or none; none that is not there."""
    token = config.get(key)
    if isinstance(token, dict):
        token = token.get("content")
    return (token,) if isinstance(token, str) and token in vocabulary else ()


def without_segments(processor: Any) -> Any:
    """Return the JSON of a post-processor with the segment id 0 for all tokens of one text and of a pair."""
    if not isinstance(processor, dict):
        return processor
    kind = processor.get("type")
    try:
        if kind == "Sequence":
            return {**processor, "processors": [without_segments(part) for part in processor["processors"]]}
        if kind == "BertProcessing":
            (sep, sep_id), (cls, cls_id) = processor["sep"], processor["cls"]
            template = bert_processor((cls, cls_id), (sep, sep_id))
            return without_segments(json.loads(template.__getstate__()))
        if kind == "TemplateProcessing":
            pieces = {
                key: [{name: {**piece, "type_id": 0} for name, piece in entry.items()} for entry in processor[key]]
                for key in ("single", "pair")
            }
            return {**processor, **pieces}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise DataError(f"expected the post-processor {kind} of a tokenizer, got something else") from None
    return processor


def _main_file(folder: Path) -> Path:
    for name in (FILE_NAME, "vocab.txt"):
        if (folder / name).exists():
            return folder / name
    if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
        return folder / "vocab.json"
    models_found = sorted(path.name for path in folder.iterdir() if path.name.endswith((".model", ".spm")))
    if models_found:
        raise DataError(
            f"{folder}: expected tokenizer.json, got only a SentencePiece model ({models_found[0]}); {_SAVE_FAST}"
        )
    raise DataError(
        f"{folder}: expected tokenizer.json, vocab.txt, or vocab.json with merges.txt, got none of them; "
        "download the model's tokenizer files into the folder"
    )


def read_object(file: Path) -> dict[str, Any]:
    """Return a JSON object; DataError for any other content."""
    text = read_text(file, expected="a JSON file")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise DataError(f"{file}: expected a JSON object, got something else")
    return content


def _check_no_added_tokens(folder: Path, vocabulary_file: Path) -> None:
    file = folder / "added_tokens.json"
    if file.exists() and (added := read_object(file)):
        raise DataError(
            f"{file}: expected no tokens besides those of {vocabulary_file.name}, got {len(added)}; {_SAVE_FAST}"
        )


def _check_class(config: Mapping[str, Any], known: set[str], file: Path) -> None:
    name = config.get("tokenizer_class")
    if name is not None and str(name).removesuffix("Fast") not in known:
        raise DataError(f"{file}: expected the files of {', '.join(sorted(known))}, got those of {name}; {_SAVE_FAST}")


def _wordpiece(file: Path, config: Mapping[str, Any]) -> tokenizers.Tokenizer:
    _check_class(config, WORDPIECE_CLASSES, file)
    lines = read_text(file, expected="a vocab.txt").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    vocabulary = {token: number for number, token in enumerate(lines)}
    if len(vocabulary) < len(lines):
        raise DataError(f"{file}: expected every token once, got {len(lines) - len(vocabulary)} of them again")
    names = {role: _known(vocabulary, role) for role in ("unknown", "cls", "sep")}
    unknown = config.get("unk_token", names["unknown"])
    if isinstance(unknown, dict):
        unknown = unknown.get("content")
    backend = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token=str(unknown)))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)  # the defaults, until the config says otherwise
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix=CONTINUATION)
    if names["cls"] in vocabulary and names["sep"] in vocabulary:
        backend.post_processor = bert_processor(*((names[role], vocabulary[names[role]]) for role in ("cls", "sep")))
    return backend


def _byte_bpe(file: Path, config: Mapping[str, Any], writing: WritingIds | None) -> tokenizers.Tokenizer:
    _check_class(config, BYTE_BPE_CLASSES if writing is None else WRITING_BYTE_BPE_CLASSES, file)
    vocabulary = read_object(file)
    if not all(type(number) is int and 0 <= number < len(vocabulary) for number in vocabulary.values()):
        raise DataError(f"{file}: expected a JSON object of tokens with the ids 0 to {len(vocabulary) - 1}")
    merges_file = file.with_name("merges.txt")
    lines = read_text(merges_file, expected="a merges.txt").split("\n")
    if lines[0].startswith("#version"):
        lines = lines[1:]
    merges = []
    for line in filter(None, (line.rstrip("\r") for line in lines)):
        left, blank, right = line.partition(" ")
        if not blank or " " in right:
            raise DataError(f"{merges_file}: expected two tokens a line, got {line!r}")
        merges.append((left, right))
    with one_line_errors(f"{merges_file}: expected merges of the tokens of vocab.json"):
        backend = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    names = {role: _known(vocabulary, role) for role in NAMES}
    if writing is None or all(names[role] in vocabulary for role in ("cls", "sep")):
        cls, sep = ((names[role], vocabulary.get(names[role], 0)) for role in ("cls", "sep"))
        backend.post_processor = processors.RobertaProcessing(sep, cls, trim_offsets=True, add_prefix_space=False)
    else:
        backend.post_processor = processors.ByteLevel(trim_offsets=True)
    known = [
        AddedToken(name, lstrip=role == "mask", special=True) for role, name in names.items() if name in vocabulary
    ]
    backend.add_special_tokens(known)
    return backend


def _known(vocabulary: Mapping[str, int], role: str) -> str:
    """Return the name that a role has in a vocabulary, or would have."""
    return next((name for name in NAMES[role] if name in vocabulary), NAMES[role][0])


def _configured(content: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a tokenizer's JSON as `transformers` changes them for the keys of tokenizer_config.json."""
    parts = {name: content.get(name) for name in ("normalizer", "pre_tokenizer", "post_processor")}
    normalizer = parts["normalizer"]
    if isinstance(normalizer, dict) and normalizer.get("type") == "BertNormalizer":
        names = {"do_lower_case": "lowercase", "strip_accents": "strip_accents"}
        names["tokenize_chinese_chars"] = "handle_chinese_chars"
        parts["normalizer"] = normalizer | {names[key]: config[key] for key in names if key in config}
    if config.get("add_prefix_space") is not None:
        for name in ("pre_tokenizer", "post_processor"):
            part = parts[name]
            if isinstance(part, dict) and part.get("type") in ("ByteLevel", "RobertaProcessing"):
                parts[name] = part | {"add_prefix_space": config["add_prefix_space"]}
    return parts
