"""The audit file: what a person gets to see, and what comes back from the spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinstr_core.curation.audit import (
    LABEL_SCHEMA,
    audit_file,
    draw,
    read_audit,
    restored_cell,
    safe_cell,
    unknown_pairs,
    write_audit,
)
from xinstr_core.errors import InputError
from xinstr_core.identity import content_key

HEADER = ["pair_id", "instruction", "response", "instruction_clear", "answers", "natural", "level", "remark"]


def rated_pairs(kept: int, dropped: int) -> pl.LazyFrame:
    """Rated pairs, best rated first."""
    count = kept + dropped
    return pl.LazyFrame(
        {
            "pair_id": [content_key("test", str(number)) for number in range(count)],
            "instruction": [f"Ask {number}" for number in range(count)],
            "response": [f"Jibu {number}" for number in range(count)],
            "rating": [3 - number / count for number in range(count)],
            "p_level_3": [1 - number / count for number in range(count)],
            "kept": [number < kept for number in range(count)],
        },
        schema=dict.fromkeys(("pair_id", "instruction", "response"), pl.String)
        | dict.fromkeys(("rating", "p_level_3"), pl.Float64)
        | {"kept": pl.Boolean},
    )


def one_pair(instruction: str, response: str, pair_id: str = "ab12") -> pl.LazyFrame:
    return pl.LazyFrame({"pair_id": [pair_id], "instruction": [instruction], "response": [response], "kept": [True]})


def cells_of(path: Path) -> list[list[str]]:
    """Rows as a spreadsheet sees them."""
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def kept_places(pairs: pl.LazyFrame, rows: int) -> list[bool]:
    flags = pairs.select("pair_id", "kept").collect()
    return draw(pairs, rows).join(flags, on="pair_id", how="left", maintain_order="left")["kept"].to_list()


@pytest.mark.parametrize(
    ("kept", "dropped", "rows", "taken"),
    [
        (300, 300, 100, (50, 50)),
        (300, 300, 7, (4, 3)),
        (300, 30, 100, (70, 30)),
        (30, 300, 100, (30, 70)),
        (300, 0, 100, (100, 0)),
        (0, 300, 100, (0, 100)),
        (20, 10, 100, (20, 10)),
    ],
)
def test_half_is_kept_and_half_dropped_where_there_are_enough(
    kept: int, dropped: int, rows: int, taken: tuple[int, int]
) -> None:
    places = kept_places(rated_pairs(kept, dropped), rows)
    assert (places.count(True), places.count(False)) == taken


def test_the_order_tells_nothing_even_where_few_were_dropped() -> None:
    """By the hash that draws, the dropped ones, nearly all that there are, would come late: mean place about 75."""
    places = [place for place, kept in enumerate(kept_places(rated_pairs(5000, 60), 100)) if not kept]
    assert len(places) == 50
    assert 40 < sum(places) / 50 < 60


def test_the_draw_follows_no_rating_and_is_the_same_in_any_order_of_rows() -> None:
    pairs = rated_pairs(400, 400)
    drawn = draw(pairs, 100)
    assert drawn.equals(draw(pairs.reverse(), 100))
    ranks = [int(text.removeprefix("Ask ")) for text in drawn["instruction"]]
    of_kept = [rank for rank in ranks if rank < 400]
    assert 150 < sum(of_kept) / len(of_kept) < 250
    assert ranks != sorted(ranks)
    assert set(draw(pairs, 40)["pair_id"]) < set(drawn["pair_id"])


def test_a_pair_that_nobody_rated_counts_as_dropped() -> None:
    pairs = rated_pairs(2, 2).with_columns(kept=pl.when(pl.col("kept")).then(True))
    assert len(draw(pairs, 10)) == 4


def test_the_file_shows_texts_and_empty_columns_and_no_rating(tmp_path: Path) -> None:
    path = audit_file(tmp_path, "sw")
    assert write_audit(rated_pairs(10, 10), path, 6) == 6
    assert path == tmp_path / "audit" / "sw.csv"
    header, *rows = cells_of(path)
    assert header == HEADER
    assert [row[3:] for row in rows] == [[""] * 5] * 6
    assert {row[0]: row[1:3] for row in rows} == {
        row[0]: [row[1], row[2]]
        for row in rated_pairs(10, 10).select(HEADER[:3]).collect().iter_rows()
        if row[0] in {cells[0] for cells in rows}
    }
    guide = (tmp_path / "audit" / "README.md").read_text("utf-8")
    assert [name for name in HEADER if f"`{name}`" not in guide] == []


def test_the_file_opens_in_spreadsheets(tmp_path: Path) -> None:
    """A mark of UTF-8, lines that end as RFC 4180 has it, and line ends inside of texts as they are."""
    path = tmp_path / "sw.csv"
    write_audit(one_pair('Say "x", y; z', "mstari\r\nwa pili\n\nna \u0ba4\u0bae\u0bbf\u0bb4\u0bcd"), path, 1)
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf" + b'"pair_id","instruction"')
    assert content.count(b"\r\n") == 2
    assert cells_of(path)[1][:3] == ["ab12", 'Say "x", y; z', "mstari\nwa pili\n\nna \u0ba4\u0bae\u0bbf\u0bb4\u0bcd"]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+255", "'+255"),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'=1"),
        ("\t=1", "'=1"),
        ("\r=1", "'=1"),
        ("\u200e=1", "'=1"),
        ("\ufeff=1", "'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("\xa0-x\ny", "'-x\ny"),
        ("'quoted'", "''quoted'"),
        ("12345678901234567890", "'12345678901234567890"),
        ("1234567890123456e789", "'1234567890123456e789"),
        ("Is 1 = 1?", "Is 1 = 1?"),
        ("a\tb\xa0c\u3000d", "a b c d"),
        ("abc\u202etxt\x00\x07\ud800", "abctxt"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("", ""),
    ],
)
def test_no_text_is_a_formula_or_a_number(text: str, cell: str) -> None:
    assert safe_cell(text) == cell


SEPARATORS = ",;\t"
HOSTILE = st.text(st.sampled_from(" =+-@'\t\r\n\"1e;,\u200e\ufeff\uff1d"), max_size=12)


@given(HOSTILE)
def test_marks_can_be_undone(text: str) -> None:
    cell = safe_cell(text)
    restored = restored_cell(cell)
    assert safe_cell(restored) == cell
    assert restored.replace("'", "") == cell.replace("'", "")
    assert restored.count("'") == text.count("'")


@settings(deadline=None, max_examples=60)
@given(HOSTILE, HOSTILE)
def test_texts_cannot_break_out_of_their_cells(
    tmp_path_factory: pytest.TempPathFactory, instruction: str, response: str
) -> None:
    """Whatever separator a spreadsheet believes in, no formula starts a cell."""
    path = tmp_path_factory.mktemp("audit") / "sw.csv"
    write_audit(one_pair(instruction, response), path, 1)
    assert cells_of(path)[1][:3] == ["ab12", safe_cell(instruction), safe_cell(response)]
    for separator in SEPARATORS:
        rows = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), delimiter=separator)
        assert [cell for row in rows for cell in row if cell.strip().startswith(tuple("=+-@＝"))] == []


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ('x;=cmd|"/c calc"!A0', 'x;\'=cmd|"/c calc"!A0'),
        ("x\n=1\n- two", "x\n'=1\n'- two"),
        ('a","=1+1","b', 'a",\'"=1+1","b'),
        ("well-known, e.g. 1 = 1; a - b", "well-known, e.g. 1 = 1; a - b"),
    ],
)
def test_formulas_inside_of_texts_are_marked_where_a_cell_might_begin(text: str, cell: str) -> None:
    assert safe_cell(text) == cell
    assert restored_cell(cell) == text


def test_a_text_of_any_length_fits_its_cell(tmp_path: Path) -> None:
    path = tmp_path / "sw.csv"
    write_audit(one_pair("Ask", "=" + "a" * 40_000), path, 1)
    assert len(cells_of(path)[1][2]) == 32_000


def test_nothing_to_audit_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rated pairs"):
        write_audit(rated_pairs(0, 0), tmp_path / "sw.csv", 10)
    assert not (tmp_path / "sw.csv").exists()


def labelled(path: Path, *rows: tuple[str, ...], header: list[str] | None = None) -> Path:
    """A file as a spreadsheet might save it: rows of pair_id, three words, a level and a remark."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(header or ["pair_id", *HEADER[3:]])
    writer.writerows(rows)
    path.write_bytes(stream.getvalue().encode())
    return path


@pytest.mark.parametrize(
    "said", [("p", "yes", "", "", "", ""), ("p", "", "", "", "", "odd"), ("p", "", "", "", "x", "")]
)
def test_a_file_that_was_filled_in_is_not_overwritten(tmp_path: Path, said: tuple[str, ...]) -> None:
    path = labelled(tmp_path / "sw.csv", said)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"sw\.csv has been filled in and is left alone: --overwrite"):
        write_audit(rated_pairs(5, 5), path, 4)
    assert path.read_bytes() == before
    assert write_audit(rated_pairs(5, 5), path, 4, overwrite=True) == 4
    assert len(cells_of(path)) == 5


def test_another_file_of_that_name_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "sw.csv"
    path.write_text("my notes", "utf-8")
    with pytest.raises(InputError, match="--overwrite"):
        write_audit(rated_pairs(5, 5), path, 4)


def test_a_file_without_labels_and_a_guide_of_ones_own(tmp_path: Path) -> None:
    path = audit_file(tmp_path, "sw")
    write_audit(rated_pairs(5, 5), path, 4)
    (path.parent / "README.md").write_text("ours", "utf-8")
    assert write_audit(rated_pairs(5, 5), path, 6) == 6
    assert (path.parent / "README.md").read_text("utf-8") == "ours"


SAVED: dict[str, Callable[[str], bytes]] = {
    "as written": lambda text: text.encode("utf-8-sig"),
    "without mark": lambda text: text.encode(),
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "tabs in UTF-16": lambda text: text.replace(",", "\t").encode("utf-16"),
    "UTF-16, other order": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without mark": lambda text: text.encode("utf-16-le"),
    "code page": lambda text: text.encode("cp1252", "replace"),
    "Unix lines": lambda text: text.replace("\r\n", "\n").encode(),
    "old Macintosh lines": lambda text: text.replace("\r\n", "\r").encode(),
    "blank lines": lambda text: b"\r\n" + text.encode() + b",,,,,,,\r\n\r\n",
    "capital header": lambda text: text.replace("pair_id", " Pair ID ").replace("answers", "Answers").encode(),
    "short rows": lambda text: text.replace(",good\r\n", "\r\n").encode(),
    "other columns": lambda text: text.replace(",level", ",notes,level").replace(",3,", ",x,3,").encode(),
}


@pytest.mark.parametrize("save", SAVED.values(), ids=SAVED.keys())
def test_labels_come_back_from_any_spreadsheet(tmp_path: Path, save: Callable[[str], bytes]) -> None:
    text = (
        "pair_id,response,answers,instruction,instruction_clear,natural,level,remark\r\n"
        'ab12,"Ndiyo é\nmbili",yes,Ask,yes,no,3,good\r\n'
        "'34,தமிழ்,partly,Ask,,yes,3,good\r\n"
    )
    path = tmp_path / "sw.csv"
    path.write_bytes(save(text))
    audit = read_audit(path)
    assert audit.troubles == ()
    assert audit.labels.schema == LABEL_SCHEMA
    assert audit.labels.drop("remark").rows() == [("ab12", "yes", "yes", "no", "3"), ("34", None, "partly", "yes", "3")]


def test_columns_in_another_order_are_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "sw.csv"
    path.write_text("Level,natural,pair_id,answers,instruction_clear\n2,n,ab12,y,\n", "utf-8")
    assert read_audit(path).labels.rows() == [("ab12", None, "yes", "no", "2", None)]


@pytest.mark.parametrize(
    ("written", "column", "answer"),
    [
        (" Yes ", "natural", "yes"),
        ("Y", "natural", "yes"),
        ("n", "natural", "no"),
        ("NO\xa0", "natural", "no"),
        ("'yes", "natural", "yes"),
        ("p", "answers", "partly"),
        ("Part", "answers", "partly"),
        ("partially", "answers", "partly"),
        ("3.0", "level", "3"),
        ("2,00", "level", "2"),
        ("\uff11", "level", "1"),
        ("", "level", None),
        ("  ", "natural", None),
    ],
)
def test_answers_are_read_however_they_are_written(
    tmp_path: Path, written: str, column: str, answer: str | None
) -> None:
    cells = {"pair_id": "ab12", "instruction_clear": "yes", column: written}
    path = labelled(tmp_path / "sw.csv", tuple(cells.get(name, "") for name in ("pair_id", *HEADER[3:])))
    audit = read_audit(path)
    assert (audit.labels[column].item(), audit.troubles) == (answer, ())


def test_what_cannot_be_read_is_reported_with_row_and_value(tmp_path: Path) -> None:
    path = labelled(
        tmp_path / "sw.csv",
        ("ab", "maybe", "yes", "", "4", ""),
        ("", "", "", "", "", ""),
        ("", "yes", "", "", "2", ""),
        ("cd", "true", "partly!", "p", "1.5", "fine\u202e"),
    )
    audit = read_audit(path)
    assert audit.labelled == 1
    assert audit.labels.rows() == [("ab", None, "yes", None, None, None), ("cd", None, None, None, None, "fine\u202e")]
    assert audit.troubles == (
        "row 2: instruction_clear 'maybe' is none of no, yes",
        "row 2: level '4' is none of 1, 2, 3",
        "row 4: 'yes 2' stands there without a pair_id",
        "row 5: instruction_clear 'true' is none of no, yes",
        "row 5: answers 'partly!' is none of no, partly, yes",
        "row 5: natural 'p' is none of no, yes",
        "row 5: level '1.5' is none of 1, 2, 3",
    )


def test_rows_are_counted_as_the_spreadsheet_counts(tmp_path: Path) -> None:
    path = tmp_path / "sw.csv"
    write_audit(rated_pairs(2, 0).with_columns(response=pl.lit("a\nb\nc")), path, 2)
    header, first, second = cells_of(path)
    second[3:5] = "?", "yes"
    labelled(path, tuple(first), tuple(second), header=header)
    assert read_audit(path).troubles == ("row 3: instruction_clear '?' is none of no, yes",)


def test_rows_of_one_pair_are_merged_and_contradictions_reported(tmp_path: Path) -> None:
    path = labelled(
        tmp_path / "sw.csv",
        ("ab", "yes", "yes", "", "3", ""),
        ("ab", "yes", "no", "no", "", ""),
        ("ab", "", "yes", "", "3", ""),
    )
    audit = read_audit(path)
    assert audit.labels.rows() == [("ab", "yes", None, "no", "3", None)]
    assert audit.troubles == ("row 3: answers of ab is no here and yes before: neither counts",)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no .*sw\.csv: xinstr audit write makes one"):
        read_audit(tmp_path / "sw.csv")


BAD = {
    "missing columns": (b"pair_id,answers\nab,yes\n", "has no column instruction_clear, natural, level"),
    "no key": (b"id,instruction_clear,answers,natural,level\nab,yes\n", "has no column pair_id: keep"),
    "a workbook": (b"PK\x03\x04\x14\x00\x08\x00\xff\xfe", "save the sheet as CSV"),
    "empty": (b"", "has no column pair_id"),
    "a column twice": (
        b"pair_id,instruction_clear,answers,natural,level,Level\nab,y,y,y,1,2\n",
        "has more than one column level",
    ),
    "one endless cell": (
        b'pair_id,instruction_clear,answers,natural,level\n"' + b"x" * 200_000,
        "field larger than field limit",
    ),
    "nothing labelled": (b"pair_id,instruction_clear,answers,natural,level\nab,,,,\n", "nothing is labelled"),
    "nothing readable": (
        b"pair_id,instruction_clear,answers,natural,level\nab,,,,9\n",
        "nothing is labelled.*row 2: level '9'",
    ),
}


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=BAD.keys())
def test_files_that_hold_no_labels_say_why(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "sw.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_audit(path)


def test_pairs_that_were_rated_anew_are_told(tmp_path: Path) -> None:
    pairs = rated_pairs(3, 0)
    known = pairs.select("pair_id").collect().item(0, 0)
    said = ("yes", "", "", "", "")
    path = labelled(tmp_path / "sw.csv", ("gone", *said), (known, *said), ("1.2E+19", *said))
    assert unknown_pairs(read_audit(path).labels, pairs) == ["gone", "1.2E+19"]
