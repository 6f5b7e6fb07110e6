from __future__ import annotations

import json

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from text_backends import BACKENDS
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers, processors

from kerastx.errors import DataError
from kerastx.text.special_tokens import NAMES, find_special_tokens, one_line_errors
from kerastx.text.template import Slot
from kerastx.text.tokenizer import Tokenizer

ROBERTA_PAIR = ["<s>", "A", "</s>", "</s>", "B", "</s>"]


def described(slots: tuple[Slot, ...], tokenizer: Tokenizer) -> list[str]:
    return [tokenizer.token(slot.token_id) if slot.text is None else "AB"[slot.text] for slot in slots]


@pytest.mark.parametrize(
    ("name", "pair", "segments"),
    [
        ("bert", ["[CLS]", "A", "[SEP]", "B", "[SEP]"], [0, 0, 0, 1, 1]),
        ("wordpiece-angles", ["<s>", "A", "</s>", "B", "</s>"], [0, 0, 0, 1, 1]),
        ("roberta", ROBERTA_PAIR, [0] * 6),
        ("albert", ["[CLS]", "A", "[SEP]", "B", "[SEP]"], [0, 0, 0, 1, 1]),
        ("xlm-r", ROBERTA_PAIR, [0] * 6),
    ],
)
def test_the_template_is_the_one_of_the_post_processor(backends, name, pair, segments):
    tokenizer = Tokenizer(backends(name))
    assert described(tokenizer.template.pair, tokenizer) == pair
    assert [slot.segment_id for slot in tokenizer.template.pair] == segments
    assert described(tokenizer.template.single, tokenizer) == pair[:3]
    assert tokenizer.template.num_special(is_pair=False) == 2
    assert tokenizer.template.num_special(is_pair=True) == len(pair) - 2


@pytest.mark.parametrize("name", ["bert", "roberta", "albert"])
def test_a_backend_that_adds_nothing_gets_the_template_of_bert(backends, name):
    backend = backends(name)
    backend.post_processor = processors.ByteLevel() if name == "roberta" else processors.Sequence([])
    tokenizer = Tokenizer(backend)
    encoding = tokenizer.encode("the owner", "paid")
    assert described(tokenizer.template.pair, tokenizer)[1::2] == ["A", "B"]
    assert encoding.segment_ids.tolist()[-1] == 1
    assert Tokenizer.from_json(tokenizer.to_json()).template == tokenizer.template
    plain = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    assert plain.encode("the owner", "paid").ids == encoding.token_ids.tolist()
    assert plain.encode("the owner", "paid").offsets == [tuple(span) for span in encoding.offsets.tolist()]


def test_a_template_in_another_order_is_followed(backends):
    backend = backends("bert")
    backend.post_processor = processors.TemplateProcessing(
        single="$A [SEP] [CLS]:2", pair="$B:1 [SEP]:1 $A [CLS]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    reference = tokenizers.Tokenizer.from_str(backend.to_str())
    tokenizer = Tokenizer(backend)
    for texts in (("the owner",), ("the owner", "paid for")):
        encoding, expected = tokenizer.encode(*texts), reference.encode(*texts)
        assert encoding.token_ids.tolist() == expected.ids
        assert encoding.segment_ids.tolist() == expected.type_ids


token = st.sampled_from(["[CLS]", "[SEP]", "[MASK]"])
special = st.lists(st.tuples(token, st.integers(0, 1)), max_size=3)


@given(st.lists(special, min_size=3, max_size=3), st.integers(0, 1), st.integers(0, 1), st.integers(0, 20))
def test_any_template_survives_the_round_trip_and_gives_the_ids_of_the_library(around, first, second, room):
    parts = [[f"{name}:{segment}" for name, segment in group] for group in around]
    backend = tokenizers.Tokenizer.from_str(_BERT)
    backend.post_processor = processors.TemplateProcessing(
        single=[*parts[0], f"$A:{first}", *parts[1], "[SEP]:0"],
        pair=[*parts[0], f"$A:{first}", *parts[1], f"$B:{second}", *parts[2], "[SEP]:1"],
        special_tokens=[("[CLS]", 2), ("[SEP]", 3), ("[MASK]", 4)],
    )
    reference = tokenizers.Tokenizer.from_str(backend.to_str())
    tokenizer = Tokenizer(backend)
    assert Tokenizer.from_json(tokenizer.to_json()).template == tokenizer.template
    for texts in (["the owner of the café"], ["the owner of the café", "paid for things"]):
        max_length = room + tokenizer.template.num_special(is_pair=len(texts) == 2)
        reference.enable_truncation(max_length)
        encoding, expected = tokenizer.encode(*texts, max_length=max_length), reference.encode(*texts)
        assert len(encoding) <= max_length
        assert (encoding.token_ids.tolist(), encoding.segment_ids.tolist()) == (expected.ids, expected.type_ids)


_BERT = BACKENDS["bert"]().to_str()


def test_of_two_names_the_one_marked_as_special_counts():
    vocabulary = {token: id for id, token in enumerate(token for names in NAMES.values() for token in names)}
    backend = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
    assert find_special_tokens(backend, vocabulary) == ("[PAD]", "<unk>", "[CLS]", "[SEP]", "[MASK]")
    backend.add_special_tokens(["<s>", "</s>"])
    assert find_special_tokens(backend, vocabulary)[2:4] == ("<s>", "</s>")


def test_the_options_of_special_tokens_stay(backends):
    backend = backends("bert")
    content = json.loads(backend.to_str())
    content["added_tokens"][4] |= {"special": False, "rstrip": True}
    tokenizer = Tokenizer.from_json(json.dumps(content))
    assert tokenizer.mask_id not in tokenizer.encode("the [MASK] things").token_ids
    assert json.loads(tokenizer.to_json())["added_tokens"][4]["rstrip"]
    mask = json.loads(Tokenizer(backends("roberta")).to_json())["added_tokens"][4]
    assert mask["content"] == "<mask>"
    assert mask["lstrip"]


def test_missing_special_tokens_are_named(backends):
    content = json.loads(backends("roberta").to_str())
    for role, gone in (("cls", "<s>"), ("pad", "<pad>"), ("unknown", "<unk>")):
        others = {token if token != gone else "other": id for token, id in content["model"]["vocab"].items()}
        added = [token for token in content["added_tokens"] if token["content"] != gone]
        broken = {**content, "added_tokens": added, "model": {**content["model"], "vocab": others}}
        with pytest.raises(DataError, match=rf"lacks the special tokens {role} \(\[.*\] or {gone}\)$"):
            Tokenizer.from_json(json.dumps({**broken, "post_processor": None}))
    content = json.loads(backends("bert").to_str())
    content["model"]["unk_token"] = "[gone]"
    with pytest.raises(DataError, match="lacks its own unknown token '\\[gone\\]'"):
        Tokenizer.from_json(json.dumps(content))


@pytest.mark.parametrize("single", ["[CLS] $A $A [SEP]", "$A:0 $A:1 [SEP]", "$A [SEP] $A"])
def test_a_post_processor_that_is_no_template_is_refused(backends, single):
    backend = backends("bert")
    backend.post_processor = processors.TemplateProcessing(
        single=single, pair="$A [SEP] $B", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    with pytest.raises(DataError, match="more than put special tokens around whole texts"):
        Tokenizer(backend)


def test_a_template_with_an_id_outside_of_the_vocabulary_is_refused(backends):
    backend = backends("bert")
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 5000))
    with pytest.raises(DataError, match="template has the token id 5000, of 138 tokens"):
        Tokenizer(backend)


def test_a_backend_that_fails_on_texts_is_refused(backends):
    tokens = [(token, -1.0) for names in NAMES.values() for token in names[1:]]
    backend = tokenizers.Tokenizer(models.Unigram(tokens, None, False))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    with pytest.raises(DataError, match="cannot encode a text: .*unk_id"):
        Tokenizer(backend)
    backend = backends("bert")
    backend.normalizer = normalizers.Replace(Regex("[\\s\\S]"), "")
    with pytest.raises(DataError, match="makes no token of any text"):
        Tokenizer(backend)


def test_a_text_is_found_for_an_odd_vocabulary():
    """The bytes of common words are not in it, and byte-level BPE leaves unknown bytes out."""
    tokens = [*(names[1] for names in NAMES.values()), "Ġ", "z"]
    backend = tokenizers.Tokenizer(models.BPE({token: id for id, token in enumerate(tokens)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert Tokenizer(backend).encode("zaz").tokens == ["<s>", "z", "z", "</s>"]


def test_errors_of_the_library_become_one_line(capfd):
    with pytest.raises(DataError, match="^reading: one two$"), one_line_errors("reading"):
        raise Exception("one\n two")
    with pytest.raises(TypeError, match="kept"), one_line_errors("reading"):
        raise TypeError("kept")
    with pytest.raises(KeyboardInterrupt), one_line_errors("reading"):
        raise KeyboardInterrupt
    broken = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    with pytest.raises(DataError, match="JSON of a tokenizer: Precompiled"):  # a panic of the Rust code
        Tokenizer.from_json(json.dumps({**json.loads(_BERT), "normalizer": broken}))
    capfd.readouterr()


def test_a_special_token_outside_of_the_five_stays_text(backends):
    backend = backends("bert")
    backend.add_special_tokens([AddedToken("[unused0]", special=True)])
    tokenizer = Tokenizer(backend)
    assert tokenizer.vocabulary_size - 1 not in tokenizer.encode("the [unused0] things").token_ids
    assert tokenizer.vocabulary_size - 1 not in tokenizer.encode_masked("the [unused0] things").token_ids


@pytest.mark.parametrize("name", list(BACKENDS))
def test_special_tokens_typed_in_a_text_stay_text(backends, name):
    """A Unigram vocabulary holds them as pieces, with the best score of all."""
    tokenizer = Tokenizer(backends(name))
    hidden = {tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id}
    for id in tokenizer.special_ids:
        for text in (tokenizer.token(id), f"the {tokenizer.token(id)} x{tokenizer.token(id)}"):
            assert not hidden & set(tokenizer.encode_ids([text])[0].tolist())
            assert not hidden & set(tokenizer.encode(text, text).token_ids.tolist()[1:-1]) - {tokenizer.sep_id}
