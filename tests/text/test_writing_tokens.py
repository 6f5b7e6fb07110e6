from __future__ import annotations

import json

import pytest
from text_backends import BACKENDS
from tokenizers import processors

from kerastx.errors import DataError
from kerastx.text.tokenizer import Tokenizer
from kerastx.text.writing_tokens import WritingTokens, kept_writing_tokens, with_writing_tokens

TOKENS = WritingTokens(begin=("</s>", "<s>"), end=("</s>", "."), pad="</s>", unknown="<pad>")


def content_with(processor, tokens=TOKENS):
    backend = BACKENDS["roberta"]()
    content = json.loads(backend.to_str())
    return content | {"post_processor": with_writing_tokens(processor, tokens, backend.get_vocab())}


TEMPLATE = json.loads(
    processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)]).__getstate__()
)
ROBERTA = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True}
ROBERTA["add_prefix_space"] = False
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
PROCESSORS = {
    "none": (None, (), ()),
    "bytes": (BYTES, (), ()),
    "template": (TEMPLATE, (0,), ()),
    "roberta": (ROBERTA, (0,), (2,)),
    "sequence": ({"type": "Sequence", "processors": [BYTES, TEMPLATE]}, (0,), ()),
}


@pytest.mark.parametrize("name", list(PROCESSORS))
def test_the_roles_are_kept_and_the_template_stays(name):
    processor, before, behind = PROCESSORS[name]
    tokenizer = Tokenizer.from_json(json.dumps(content_with(processor)))
    for found in (tokenizer, Tokenizer.from_json(tokenizer.to_json())):
        assert (found.begin_ids, found.end_ids) == ((2, 0), (2, found.encode_ids(["."])[0][0]))
        assert found.special_ids == (2, 1, 0, 2, 4)
        assert found.template.before == before
        ids = found.encode_ids(["the owner"])[0].tolist()
        assert found.encode("the owner").token_ids.tolist() == [*before, *ids, *behind]
        assert found.to_json() == tokenizer.to_json()


def test_without_roles_an_encoder_has_them_of_its_template():
    tokenizer = Tokenizer(BACKENDS["roberta"]())
    assert kept_writing_tokens(tokenizer.backend, {}) is None
    assert (tokenizer.begin_ids, tokenizer.end_ids) == ((tokenizer.cls_id,), (tokenizer.sep_id,))
    backend = BACKENDS["roberta"]()
    backend.post_processor = None
    assert Tokenizer(backend).template.before == (tokenizer.cls_id,)


def test_without_a_mask_the_unknown_token_masks():
    vocabulary = {"a": 0, "b": 1}
    tokens = WritingTokens(begin=("a",), end=("a",), pad="a", unknown="b")
    assert tokens.roles(vocabulary) == ("a", "b", "a", "a", "b")


@pytest.mark.parametrize(
    ("role", "tokens", "message"),
    [
        ("end", [], "lacks the tokens end"),
        ("pad", ["gone"], "lacks the special tokens 'gone'"),
        ("begin", ["<s>", "gone", "lost"], "lacks the special tokens 'gone', 'lost'"),
    ],
)
def test_broken_roles_are_refused(role, tokens, message):
    content = content_with(None)
    entry = {"id": f"kerastx:{role}", "ids": [0] * len(tokens), "tokens": tokens}
    content["post_processor"]["special_tokens"][f"kerastx:{role}"] = entry
    with pytest.raises(DataError, match=message):
        Tokenizer.from_json(json.dumps(content))


def test_a_role_that_is_missing_is_named():
    content = content_with(None)
    del content["post_processor"]["special_tokens"]["kerastx:unknown"]
    with pytest.raises(DataError, match="of a model that writes lacks the tokens unknown"):
        Tokenizer.from_json(json.dumps(content))
