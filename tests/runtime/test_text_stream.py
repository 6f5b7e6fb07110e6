"""Pieces of text: their concatenation is the text, characters are whole, stop strings never show."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kerastx.runtime.text_stream import TextStream

TEXT = "naïve 我喜欢 🙂 café\n"


def decode_bytes(token_ids):
    return bytes(token_ids).decode("utf-8", errors="replace")


def streamed(stream: TextStream, token_ids) -> list[str]:
    pieces = [stream.add(token) for token in token_ids]
    return [*pieces, stream.end()]


def test_characters_are_whole():
    pieces = streamed(TextStream(decode_bytes), TEXT.encode())
    assert "".join(pieces) == TEXT
    assert not any("\ufffd" in piece for piece in pieces)
    assert max(len(piece) for piece in pieces) == 1


def test_bytes_that_never_become_a_character_show_at_the_end():
    stream = TextStream(decode_bytes)
    assert streamed(stream, b"ab" + b"\xe6\x88") == ["a", "b", "", "", "\ufffd"]
    assert streamed(TextStream(decode_bytes), b"a\xe6b") == ["a", "", "\ufffdb", ""]


@pytest.mark.parametrize("seed", range(30))
def test_a_stop_string_never_shows(seed):
    random = np.random.default_rng(seed)
    text = "".join(random.choice(list("ab\n"), 30))
    for stop in (("ab",), ("aab", "b\n"), ("\n\n",), ("zzz",)):
        places = [text.find(string) for string in stop if string in text]
        expected = text[: min(places)] if places else text
        stream = TextStream(decode_bytes, stop=stop)
        given = []
        for token in text.encode():
            given.append(stream.add(token))
            assert expected.startswith("".join(given))
            if stream.is_stopped:
                break
        given.append(stream.end())
        assert "".join(given) == expected == stream.text
        assert stream.is_stopped == bool(places)


def test_a_stop_string_may_cross_tokens_and_stand_inside_of_one():
    words = {1: "one ST", 2: "OP two", 3: "xSTOPx"}

    def decode(ids):
        return "".join(words[token] for token in ids)

    stream = TextStream(decode, stop=["STOP"])
    assert [stream.add(1), stream.add(2)] == ["one ", ""]
    assert stream.is_stopped
    assert TextStream(decode, stop=["STOP"]).add(3) == "x"


def test_a_continuation_is_spelled_as_it_goes_on():
    def decode(ids):
        return " ".join(f"w{token}" for token in ids)

    stream = TextStream(decode, before=range(30))
    assert stream.add(7) == " w7"
    assert TextStream(decode).add(7) == "w7"


def test_all_tokens_at_once_give_the_same():
    stream = TextStream(decode_bytes, stop=["f"])
    stream.add(*TEXT.encode())
    assert stream.text == "".join(itertools.takewhile(lambda letter: letter != "f", TEXT))


def test_a_long_text_is_not_decoded_again_and_again():
    longest = 0

    def decode(token_ids):
        nonlocal longest
        longest = max(longest, len(token_ids))
        return decode_bytes(token_ids)

    text = TEXT * 20
    assert "".join(streamed(TextStream(decode), text.encode())) == text
    assert longest < 50
    stop = TextStream(decode, stop=("naïve naïve",))
    assert "".join(streamed(stop, f"{text}naïve naïve no more".encode())) == text
