"""Data sets are read as they were published; without them ($KERASTX_DATA) these tests are skipped."""

from __future__ import annotations

import pytest

from kerastx.data.readers import read_labelled


@pytest.fixture
def read(real_data):
    """Return a function: path below the data folder -> the labelled data in it."""

    def read(name, **options):
        if not (real_data / name).exists():
            pytest.skip(f"{real_data / name} is not there")
        return read_labelled(real_data / name, **options)

    return read


def test_sst2(read):
    data = read("sst2/train.tsv")
    assert len(data) == 67_349
    assert data.label_names == ("0", "1")
    assert (data.texts[0], data.labels[0]) == ("hide new secretions from the parental units", "0")
    dev = read("sst2/dev.tsv", labels=data.label_names)
    assert len(dev) == 872
    assert dev.targets.sum() == 444


def test_mrpc_with_its_byte_order_mark_and_quotes(read):
    data = read("mrpc/msr_paraphrase_train.txt", pairs=True)
    assert len(data) == 4_076
    assert data.label_names == ("0", "1")
    assert data.texts[0].startswith('Amrozi accused his brother, whom he called "the witness"')
    assert data.pairs[0].startswith('Referring to him as only "the witness"')


@pytest.mark.parametrize(("name", "rows"), [("sts-train.csv", 5_749), ("sts-dev.csv", 1_500)])
def test_sts_benchmark_without_a_header_and_with_wider_rows(read, name, rows):
    data = read(f"stsb/{name}", text_column=5, pair_column=6, label_column=4, task="regression")
    assert len(data) == rows
    assert data.targets.shape == (rows, 1)
    assert 0 == data.targets.min() < data.targets.max() == 5


def test_rte(read):
    data = read("rte/train.tsv", pairs=True)
    assert len(data) == 2_490
    assert data.label_names == ("entailment", "not_entailment")
    assert data.pairs[0] == "Weapons of Mass Destruction Found in Iraq."


def test_sick_for_two_tasks(read):
    data = read("sick/SICK_train.txt", pairs=True)
    assert len(data) == 4_500
    assert data.label_names == ("CONTRADICTION", "ENTAILMENT", "NEUTRAL")
    scores = read("sick/SICK_train.txt", pairs=True, task="regression")
    assert scores.targets[0].tolist() == [4.5]


def test_chinese_texts_and_pairs_without_a_header(read):
    data = read("zh_chnsenticorp/train.tsv", text_column=0, label_column=1)
    assert len(data) == 9_600
    assert data.label_names == ("negative", "positive")
    columns = {"text_column": 0, "pair_column": 1, "label_column": 2}
    assert len(read("zh_pairs/afqmc_train.txt", **columns)) == 34_334
    assert len(read("zh_pairs/lcqmc_dev.txt", **columns)) == 8_802


def test_ag_news_by_column_numbers(read):
    data = read("ag_news/train_subset.csv", text_column=1, label_column=0)
    assert len(data) == 13_423
    assert data.label_names == ("1", "2", "3", "4")
