"""Small tokenizers of every kind that models that write have, trained here as their makers' are built."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES = [
    "The naïve café owner paid 3.50 for unbelievable things, didn't he?",
    "Unbelievable! The owner of the café isn't naïve, and the things are believable.",
    "He said that the 12345 things were paid for by the owner's brother in 2024.",
    "def add(a, b):\n    return a + b\n\nprint(add(1, 2))",
    "今天天气很好，我们去公园。",
    "мир и труд, Привет мир",
] * 4
# Of many kinds; none holds a special token, which kerastx reads as text and transformers does not.
TEXTS = [
    *SENTENCES[:6],
    "",
    " ",
    "a",
    "  two  blanks and a tab\there \n and a line\r\n",
    "UPPER Ünïcödé ﬁne Ｆｕｌｌ ½ x² e\u0301 1234567 WE'LL we'll",
    "emoji 😍👩‍👩‍👧 🇫🇷 don't re-do... (1,234.5) #x @y",
    "nbsp\u00a0 zero\u200bwidth \u2028 soft\u00adhyphen \ufffd \U000e0001",
    "xyzzy" * 30,
    "مرحبا नमस्ते ภาษาไทย 한국어",
]
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")
SIZE = 340


def _byte_bpe(pre_tokenizer: pre_tokenizers.PreTokenizer, special: list[str], *, first: bool) -> Tokenizer:
    """Special tokens stand in front of the others, as in RoBERTa, or behind them, as in GPT-2."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizer
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=special if first else [],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES, trainer)
    backend.add_special_tokens(special)
    return backend


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def gpt2() -> Tokenizer:
    backend = _byte_bpe(pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"], first=False)
    backend.post_processor = processors.ByteLevel(trim_offsets=False)
    return backend


def llama3() -> Tokenizer:
    backend = _byte_bpe(_split(LLAMA3), ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"], first=False)
    begin = ("<|begin_of_text|>", backend.token_to_id("<|begin_of_text|>"))
    template = processors.TemplateProcessing(
        single=f"{begin[0]} $A", pair=f"{begin[0]} $A {begin[0]}:1 $B:1", special_tokens=[begin]
    )
    backend.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), template])
    return backend


def smollm() -> Tokenizer:
    parts = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    return _byte_bpe(pre_tokenizers.Sequence(parts), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], first=True)


def qwen2() -> Tokenizer:
    backend = _byte_bpe(_split(QWEN2), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], first=False)
    backend.normalizer = normalizers.NFC()
    backend.post_processor = processors.ByteLevel(trim_offsets=False)
    return backend


def llama2() -> Tokenizer:
    """SentencePiece's BPE as a tokenizer.json: of characters, with bytes for those that it lacks."""
    special = ["<unk>", "<s>", "</s>"]
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=special, show_progress=False, limit_alphabet=60)
    words = [word for text in SENTENCES for word in text.split()]
    trained.train_from_iterator(words, trainer)
    model = json.loads(trained.to_str())["model"]
    found = sorted(model["vocab"], key=model["vocab"].__getitem__)
    pieces = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *found[3:]]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    merges = [tuple(merge) for merge in model["merges"]]
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.normalizer = trained.normalizer
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    backend.add_special_tokens(special)
    return backend


def t5() -> Tokenizer:
    special = ["<pad>", "</s>", "<unk>"]
    backend = Tokenizer(models.Unigram())
    words = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), words])
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False, shrinking_factor=0.6
    )
    backend.train_from_iterator(SENTENCES, trainer)
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    backend.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    # Rounded: a file of a few kilobytes less, and scores that every reader reads alike.
    content = json.loads(backend.to_str())
    content["model"]["vocab"] = [(piece, round(score, 4)) for piece, score in content["model"]["vocab"]]
    backend = Tokenizer.from_str(json.dumps(content))
    backend.add_special_tokens([f"<extra_id_{number}>" for number in reversed(range(3))])
    return backend


def bart() -> Tokenizer:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend = _byte_bpe(pre_tokenizers.ByteLevel(add_prefix_space=False), special, first=True)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return backend


def write_marian(folder: Path, *, two_vocabularies: bool) -> None:
    """Write source.spm, target.spm and vocab.json; of two vocabularies also target_vocab.json."""
    import sentencepiece

    # A small table of characters that become others; the published one has 240 kB.
    rules = folder / "rules.tsv"
    rules.write_text("FF26\t46\nFF55\t75\nFF4C\t6C\nA0\t20\n9\t20\nA\t20\nD\t20\n", encoding="utf-8")
    pieces = []
    for side, texts in (("source", SENTENCES[:3]), ("target", [SENTENCES[1], SENTENCES[4]])):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(line for text in texts * 4 for line in text.splitlines()),
            model_prefix=str(folder / side),
            vocab_size=80,
            model_type="unigram",
            normalization_rule_tsv=str(rules),
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        (folder / f"{side}.vocab").unlink()
        processor = sentencepiece.SentencePieceProcessor(str(folder / f"{side}.spm"))
        pieces.append([processor.id_to_piece(number) for number in range(processor.get_piece_size())])
    rules.unlink()
    special = {"</s>": 0, "<unk>": 1}
    codes = [] if two_vocabularies else [">>fra<<", ">>deu<<"]
    ordinary = [[piece for piece in side if piece not in ("<s>", "</s>", "<unk>")] for side in pieces]
    files = {"vocab.json": ordinary[0], "target_vocab.json": ordinary[1]}
    if not two_vocabularies:
        files = {"vocab.json": sorted({*ordinary[0], *ordinary[1]}, reverse=True)}
    longest = max(map(len, files.values()))
    for name, tokens in files.items():  # both with <pad> at the same place, the last one
        filled = [*tokens, *codes, *(f"<unused{number}>" for number in range(longest - len(tokens)))]
        vocabulary = special | {token: number for number, token in enumerate(filled, 2)}
        vocabulary["<pad>"] = len(vocabulary)
        (folder / name).write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
