from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from text_backends import ANGLES, BACKENDS, VARIED
from tokenizers import normalizers, pre_tokenizers, processors

from kerastx.errors import DataError
from kerastx.text.huggingface_files import WritingIds, read_huggingface_tokenizer, without_segments
from kerastx.text.tokenizer import Tokenizer


def write(folder: Path, **files: object) -> Path:
    """Write files, given as name_ending=content; what is no string becomes JSON."""
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / ".".join(name.rsplit("_", 1))).write_text(text, encoding="utf-8")
    return folder


def vocabulary_lines(backend: tokenizers.Tokenizer) -> str:
    vocabulary = backend.get_vocab()
    return "".join(f"{token}\n" for token in sorted(vocabulary, key=vocabulary.__getitem__))


def assert_same(tokenizer: Tokenizer, reference: tokenizers.Tokenizer) -> None:
    again = Tokenizer.from_json(tokenizer.to_json())
    assert again.template == tokenizer.template
    for text in VARIED:
        for texts in ((text,), (text, "the owner of мир")):
            expected = reference.encode(*texts)
            for encoding in (tokenizer.encode(*texts), again.encode(*texts)):
                assert encoding.token_ids.tolist() == expected.ids
                assert encoding.segment_ids.tolist() == expected.type_ids


@pytest.mark.parametrize("name", list(BACKENDS))
def test_tokenizer_json_is_read_without_its_truncation_and_padding(backends, tmp_path, name):
    backend = backends(name)
    backend.enable_truncation(4)
    backend.enable_padding(length=50)
    write(tmp_path, tokenizer_json=backend.to_str(), tokenizer_config_json={"model_max_length": 512})
    assert_same(read_huggingface_tokenizer(tmp_path), backends(name))


@pytest.mark.parametrize("config", [None, {}, {"tokenizer_class": "BertTokenizerFast"}])
def test_vocab_txt_is_an_uncased_wordpiece_by_default(backends, tmp_path, config):
    write(tmp_path, vocab_txt=vocabulary_lines(backends("bert")))
    if config is not None:
        write(tmp_path, tokenizer_config_json=config)
    tokenizer = read_huggingface_tokenizer(tmp_path)
    assert_same(tokenizer, backends("bert"))
    assert tokenizer.decode(tokenizer.encode("the owner").token_ids) == "the owner"


def test_options_of_the_config_are_followed(backends, tmp_path):
    write(tmp_path, vocab_txt=vocabulary_lines(backends("bert")).replace("\n", "\r\n"))
    reference = backends("bert")
    reference.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=True, handle_chinese_chars=False)
    options = {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False}
    write(tmp_path, tokenizer_config_json={"tokenizer_class": "ElectraTokenizer", **options})
    tokenizer = read_huggingface_tokenizer(tmp_path)
    assert not tokenizer.lowercase
    assert_same(tokenizer, reference)
    write(tmp_path, tokenizer_json=backends("bert").to_str())  # the config counts over tokenizer.json too
    assert_same(read_huggingface_tokenizer(tmp_path), reference)


@pytest.mark.parametrize("unknown", ["<oov>", {"content": "<oov>", "__type": "AddedToken"}])
def test_vocab_txt_with_other_names(backends, tmp_path, unknown):
    lines = vocabulary_lines(backends("wordpiece-angles"))
    write(tmp_path, vocab_txt=lines, tokenizer_config_json={"unk_token": unknown})
    assert_same(read_huggingface_tokenizer(tmp_path), backends("wordpiece-angles"))


def write_byte_bpe(folder: Path, backend: tokenizers.Tokenizer) -> None:
    model = json.loads(backend.to_str())["model"]
    merges = "".join(f"{left} {right}\n" for left, right in model["merges"])
    write(folder, vocab_json=model["vocab"], merges_txt=f"#version: 0.2\n{merges}\n")


@pytest.mark.parametrize("name", ["roberta", "roberta-prefix"])
def test_vocab_json_and_merges_txt_are_a_roberta(backends, tmp_path, name):
    write_byte_bpe(tmp_path, backends(name))
    config = {"add_prefix_space": name == "roberta-prefix", "tokenizer_class": "RobertaTokenizer"}
    write(tmp_path, tokenizer_config_json=config)
    tokenizer = read_huggingface_tokenizer(tmp_path)
    assert_same(tokenizer, backends(name))
    assert tokenizer.encode("the  owner").offsets.tolist() == [
        list(span) for span in backends(name).encode("the  owner").offsets
    ]
    reference = backends(name)
    assert tokenizer.encode_masked("the <mask>").token_ids.tolist() == reference.encode("the <mask>").ids


@pytest.mark.parametrize("kind", ["vocab.txt", "BertProcessing", "TemplateProcessing", "Sequence", "none"])
def test_pairs_without_segments(backends, tmp_path, kind):
    backend = backends("bert")
    template = processors.TemplateProcessing(
        single="[CLS] $A [SEP]:1", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    if kind == "TemplateProcessing":
        backend.post_processor = template
    elif kind == "Sequence":
        backend.post_processor = processors.Sequence([template])
    content = json.loads(backend.to_str())
    if kind == "none":
        content["post_processor"] = None
    if kind == "vocab.txt":
        write(tmp_path, vocab_txt=vocabulary_lines(backend))
    else:
        write(tmp_path, tokenizer_json=content)
    with_segments = read_huggingface_tokenizer(tmp_path).encode("the", "owner")
    assert with_segments.segment_ids.any()
    tokenizer = read_huggingface_tokenizer(tmp_path, segments=False)
    for found in (tokenizer, Tokenizer.from_json(tokenizer.to_json())):
        assert not found.encode("the").segment_ids.any()
        encoding = found.encode("the", "owner")
        assert not encoding.segment_ids.any()
        np.testing.assert_array_equal(encoding.token_ids, with_segments.token_ids)


def test_a_template_without_segments_stays_as_it_is():
    roberta = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}
    assert without_segments(roberta) is roberta
    assert without_segments(None) is None


def test_folders_without_a_tokenizer(tmp_path):
    with pytest.raises(DataError, match="gone: expected the folder of a Hugging Face model, got none"):
        read_huggingface_tokenizer(tmp_path / "gone")
    with pytest.raises(
        DataError, match=r"expected tokenizer\.json, vocab\.txt, or vocab\.json with merges\.txt, got no"
    ):
        read_huggingface_tokenizer(tmp_path)
    write(tmp_path, vocab_json={"a": 0})
    with pytest.raises(DataError, match=r"or vocab\.json with merges\.txt, got none"):
        read_huggingface_tokenizer(tmp_path)
    (tmp_path / "spiece.model").write_bytes(b"\x0a")
    with pytest.raises(DataError, match=r"got only a SentencePiece model \(spiece\.model\); write .*save_pretrained"):
        read_huggingface_tokenizer(tmp_path)


def test_slow_files_of_other_tokenizers_are_refused(backends, tmp_path):
    lines = vocabulary_lines(backends("bert"))
    write(tmp_path, vocab_txt=lines, tokenizer_config_json={"tokenizer_class": "BertJapaneseTokenizer"})
    with pytest.raises(DataError, match=r"vocab\.txt: expected the files of Bert.* got those of BertJapanese"):
        read_huggingface_tokenizer(tmp_path)
    write(tmp_path, tokenizer_config_json={}, added_tokens_json={"[NEW]": 138})
    with pytest.raises(DataError, match=r"added_tokens\.json: expected no tokens besides those of vocab\.txt, got 1"):
        read_huggingface_tokenizer(tmp_path)
    write(tmp_path, added_tokens_json={}, vocab_txt=f"{lines}the\n")
    with pytest.raises(DataError, match=r"vocab\.txt: expected every token once, got 1 of them again"):
        read_huggingface_tokenizer(tmp_path)
    write(tmp_path, vocab_txt="the\n")
    with pytest.raises(DataError, match=r"vocab\.txt: the tokenizer lacks its own unknown token '\[UNK\]'"):
        read_huggingface_tokenizer(tmp_path)
    write(tmp_path, vocab_txt="[UNK]\n")
    with pytest.raises(DataError, match=r"vocab\.txt: the tokenizer lacks the special tokens pad .* cls "):
        read_huggingface_tokenizer(tmp_path)


def test_broken_byte_level_files_are_refused(backends, tmp_path):
    write_byte_bpe(tmp_path, backends("roberta"))
    merges = (tmp_path / "merges.txt").read_text()
    for broken, message in (("a b c\n", "two tokens a line, got 'a b c'"), ("gone too\n", "merges of the tokens of")):
        write(tmp_path, merges_txt=merges + broken)
        with pytest.raises(DataError, match=rf"merges\.txt: expected {message}"):
            read_huggingface_tokenizer(tmp_path)
    write(tmp_path, merges_txt="")
    write(tmp_path, tokenizer_config_json={"tokenizer_class": "CLIPTokenizer"})
    with pytest.raises(DataError, match=r"vocab\.json: expected the files of .*Roberta.*, got those of CLIPTokenizer"):
        read_huggingface_tokenizer(tmp_path)
    write(tmp_path, tokenizer_config_json={})
    for broken in ({"a": -1}, {"a": "0"}, {"a": 10**30}, {"a": True}, {"a": 0.5}):
        write(tmp_path, vocab_json=broken)
        with pytest.raises(DataError, match=r"vocab\.json: expected a JSON object of tokens with the ids 0 to 0"):
            read_huggingface_tokenizer(tmp_path)
    write(tmp_path, vocab_json={token: id for id, token in enumerate([*ANGLES[1:], "Ġ"])})
    with pytest.raises(DataError, match=r"vocab\.json: the tokenizer lacks the special tokens cls"):
        read_huggingface_tokenizer(tmp_path)


def test_files_that_are_no_json_are_refused(backends, tmp_path):
    for text in ("", "{", "[]", "[" * 100_000, '{"a": ' * 100_000, "1" * 10_000, "{}"):
        write(tmp_path, tokenizer_json=text)
        with pytest.raises(DataError, match=r"tokenizer\.json: expected ") as caught:
            read_huggingface_tokenizer(tmp_path)
        assert "\n" not in str(caught.value)
    write(tmp_path, tokenizer_json=backends("bert").to_str(), tokenizer_config_json="[]")
    with pytest.raises(DataError, match=r"tokenizer_config\.json: expected a JSON object, got something else"):
        read_huggingface_tokenizer(tmp_path)
    write(tmp_path, tokenizer_config_json={"do_lower_case": "maybe"})
    with pytest.raises(DataError, match=r"tokenizer\.json: the normalizer of the tokenizer cannot be changed"):
        read_huggingface_tokenizer(tmp_path)


@pytest.mark.parametrize(
    "processor",
    [
        {"type": "TemplateProcessing"},
        {"type": "TemplateProcessing", "single": [1], "pair": []},
        {"type": "BertProcessing", "sep": 1, "cls": 2},
        {"type": "Sequence", "processors": 3},
    ],
)
def test_broken_post_processors_are_refused(processor):
    with pytest.raises(DataError, match=rf"expected the post-processor {processor['type']} of a tokenizer"):
        without_segments(processor)


json_values = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2**70), st.text(max_size=3), st.just([]), st.just({}), st.just([[1]])
)


@settings(max_examples=150, deadline=None)  # the file is read from disk
@given(st.sampled_from(["bert", "roberta", "albert"]), st.data(), st.booleans())
def test_a_changed_file_is_read_or_refused(tmp_path_factory, name, data, segments):
    """One value anywhere in the file is another one."""
    content = copy.deepcopy(_CONTENTS[name])
    place, key = None, None
    node = content
    while isinstance(node, dict | list) and node and (place is None or data.draw(st.integers(0, 3))):
        place, key = node, data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        node = node[key]
    place[key] = data.draw(json_values)
    folder = write(tmp_path_factory.getbasetemp(), tokenizer_json=content)
    try:
        tokenizer = read_huggingface_tokenizer(folder, segments=segments)
    except DataError:
        return
    assert Tokenizer.from_json(tokenizer.to_json()).template == tokenizer.template
    with contextlib.suppress(DataError):
        tokenizer.encode_batch(VARIED[:4])


_CONTENTS = {name: json.loads(BACKENDS[name]().to_str()) for name in ("bert", "roberta", "albert")}


def test_a_sequence_with_a_byte_level_part_stays(backends, tmp_path):
    """Only a plain ByteLevel follows the config's add_prefix_space, as in `transformers`."""
    backend = backends("roberta")
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.ByteLevel(add_prefix_space=False)])
    write(tmp_path, tokenizer_json=backend.to_str(), tokenizer_config_json={"add_prefix_space": True})
    assert_same(read_huggingface_tokenizer(tmp_path), backend)


def test_a_writer_with_fewer_places_than_tokens_and_no_added_ones(backends, tmp_path):
    content = json.loads(backends("roberta").to_str())
    del content["added_tokens"]
    write(tmp_path, tokenizer_json=content)
    writing = WritingIds(begin=(2,), end=(2,), places=len(content["model"]["vocab"]) - 1)
    assert read_huggingface_tokenizer(tmp_path, writing=writing).end_ids == (2,)
