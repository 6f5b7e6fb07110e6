from __future__ import annotations

import pytest

from kerastx.data.tables import read_table


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        ("text,label", "csv"),
        ("text\tlabel", "tsv"),
        ("main\tyear\t5.0\tA plane, a man.\tA man, a plane.", "tsv"),
        ("a text with a\ttab,label", "csv"),
        ('"a\tb\tc",label', "csv"),
        ("label,a\tb\tc", "csv"),
    ],
)
def test_tabs_make_a_csv_file_tsv_only_where_they_separate_it(tmp_path, first, kind):
    file = tmp_path / "a.csv"
    file.write_text(f"\n{first}\nmore\tand, more\n")
    assert read_table(file)[0] == kind


def test_a_txt_file_is_tsv(tmp_path):
    file = tmp_path / "a.TXT"
    file.write_text("\ufefftext\tlabel\n", encoding="utf-8")
    assert read_table(file) == ("tsv", "text\tlabel\n")
