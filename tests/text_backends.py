"""Tiny tokenizers of every family, trained here, as plain `tokenizers` backends to compare with."""

from __future__ import annotations

from collections.abc import Callable

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

BRACKETS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ANGLES = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
ALBERT = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
TRAINING = [
    "The naïve café owner paid 3.50 for unbelievable things.",
    "Unbelievable! The owner of the café is naïve, the things are believable.",
    "He said that the things were paid for by the owner's brother.",
    "今天天气很好，我们去公园。",
    "мир и труд, Привет мир",
] * 4
# Texts of many kinds for comparisons; none holds a special token.
VARIED = [
    *TRAINING[:5],
    "",
    " ",
    "a",
    "  two  blanks and a tab\there \n and a line\r\n",
    "UPPER Ünïcödé ﬁne Ｆｕｌｌ ½ x² e\u0301",
    "emoji 😍👩‍👩‍👧 🇫🇷 don't re-do... (1,234.5) #x @y",
    "nbsp\u00a0 zero\u200bwidth nul\x00 \u2028 soft\u00adhyphen \ufffd \U000e0001",
    "xyzzy" * 30,
    "مرحبا नमस्ते ภาษาไทย 한국어",
    "the [ mask ] of < mask >",
]


def wordpiece_backend(special: list[str] = BRACKETS) -> tokenizers.Tokenizer:
    """BERT's: uncased, [CLS] A [SEP] B [SEP] with segments."""
    _, unknown, cls, sep, _ = special
    backend = tokenizers.Tokenizer(models.WordPiece(unk_token=unknown))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.train_from_iterator(
        TRAINING, trainers.WordPieceTrainer(vocab_size=250, special_tokens=special, show_progress=False)
    )
    backend.post_processor = processors.BertProcessing((sep, backend.token_to_id(sep)), (cls, backend.token_to_id(cls)))
    backend.decoder = decoders.WordPiece()
    return backend


def byte_bpe_backend(*, add_prefix_space: bool = False) -> tokenizers.Tokenizer:
    """RoBERTa's: <s> A </s></s> B </s> without segments, blanks before <mask> belong to it."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[*ANGLES[:4], AddedToken("<mask>", lstrip=True, special=True)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TRAINING, trainer)
    backend.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=add_prefix_space
    )
    backend.decoder = decoders.ByteLevel()
    return backend


def unigram_backend(special: list[str] = ALBERT) -> tokenizers.Tokenizer:
    """ALBERT's: lower case without accents and BERT's template; with ANGLES XLM-R's: as written, RoBERTa's template."""
    albert = special == ALBERT
    backend = tokenizers.Tokenizer(models.Unigram())
    steps = [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    if albert:
        steps += [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    backend.normalizer = normalizers.Sequence(steps)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    unknown = special[1 if albert else 3]
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token=unknown, show_progress=False)
    backend.train_from_iterator(TRAINING, trainer)
    backend.add_special_tokens([AddedToken(special[4], lstrip=True, special=True, normalized=False)])
    cls, sep = ("[CLS]", "[SEP]") if albert else ("<s>", "</s>")
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1" if albert else f"{cls} $A {sep} {sep} $B {sep}",
        special_tokens=[(token, backend.token_to_id(token)) for token in (cls, sep)],
    )
    backend.decoder = decoders.Metaspace()
    return backend


BACKENDS: dict[str, Callable[[], tokenizers.Tokenizer]] = {
    "bert": wordpiece_backend,
    "wordpiece-angles": lambda: wordpiece_backend(["<pad>", "<oov>", "<s>", "</s>", "<mask>"]),
    "roberta": byte_bpe_backend,
    "roberta-prefix": lambda: byte_bpe_backend(add_prefix_space=True),
    "albert": unigram_backend,
    "xlm-r": lambda: unigram_backend(ANGLES),
}
