"""The audit file: pairs that a person labels in a spreadsheet without seeing their ratings.

It goes out as CSV that any spreadsheet opens, and comes back as whatever that spreadsheet made of it. Labels find their
pairs by pair_id alone, so nothing depends on the texts.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import regex

from xinstr_core.errors import InputError
from xinstr_core.files import write_text
from xinstr_core.identity import content_key
from xinstr_core.text import printable

# What a person may answer, from worst to best.
ANSWERS = {
    "instruction_clear": ("no", "yes"),
    "answers": ("no", "partly", "yes"),
    "natural": ("no", "yes"),
    "level": ("1", "2", "3"),
}
LABEL_SCHEMA = pl.Schema(
    [("pair_id", pl.String), *((name, pl.Enum(answers)) for name, answers in ANSWERS.items()), ("remark", pl.String)]
)
_TEXTS = ("instruction", "response")
_TO_FILL = (*ANSWERS, "remark")
_ALSO_MEANS = {"partial": "partly", "partially": "partly"}
_MARK = "'"
# Where a spreadsheet might begin a cell: at the start, and, as one that expects another separator reads on outside of
# quotes, after any line end or separator. A formula begins with these signs (OWASP, CSV Injection), also behind spaces
# and quotes and in full width; the mark itself is marked so that it can be undone.
_FORMULA = regex.compile(r"""(?:^|(?<=[\n,;]))(?=[ "]*[=+\-@＝＋－＠'])""")
_MARKED = regex.compile(r"(?:^|(?<=[\n,;]))'")
_NUMBER = regex.compile(r"^(?= *\d+(?:e\d+)?\s*$)")  # some keys are digits, or digits around one "e"
_SPACE = regex.compile(r"\s")
_LONGEST_CELL = 32_000  # characters, the rest is cut off; Excel breaks cells after 32,767


@dataclass(frozen=True)
class LabelledAudit:
    """What a person filled in. `labels` (LABEL_SCHEMA) has every pair of the file; null is not labelled.

    `troubles` are the cells that could not be read and the labels that contradict each other, each with its row.
    """

    labels: pl.DataFrame
    troubles: tuple[str, ...]

    @property
    def labelled(self) -> int:
        """Pairs with at least one label."""
        return len(self.labels) - len(self.labels.filter(pl.all_horizontal(pl.col(*ANSWERS).is_null())))


def audit_file(home: Path, tag: str, *, second: bool = False) -> Path:
    """Where the file of a language is, and that of a second person."""
    return home / "audit" / (f"{tag}.second.csv" if second else f"{tag}.csv")


def draw(pairs: pl.LazyFrame, rows: int) -> pl.DataFrame:
    """(pair_id, instruction, response) of `rows` pairs, half of them kept and half dropped where there are enough.

    Drawn by a hash of the key, so what was drawn for fewer rows is among what is drawn for more. The order is by
    another hash: by the same one, the half drawn from the fewer pairs would come later.
    """
    known = pairs.select("pair_id", pl.col("kept").fill_null(False)).collect()
    kept, dropped = (
        sorted(known.filter(pl.col("kept") == side)["pair_id"], key=lambda key: content_key("audit draw", key))
        for side in (True, False)
    )
    from_kept = min(len(kept), max(math.ceil(rows / 2), rows - len(dropped)))
    taken = [*kept[:from_kept], *dropped[: rows - from_kept]]
    order = pl.DataFrame(
        {"pair_id": sorted(taken, key=lambda key: content_key("audit order", key))}, schema={"pair_id": pl.String}
    )
    texts = pairs.filter(pl.col("pair_id").is_in(taken)).select("pair_id", *_TEXTS).collect()
    return order.join(texts, on="pair_id", how="left", maintain_order="left")


def write_audit(pairs: pl.LazyFrame, path: Path, rows: int, *, overwrite: bool = False) -> int:
    """Draw pairs (pair_id, instruction, response, kept) and write the file that a person fills in; returns the rows.

    A guide for that person is put beside it, unless there is one. InputError where there are no pairs, and where the
    file exists and was filled in, or is something else, unless told to `overwrite`.
    """
    drawn = draw(pairs, rows)
    if drawn.is_empty():
        raise InputError("there are no rated pairs to audit")
    if path.exists() and not overwrite and _may_be_labelled(path):
        raise InputError(
            f"{path} has been filled in and is left alone: --overwrite replaces it, and the labels are lost"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    guide = path.parent / "README.md"
    if not guide.exists():
        write_text(guide, Path(__file__).with_name("audit_guide.md").read_text("utf-8"))
    write_text(path, codecs.BOM_UTF8.decode("utf-8") + _as_csv(drawn))
    return len(drawn)


def read_audit(path: Path) -> LabelledAudit:
    """The labels of a file, whatever spreadsheet saved it.

    Comma, semicolon or tab; UTF-8, UTF-16 or, for old spreadsheets, an 8-bit code page; columns in any order, further
    ones ignored; answers in any case, by their first letters, numbers as 3 or 3.0. Rows of one pair are merged; where
    their labels contradict each other, neither counts. InputError for no file, no such columns, or nothing labelled.
    """
    found: dict[str, dict[str, str]] = {}
    contradicted: set[tuple[str, str]] = set()
    troubles: list[str] = []
    for number, cells in _records(path):
        pair_id = restored_cell(printable(cells["pair_id"]).strip())
        filled = {name: cells[name].strip() for name in _TO_FILL if cells[name].strip()}
        if not pair_id:
            if filled:
                troubles.append(f"row {number}: {_quoted(' '.join(filled.values()))} stands there without a pair_id")
            continue
        labels = found.setdefault(pair_id, {})
        for name, written in filled.items():
            answer = written if name == "remark" else _read_answer(written, ANSWERS[name])
            if answer is None:
                troubles.append(f"row {number}: {name} {_quoted(written)} is none of {', '.join(ANSWERS[name])}")
            elif name != "remark" and labels.setdefault(name, answer) != answer:
                contradicted.add((pair_id, name))
                troubles.append(
                    f"row {number}: {name} of {pair_id} is {answer} here and {labels[name]} before: neither counts"
                )
            else:
                labels[name] = answer
    for pair_id, name in contradicted:
        del found[pair_id][name]
    rows = [{"pair_id": pair_id, **dict.fromkeys(_TO_FILL), **labels} for pair_id, labels in found.items()]
    audit = LabelledAudit(pl.DataFrame(rows, schema=LABEL_SCHEMA), tuple(troubles))
    if not audit.labelled:
        first = f"; {troubles[0]}" if troubles else ""
        raise InputError(f"{path}: nothing is labelled: save the sheet as CSV under this name{first}")
    return audit


def unknown_pairs(labels: pl.DataFrame, pairs: pl.LazyFrame) -> list[str]:
    """Labelled pairs that are not among `pairs`: those were rated anew since, or the spreadsheet changed the key."""
    known = pairs.select("pair_id").filter(pl.col("pair_id").is_in(labels["pair_id"].to_list())).collect()
    return labels.join(known, on="pair_id", how="anti", maintain_order="left")["pair_id"].to_list()


def safe_cell(text: str) -> str:
    """A text as a spreadsheet may show it: lines stay, control and direction characters go, nothing is a formula.

    Marks are put before what a spreadsheet would not take for text: `restored_cell` undoes them.
    """
    shown = "\n".join(printable(_SPACE.sub(" ", line)) for line in text.splitlines()).strip()
    marked: str = _NUMBER.sub(_MARK, _FORMULA.sub(_MARK, shown))
    return marked[:_LONGEST_CELL]


def restored_cell(cell: str) -> str:
    """A cell without the marks of `safe_cell`."""
    restored: str = _MARKED.sub("", cell)
    return restored


def _as_csv(drawn: pl.DataFrame) -> str:
    """RFC 4180, every cell quoted."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(["pair_id", *_TEXTS, *_TO_FILL])
    writer.writerows([*map(safe_cell, row), *[""] * len(_TO_FILL)] for row in drawn.iter_rows())
    return stream.getvalue()


def _may_be_labelled(path: Path) -> bool:
    try:
        return any(cells[name].strip() for _, cells in _records(path) for name in _TO_FILL)
    except InputError:
        return True  # not ours to judge


def _records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(row as the spreadsheet counts, the cells of our columns) of every row below the header."""
    if not path.is_file():
        raise InputError(f"there is no {path}: xinstr audit write makes one")
    text = _decoded(path.read_bytes())
    try:
        separator = max(",;\t", key=lambda separator: len({"pair_id", *ANSWERS} & set(_header(_rows(text, separator)))))
        rows = _rows(text, separator)
        places = _places(path, _header(rows))
        for number, row in rows:
            yield number, {name: row[place] if place < len(row) else "" for name, place in places.items()}
    except csv.Error as error:
        raise InputError(f"{path} is not CSV or tab-separated text ({error}): save the sheet as CSV") from error


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    return enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=separator), start=1)


def _header(rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    """The names of the columns: the first row that is not empty, which is taken from `rows`."""
    cells = next((row for _, row in rows if any(cell.strip() for cell in row)), [])
    return ["_".join(printable(cell).casefold().split()) for cell in cells]


def _places(path: Path, names: list[str]) -> dict[str, int]:
    needed = ("pair_id", *ANSWERS)
    if missing := [name for name in needed if name not in names]:
        raise InputError(f"{path} has no column {', '.join(missing)}: keep the header, and save the sheet as CSV")
    if twice := [name for name in (*needed, "remark") if names.count(name) > 1]:
        raise InputError(f"{path} has more than one column {', '.join(twice)}: keep one")
    # A remark may go; whatever its place, a row without it has an empty one.
    return {name: names.index(name) if name in names else len(names) for name in ("pair_id", *_TO_FILL)}


def _decoded(content: bytes) -> str:
    """Text of bytes that a spreadsheet saved. Keys and answers are ASCII, so a wrong code page harms remarks only."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    if b"\0" in content[:2]:
        return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _read_answer(written: str, answers: tuple[str, ...]) -> str | None:
    """The answer that was written, maybe by its first letters, or None."""
    plain = unicodedata.normalize("NFKC", restored_cell(printable(written))).strip().casefold()
    plain = regex.sub(r"(?<=^\d)[.,]0+$", "", plain)
    plain = _ALSO_MEANS.get(plain, plain)
    return next((answer for answer in answers if plain and answer.startswith(plain)), None)


def _quoted(written: str) -> str:
    return repr(printable(written)[:40])
