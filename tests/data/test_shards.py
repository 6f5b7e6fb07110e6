from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kerastx.data import corpus, shards
from kerastx.data.corpus import list_files, read_segments, read_sentences
from kerastx.data.shards import plan_shards, sample_segments

LINES = [
    "A b.",
    "c d",
    " \t",
    "",
    "# Title",
    " = Wiki = ",
    "== Part ==",
    "#no",
    "今天。我们",
    "a" * 50,
    "\u3000",
    "é-",
    "#",
]
ENDS = ["\n", "\n", "\r\n", "\r"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shards")


@pytest.mark.parametrize("documents", ["blank", "heading", "file"])
@given(
    files=st.lists(
        st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(ENDS)).map("".join), max_size=30),
        min_size=1,
        max_size=3,
    ),
    shard_bytes=st.integers(2, 60),
)
@example(files=[["\ufeff# T\n", "A.\n", "\n", "\ufeffB.\n", "\n", "C"]], shard_bytes=4)
@settings(max_examples=60, deadline=None)
def test_shards_read_like_the_whole_corpus(folder, documents, files, shard_bytes):
    paths = [folder / f"{number}.txt" for number in range(len(files))]
    for path, lines in zip(paths, files, strict=True):
        path.write_text("".join(lines), encoding="utf-8", newline="")
    found = list_files(paths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD_BYTES", shard_bytes)
        patch.setattr(shards, "_BLOCK_BYTES", 7)
        patch.setattr(corpus, "MAXIMUM_READ", 24)
        plan = plan_shards(found, documents)
        expected = list(read_sentences(found, documents=documents))
        by_shard = [list(read_segments(shard, documents=documents)) for shard in plan]
    assert [sentence for shard in by_shard for sentence in shard] == expected
    assert all(shard[0].starts_document for shard in by_shard if shard)
    covered = [(segment.path, segment.start, segment.end) for shard in plan for segment in shard]
    for path in paths:
        ranges = [(start, end) for name, start, end in covered if name == path]
        assert [start for start, _ in ranges] + [path.stat().st_size] == [0] * bool(ranges) + [
            end for _, end in ranges
        ] + [0] * (not ranges)


def test_shards_are_about_equal(folder, monkeypatch):
    path = folder / "long.txt"
    path.write_text("Some words here.\nAnd more.\n\n" * 2000)
    monkeypatch.setattr(shards, "SHARD_BYTES", 5000)
    sizes = [
        sum(segment.end - segment.start for segment in shard) for shard in plan_shards(list_files([path]), "blank")
    ]
    assert sum(sizes) == path.stat().st_size
    assert all(2500 <= size <= 5000 for size in sizes)
    assert len(plan_shards(list_files([path]), "heading")) == 1  # one document
    assert len(plan_shards(list_files([path, path]), "file")) == 2


def test_small_files_share_a_shard(folder):
    (folder / "small").mkdir()
    for number in range(30):
        (folder / "small" / f"{number:02d}.txt").write_text(f"Text {number}." if number != 7 else "")
    [shard] = plan_shards(list_files([folder / "small"]), "file")
    assert len(shard) == 29  # an empty file has nothing to read


def test_a_sample_is_spread_over_the_corpus(folder, monkeypatch):
    paths = []
    for number in range(4):
        paths.append(folder / f"sample{number}.txt")
        paths[-1].write_text("".join(f"Line {number} {line}.\n" for line in range(5000)))
    files = list_files(paths)
    monkeypatch.setattr(shards, "WINDOW_BYTES", 1000)
    segments = sample_segments(files, 40_000)
    assert segments == sample_segments(files, 40_000)
    read = sum(segment.end - segment.start for segment in segments)
    assert 36_000 < read < 44_000
    quarters = [sum(segment.path == path for segment in segments) for path in paths]
    assert all(9 <= count <= 12 for count in quarters)
    assert all(sentence.text.startswith("Line") for sentence in read_segments(segments))
    assert [segment.end for segment in sample_segments(files, 10**9)] == [file.size_bytes for file in files]


def test_a_sample_of_one_endless_line_has_whole_characters(folder, monkeypatch):
    path = folder / "endless.txt"
    path.write_text("今天天气很好" * 5000, encoding="utf-8")
    monkeypatch.setattr(shards, "WINDOW_BYTES", 1000)
    texts = [sentence.text for sentence in read_segments(sample_segments(list_files([path]), 20_000))]
    assert sum(map(len, texts)) == pytest.approx(20_000 / 3, rel=0.01)


def test_a_heading_that_is_not_utf8_is_no_boundary(folder, monkeypatch):
    path = folder / "latin.txt"
    path.write_bytes(b"Text.\n# caf\xe9\nText.\n" * 20)
    monkeypatch.setattr(shards, "SHARD_BYTES", 30)
    assert len(plan_shards(list_files([path]), "heading")) == 1
