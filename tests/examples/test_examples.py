"""The examples run as they are printed, one after the other: pretrain, then fine-tune from there, export and answer."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import kerastx

NOUNS = {"animal": "cat dog horse bird goose sheep".split(), "weather": "rain snow storm wind fog hail".split()}
VERBS = {"animal": "ran slept ate jumped".split(), "weather": "fell rose came stopped".split()}


def sentence(random: np.random.Generator, label: str) -> str:
    noun, place = random.choice(NOUNS[label]), random.choice("hill town field river".split())
    return f"The {random.choice('old grey small'.split())} {noun} {random.choice(VERBS[label])} over the {place}."


def example(repository, name: str):
    spec = importlib.util.spec_from_file_location(name, repository / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A small world of two subjects: documents of one each, and labelled sentences of both."""
    folder, random = tmp_path_factory.mktemp("world"), np.random.default_rng(20)
    labels = list(NOUNS)
    documents = [[sentence(random, labels[number % 2]) for _ in range(8)] for number in range(60)]
    (folder / "corpus.txt").write_text("\n\n".join(" ".join(document) for document in documents) + "\n")
    for name, count in (("train", 160), ("dev", 40)):
        rows = [f"{labels[number % 2]}\t{sentence(random, labels[number % 2])}" for number in range(count)]
        (folder / f"{name}.tsv").write_text("label\ttext\n" + "\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def pretrained(repository, corpus, tmp_path_factory):
    """The folder and the logs of the pretraining example."""
    output = tmp_path_factory.mktemp("pretraining") / "pretrained"
    sizes = "--documents blank --vocabulary-size 150 --preset tiny --steps 60 --batch-size 16 --max-length 32"
    arguments = ["--corpus", str(corpus / "corpus.txt"), *sizes.split(), "--output", str(output)]
    return output, example(repository, "pretrain_mlm_nsp").main(arguments)


@pytest.mark.slow
def test_pretraining_learns_more_than_word_frequencies(pretrained, corpus, tmp_path):
    folder, logs = pretrained
    store = kerastx.prepare([corpus / "corpus.txt"], tmp_path / "store", vocabulary_size=150, documents="blank")
    checkpoint = kerastx.load(folder)
    assert (checkpoint.task, checkpoint.max_length) == ("pretraining", 32)
    assert checkpoint.tokenizer.sha256 == store.tokenizer.sha256
    assert logs["masked_lm_loss"] < store.unigram_entropy


@pytest.mark.slow
def test_finetuning_makes_files_that_tell_the_subjects_apart(repository, pretrained, corpus, tmp_path, capsys):
    folder, _ = pretrained
    sizes = "--epochs 4 --batch-size 16 --max-length 24 --learning-rate 1e-3"
    files = ["--from", str(folder), "--train", str(corpus / "train.tsv"), "--dev", str(corpus / "dev.tsv")]
    arguments = [*files, *sizes.split(), "--output", str(tmp_path / "made")]
    accuracy = example(repository, "finetune_classification").main(arguments)
    assert accuracy > 0.9
    dev = kerastx.read_labelled(corpus / "dev.tsv")
    shown = capsys.readouterr().out
    for suffix in ("tflite", "onnx"):
        session = kerastx.load(tmp_path / "made" / "export" / f"classification-dynamic_wi8_afp32.{suffix}")
        answers = session(dev.texts)
        assert np.mean([answer.label == label for answer, label in zip(answers, dev.labels, strict=True)]) > 0.9
        if suffix == "tflite":
            for text, answer in zip(dev.texts[:3], answers, strict=False):
                assert f"{answer.label} {answer.probability:.2f}  {text}" in shown


@pytest.fixture(scope="module")
def pairs(corpus):
    """Whether both sentences are of one subject; neither says it alone."""
    random, labels = np.random.default_rng(21), list(NOUNS)
    for name, count in (("train_pairs", 600), ("dev_pairs", 60)):
        rows = []
        for _ in range(count):
            first, second = random.integers(0, 2, 2)
            texts = [sentence(random, labels[number]) for number in (first, second)]
            rows.append("\t".join([*texts, "same" if first == second else "other"]))
        (corpus / f"{name}.tsv").write_text("sentence1\tsentence2\tlabel\n" + "\n".join(rows) + "\n")
    return corpus


def judge(repository, start, pairs, output, options: str) -> float:
    files = ["--from", str(start), "--train", str(pairs / "train_pairs.tsv"), "--dev", str(pairs / "dev_pairs.tsv")]
    sizes = f"--batch-size 16 --max-length 32 {options}".split()
    return example(repository, "finetune_pairs").main([*files, *sizes, "--output", str(output)])


@pytest.mark.slow
def test_pairs_are_told_apart_by_the_files_too(repository, pretrained, pairs, tmp_path):
    folder, _ = pretrained
    assert judge(repository, folder, pairs, tmp_path / "made", "--epochs 8 --learning-rate 1e-3") > 0.9
    dev = kerastx.read_labelled(pairs / "dev_pairs.tsv", pairs=True)
    session = kerastx.load(tmp_path / "made" / "export" / "classification-dynamic_wi8_afp32.onnx")
    answers = session(dev.texts, dev.pairs)
    assert np.mean([answer.label == label for answer, label in zip(answers, dev.labels, strict=True)]) > 0.85
    # Sixty steps of pretraining teach too little for a frozen encoder; one that knows the task goes on with LoRA.
    start = tmp_path / "made" / "checkpoint"
    assert judge(repository, start, pairs, tmp_path / "more", "--epochs 2 --learning-rate 1e-3 --lora-rank 4") > 0.9
    kernels = [
        kerastx.load(path).model.get_layer("encoder_block_0").feed_forward.expansion.kernel.numpy()
        for path in (start, tmp_path / "more" / "checkpoint")
    ]
    moved = np.linalg.svd(kernels[1] - kernels[0], compute_uv=False)
    assert moved[0] > 1e-4
    assert moved[4] < 1e-5 * moved[0]  # of rank 4, and merged


def test_an_example_asks_for_what_it_needs(repository, capsys):
    with pytest.raises(SystemExit) as caught:
        example(repository, "finetune_classification").main([])
    assert caught.value.code == 2
    assert "--from, --train, --dev, --output" in capsys.readouterr().err
