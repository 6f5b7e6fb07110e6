"""What checkpoints write: equal to the whole model run again for each token, for every setting and bad input."""

from __future__ import annotations

import numpy as np
import pytest
import writing_checkpoints
from keras import ops

from kerastx.checkpoint.generating import generate
from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import CheckpointError
from kerastx.runtime.decoding import GeneratedText
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.sampling import log_softmax
from kerastx.runtime.step_decoder import StepDecoder

PROMPTS = ["the cat", "", "a dog ran over the hill", "who"]
WRITERS = {
    "gpt2": writing_checkpoints.language_model,
    "llama": lambda: writing_checkpoints.language_model("llama"),
    "relative": lambda: writing_checkpoints.language_model("relative"),
    "transformer": writing_checkpoints.seq2seq,
    "t5": lambda: writing_checkpoints.seq2seq("t5"),
}


@pytest.fixture
def model() -> Checkpoint:
    return writing_checkpoints.language_model()


@pytest.fixture
def translator() -> Checkpoint:
    return writing_checkpoints.seq2seq()


def logits_along(checkpoint: Checkpoint, prompt: str, result: GeneratedText) -> np.ndarray:
    """The logits of each token that was written, by the whole model on the whole text, without a cache: (L, V)."""
    tokenizer, written = checkpoint.tokenizer, list(result.token_ids)
    ids = tokenizer.encode_ids([prompt])[0].tolist()
    begin = [tokenizer.cls_id, *(ids if checkpoint.task == "language_model" else [])]
    inputs = {"token_ids": np.array([begin + written[:-1]], "int32")}
    if checkpoint.task == "seq2seq":
        source = np.array([[tokenizer.cls_id, *ids, tokenizer.sep_id]], "int32")
        inputs = {"target_token_ids": inputs["token_ids"], "source_token_ids": source}
    inputs |= {name.replace("token_ids", "padding_mask"): values >= 0 for name, values in inputs.items()}
    return ops.convert_to_numpy(checkpoint.model(inputs)["logits"])[0, -len(written) :]


def most_probable(checkpoint: Checkpoint, logits: np.ndarray) -> tuple[int, ...]:
    """The best token of each row that may be written."""
    logits = logits[:, : checkpoint.tokenizer.vocabulary_size].copy()
    logits[:, [token for token in checkpoint.tokenizer.special_ids if token != checkpoint.tokenizer.sep_id]] = -np.inf
    return tuple(logits.argmax(axis=-1).tolist())


def log_probability(logits: np.ndarray, result: GeneratedText) -> float:
    return sum(log_softmax(row)[token] for row, token in zip(logits, result.token_ids, strict=True))


@pytest.mark.parametrize("name", WRITERS)
def test_prompts_of_different_lengths_are_written_on_as_each_alone(name):
    checkpoint = WRITERS[name]()
    for prompt, result in zip(PROMPTS, checkpoint.generate(PROMPTS, max_new_tokens=6), strict=True):
        logits = logits_along(checkpoint, prompt, result)
        assert result.token_ids == most_probable(checkpoint, logits)
        assert result.log_probability == pytest.approx(log_probability(logits, result), abs=1e-4)
        assert len(result.token_ids) == 6 or result.finish == "end"


@pytest.mark.parametrize("name", ["llama", "t5"])
def test_beams_are_scored_by_the_model_and_beat_the_greedy_text(name):
    checkpoint = WRITERS[name]()
    options = {"max_new_tokens": 5, "length_penalty": 0.0}
    beams = checkpoint.generate(PROMPTS, num_beams=6, **options)
    alone = checkpoint.generate(PROMPTS[2], num_beams=6, **options)
    assert alone.token_ids == beams[2].token_ids
    for prompt, result in zip(PROMPTS, beams, strict=True):
        logits = logits_along(checkpoint, prompt, result)
        assert result.log_probability == pytest.approx(log_probability(logits, result), abs=1e-4)
    greedy = checkpoint.generate(PROMPTS, **options)
    assert sum(result.log_probability for result in beams) > sum(result.log_probability for result in greedy)


def test_one_compiled_step_serves_prompts_batches_and_beams(model):
    model.generate(PROMPTS, max_new_tokens=3, stop="x")
    model.generate("a", num_beams=3, max_new_tokens=3, stop="x")
    model.generate(PROMPTS[:2], max_new_tokens=9, temperature=1.0)
    assert model._steps._step.predict_function.experimental_get_tracing_count() == 2
    model.generate(PROMPTS, max_new_tokens=3)
    model.generate(PROMPTS[2], max_new_tokens=9)
    model.generate(PROMPTS, num_beams=3, max_new_tokens=3)
    model.generate(PROMPTS[2], num_beams=3, length_penalty=2.0, max_new_tokens=9)
    for loop in (model._steps._greedy, *model._steps._beams.values()):
        assert loop.predict_function.experimental_get_tracing_count() == 2


IN_ONE_GRAPH = {
    "greedy": {"max_new_tokens": 9},
    "greedy, long": {"min_new_tokens": 8},
    "beams": {"num_beams": 4, "max_new_tokens": 9},
    "long texts": {"num_beams": 3, "length_penalty": 3.0, "min_new_tokens": 3},
    "short texts": {"num_beams": 3, "length_penalty": -8.0},
    "the first texts": {"num_beams": 5, "early_stopping": True, "length_penalty": 0.0},
    "more beams than tokens": {"num_beams": 150, "max_new_tokens": 3},
}


@pytest.mark.parametrize(
    ("name", "options"),
    [*(("gpt2", options) for options in IN_ONE_GRAPH.values()), ("t5", IN_ONE_GRAPH["beams"])],
    ids=[*IN_ONE_GRAPH, "beams of a target"],
)
def test_a_graph_of_all_steps_writes_what_single_steps_write(name, options):
    checkpoint = WRITERS[name]()
    together = checkpoint.generate(PROMPTS, **options)
    # A stop string that is never met is looked for after every token, in Python.
    single = checkpoint.generate(PROMPTS, stop="never met", **options)
    for one, other in zip(together, single, strict=True):
        assert (one.text, one.token_ids, one.finish) == (other.text, other.token_ids, other.finish)
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-3)


def test_a_cache_that_grows_changes_nothing(monkeypatch, model):
    options = {"max_new_tokens": 9, "stop": "never met"}
    with_room = model.generate(PROMPTS, **options)
    monkeypatch.setattr("kerastx.runtime.step_decoder.SLOTS", 2)
    assert [one.token_ids for one in model.generate(PROMPTS, **options)] == [one.token_ids for one in with_room]


def test_a_long_prompt_is_read_in_pieces(monkeypatch, model):
    options = {"max_new_tokens": 6, "stop": "never met"}
    at_once = model.generate(PROMPTS, **options)
    monkeypatch.setattr("kerastx.runtime.step_decoder.PIECE", 2)
    assert [one.token_ids for one in model.generate(PROMPTS, **options)] == [one.token_ids for one in at_once]


def test_long_texts_run_in_smaller_batches(monkeypatch, model):
    expected = [one.token_ids for one in model.generate(PROMPTS, max_new_tokens=6, num_beams=2)]
    sizes = []
    original = StepDecoder.begin
    monkeypatch.setattr(
        StepDecoder, "begin", lambda decoder: (sizes.append(len(decoder._prompts)), original(decoder))[1]
    )
    monkeypatch.setattr("kerastx.runtime.generation.SLOTS_AT_ONCE", 33)  # (2 or 3 + 6) x 2 beams x 2 rows at most
    found = model.generate(PROMPTS, max_new_tokens=6, num_beams=2, stop="never met")
    assert [one.token_ids for one in found] == expected
    assert sum(sizes) == len(PROMPTS)
    assert max(sizes) == 2
    # What is too large for a graph that has all slots from the beginning is written step by step.
    sizes.clear()
    assert len(model.generate(PROMPTS, max_new_tokens=18, num_beams=2)) == 4
    assert sizes == [1, 1, 1, 1]


def test_texts_are_numbered_on(model):
    options = {"temperature": 1.5, "max_new_tokens": 8}
    settings = GenerationSettings(**options)
    whole = generate(model, ["the"] * 4, settings)
    parts = [*generate(model, ["the"] * 2, settings), *generate(model, ["the"] * 2, settings, first=2)]
    assert [one.token_ids for one in whole] == [one.token_ids for one in parts]
    with pytest.raises(ValueError, match="prompt 7 has 41 tokens"):
        generate(model, ["the", "the " * 40], settings, first=6)


def test_weights_that_change_change_what_is_written():
    checkpoint = writing_checkpoints.language_model.__wrapped__("gpt2")
    table = checkpoint.model.get_layer("token_embedding").table
    before = checkpoint.generate("the cat", max_new_tokens=8).token_ids
    table.assign(table[::-1])
    after = checkpoint.generate("the cat", max_new_tokens=8).token_ids
    assert before != after == checkpoint.generate("the cat", max_new_tokens=8, stop="never met").token_ids


def test_rows_end_when_they_do():
    translator = writing_checkpoints.ending_seq2seq()
    for options in ({}, {"num_beams": 3}):
        together = translator.generate(PROMPTS, **options)
        single = translator.generate(PROMPTS, stop="never met", **options)
        assert [one.token_ids for one in together] == [one.token_ids for one in single]
        assert {one.finish for one in together} == {"end", "length"}


def test_the_same_seed_gives_the_same_text(model):
    options = {"temperature": 1.5, "top_k": 40, "max_new_tokens": 10}
    texts = [model.generate("the", seed=seed, **options).text for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3
    # Rows of a batch draw for themselves: equal prompts differ, and a neighbour changes nothing.
    first, second = model.generate(["the", "the"], seed=1, **options)
    assert first.text == texts[0] != second.text


@pytest.mark.parametrize("options", [{}, {"temperature": 1.0, "seed": 4}, {"num_beams": 3}])
def test_pieces_are_the_text(model, translator, options):
    for checkpoint in (model, translator):
        *pieces, result = checkpoint.stream("the cat", max_new_tokens=8, **options)
        assert isinstance(result, GeneratedText)
        assert "".join(pieces) == result.text
        assert result.token_ids == checkpoint.generate("the cat", max_new_tokens=8, **options).token_ids


def test_a_prompt_and_its_continuation_are_one_text(model):
    ids = model.tokenizer.encode_ids(["a dog ran"])[0].tolist()
    result = model.generate("a dog ran", max_new_tokens=8)
    assert "a dog ran" + result.text == model.tokenizer.decode([*ids, *result.token_ids])


def test_a_closed_stream_computes_nothing_more(model, monkeypatch):
    *_, _ = model.stream("the", max_new_tokens=1)
    steps = model._steps
    calls = []
    original = steps.step
    monkeypatch.setattr(steps, "step", lambda *args, **kwargs: calls.append(1) or original(*args, **kwargs))
    pieces = model.stream("the cat", max_new_tokens=8)
    next(pieces)
    pieces.close()
    assert len(calls) == 1
    assert list(pieces) == []


def test_a_text_ends_before_a_stop_string_wherever_tokens_begin(model):
    whole = model.generate("the cat", max_new_tokens=9)
    stop = whole.text[4:7]
    stopped = model.generate("the cat", max_new_tokens=9, stop=stop)
    assert stopped.text == whole.text[: whole.text.index(stop)]
    assert stopped.finish == "stop"
    assert len(stopped.token_ids) < 9
    assert whole.token_ids[: len(stopped.token_ids)] == stopped.token_ids
    beams = model.generate("the cat", max_new_tokens=9, stop=stop, num_beams=3)
    assert stop not in beams.text


def test_a_stop_string_that_is_never_met_changes_nothing(model):
    whole = model.generate("the cat", max_new_tokens=9)
    stopped = model.generate("the cat", max_new_tokens=9, stop=["never met", "nor this"])
    assert (stopped.text, stopped.token_ids, stopped.finish) == (whole.text, whole.token_ids, "length")
    assert whole.finish == "length"


def test_lengths(model, translator):
    assert len(model.generate("the cat", max_new_tokens=3).token_ids) == 3
    drawn = {"temperature": 2.0, "max_new_tokens": 18}
    ends = [one.finish == "end" for one in model.generate(["who"] * 30, **drawn)]
    assert any(ends)
    longer = model.generate(["who"] * 30, min_new_tokens=15, **drawn)
    assert all(len(one.token_ids) >= 15 for one in longer)
    # Without a number a target gets the room of training, [CLS] taken off, and a continuation that of the context.
    assert len(translator.generate("the cat", min_new_tokens=99).token_ids) == translator.max_length - 1
    assert len(model.generate("", min_new_tokens=99).token_ids) == writing_checkpoints.CONTEXT - 1


def test_special_tokens_and_rows_without_a_token_are_never_written(model):
    written = {
        token
        for result in model.generate(["the"] * 30, temperature=5.0, max_new_tokens=20)
        for token in result.token_ids
    }
    allowed = set(range(model.tokenizer.vocabulary_size)) - set(model.tokenizer.special_ids)
    assert written <= allowed | {model.tokenizer.sep_id}
    assert len(written) > 50


def test_repeats_are_blocked(model):
    ids = model.generate("the cat", max_new_tokens=18, no_repeat_ngram=1).token_ids
    assert len(set(ids)) == len(ids) == 18
    both = [*model.tokenizer.encode_ids(["the cat"])[0].tolist(), *ids]
    assert len(set(both)) == len(both)


def test_unknown_characters_are_read_as_the_unknown_token(model):
    result = model.generate("the \N{SNOWMAN} cat", max_new_tokens=5)
    assert len(result.token_ids) == 5
    assert result.token_ids == most_probable(model, logits_along(model, "the \N{SNOWMAN} cat", result))


def test_a_prompt_longer_than_the_context_is_an_error_before_any_work(model):
    message = "prompt 1 has 25 tokens, and the model has room for 24 with what it writes: shorten it"
    with pytest.raises(ValueError, match=message):
        model.generate(["the", "the " * 24])
    with pytest.raises(ValueError, match="prompt 0 has 24 tokens"):
        model.stream("the " * 23)
    assert len(model.generate("the " * 22, min_new_tokens=5).token_ids) == 1


def test_a_long_source_is_cut_as_in_training(translator):
    assert translator.generate("the cat " * 50).token_ids == translator.generate("the cat " * 7).token_ids


def test_more_beams_than_tokens(model):
    result = model.generate("the", num_beams=300, max_new_tokens=2)
    assert len(result.token_ids) <= 2


def test_no_texts_and_wrong_ones(model):
    assert model.generate([]) == []
    with pytest.raises(TypeError, match="text 1 must be a string, got int"):
        model.generate(["a", 3])
    with pytest.raises(ValueError, match="unknown settings topk; known are"):
        model.generate("a", topk=3)


def test_a_checkpoint_that_writes_nothing_says_so(make_checkpoint):
    with pytest.raises(CheckpointError, match="a classification checkpoint writes nothing; expected one of language"):
        make_checkpoint().generate("a")
    with pytest.raises(CheckpointError, match="a classification checkpoint writes nothing"):
        make_checkpoint().stream("a")


def test_a_checkpoint_that_is_called_writes_too(model):
    assert model("the cat").token_ids == model.generate("the cat").token_ids
    assert [one.text for one in model(["who", ""])] == [one.text for one in model.generate(["who", ""])]
    with pytest.raises(ValueError, match="a language_model checkpoint takes single texts, got pairs"):
        model("a", "b")
