from __future__ import annotations

import json

import pytest
import tokenizers
from text_backends import BACKENDS, BRACKETS, VARIED
from tokenizers import models, pre_tokenizers, processors

from kerastx.errors import DataError
from kerastx.text.huggingface_files import read_huggingface_tokenizer
from kerastx.text.huggingface_writing import huggingface_class, write_huggingface_tokenizer
from kerastx.text.tokenizer import Tokenizer

CLASSES = {
    "bert": "BertTokenizer",
    "wordpiece-angles": "BertTokenizer",
    "roberta": "RobertaTokenizer",
    "roberta-prefix": "RobertaTokenizer",
    "albert": "AlbertTokenizer",
    "xlm-r": "XLMRobertaTokenizer",
}


def test_every_backend_has_a_class():
    assert CLASSES.keys() == BACKENDS.keys()


@pytest.mark.parametrize("name", list(BACKENDS))
def test_written_files_give_the_same_tokenizer(backends, tmp_path, name):
    tokenizer = Tokenizer(backends(name))
    folder = tmp_path / "new" / "folder"
    for _ in range(2):  # the second time over the first
        write_huggingface_tokenizer(folder, tokenizer, model_max_length=77)
    names = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    if tokenizer.family == "WordPiece":
        names.add("vocab.txt")
    assert {file.name for file in folder.iterdir()} == names
    again = read_huggingface_tokenizer(folder)
    assert again.template == tokenizer.template
    assert again.special_ids == tokenizer.special_ids
    plain = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in VARIED:
        expected = tokenizer.encode(text, "the owner").token_ids.tolist()
        assert again.encode(text, "the owner").token_ids.tolist() == expected
        assert plain.encode(text, "the owner").ids == expected


@pytest.mark.parametrize("name", list(BACKENDS))
def test_the_config_names_class_tokens_and_options(backends, tmp_path, name):
    """The values were compared with what `transformers` 4.57 loads and writes."""
    tokenizer = Tokenizer(backends(name))
    write_huggingface_tokenizer(tmp_path, tokenizer, model_max_length=77)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == CLASSES[name]
    assert config["model_max_length"] == 77
    keys = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    assert [config[key] for key in keys] == [tokenizer.token(id) for id in tokenizer.special_ids]
    assert {int(id): token["content"] for id, token in config["added_tokens_decoder"].items()} == {
        id: tokenizer.token(id) for id in tokenizer.special_ids
    }
    special = json.loads((tmp_path / "special_tokens_map.json").read_text())
    assert {key: special[key]["content"] for key in special} == {key: config[key] for key in special}
    assert special["mask_token"]["lstrip"] == (tokenizer.family != "WordPiece")
    if tokenizer.family == "WordPiece":
        assert config["do_lower_case"] is True
        assert "bos_token" not in config
    else:
        assert (config["bos_token"], config["eos_token"]) == (config["cls_token"], config["sep_token"])
    assert config.get("add_prefix_space") == {"roberta": False, "roberta-prefix": True}.get(name)


def test_vocab_txt_alone_gives_the_same_wordpiece(backends, tmp_path):
    tokenizer = Tokenizer.train(VARIED, vocabulary_size=200, lowercase=False)
    write_huggingface_tokenizer(tmp_path, tokenizer, model_max_length=8)
    (tmp_path / "tokenizer.json").unlink()
    again = read_huggingface_tokenizer(tmp_path)
    for text in VARIED:
        assert again.encode(text).token_ids.tolist() == tokenizer.encode(text).token_ids.tolist()


def test_pairs_without_segments_are_a_distilbert(backends, tmp_path):
    write_huggingface_tokenizer(tmp_path, Tokenizer(backends("bert")), model_max_length=8)
    assert huggingface_class(read_huggingface_tokenizer(tmp_path, segments=False)) == "DistilBertTokenizer"


def test_what_no_class_makes_is_the_general_class(backends):
    other = backends("bert")
    other.post_processor = processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2))
    assert huggingface_class(Tokenizer(other)) == "PreTrainedTokenizerFast"
    other = backends("bert")
    other.pre_tokenizer = pre_tokenizers.Whitespace()
    assert huggingface_class(Tokenizer(other)) == "PreTrainedTokenizerFast"
    for name, shape in (("roberta", "<s> $A </s> $B </s>"), ("xlm-r", "<s> $A </s> $B:1 </s>")):
        other = backends(name)
        other.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair=shape, special_tokens=[("<s>", 0), ("</s>", 2)]
        )
        assert huggingface_class(Tokenizer(other)) == "PreTrainedTokenizerFast"


def test_what_cannot_be_written(tmp_path):
    vocabulary = {token: id for id, token in enumerate([*BRACKETS, "a\nb"])}
    tokenizer = Tokenizer(tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]")))
    with pytest.raises(ValueError, match="model_max_length must be at least 1, got 0"):
        write_huggingface_tokenizer(tmp_path, tokenizer, model_max_length=0)
    with pytest.raises(DataError, match=r"one token a line, and token 5 holds a line break: 'a\\nb'"):
        write_huggingface_tokenizer(tmp_path, tokenizer, model_max_length=8)
    assert not list(tmp_path.iterdir())
