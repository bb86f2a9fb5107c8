"""Text of a corpus is hostile until shown otherwise: in a table cell of the UI it stays text."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.small_line import write_home
from xinstr_dagster.metadata import CELL_CHARACTERS, SAMPLE_ROWS, escape_markdown, markdown_table, partition_metadata

# html=True: what a renderer does that lets HTML through.
RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

HOSTILE = {
    "a pipe": "a | b || c",
    "an escaped pipe": r"a \| b \\| c",
    "backticks": "`code` ``a | b`` ```",
    "a tag": "<b>bold</b>",
    "a script": "<script>alert(1)</script>",
    "an event handler": '<img src=x onerror="alert(1)">',
    "a comment": "<!-- hidden --> <![CDATA[x]]> <?php ?>",
    "an entity": "&lt;b&gt; &amp; &#60;script&#62; &copy;",
    "a link": "[click](http://evil.example) [ref][1] [1]",
    "a reference": "[1]: http://evil.example",
    "an autolink": "<http://evil.example> <someone@evil.example>",
    "a javascript link": "[x](javascript:alert(1))",
    "an image": "![x](http://evil.example/x.png)",
    "a data image": "![x](data:image/svg+xml;base64,PHN2Zz4=) data:text/html,<script>alert(1)</script>",
    "emphasis": "*a* **b** _c_ __d__ ~~e~~ ***f***",
    "headings and lists": "# heading - item + item 1. item > quote",
    "mathematics": "$x$ $$y$$",
    "a rule": "| --- | :-: |",
    "a footnote": "[^1] [^1]: text",
    "a task": "- [x] done",
}


# remark-gfm, which the UI renders with, turns addresses into links after it has resolved every backslash and entity.
BARE_LINKS = (
    re.compile(r"(https?://|www(?=\.))([-.\w]+)([^ \t\r\n]*)", re.IGNORECASE),
    re.compile(r"([-.\w+]+)@([-\w]+(?:\.[-\w]+)+)"),
)
INVISIBLE = str.maketrans("", "", "\u200b\u2060")  # may be put into an address to break it: nothing to see


def _cells(text: str) -> list[list[Token]]:
    """The inline tokens of each body cell of a table that holds the text once, between two known cells."""
    tokens = RENDERER.parse(markdown_table([{"a": "before", "text": text, "z": "after"}]))
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == 1
    assert kinds[0] == "table_open"
    assert kinds[-1] == "table_close"
    assert kinds.count("tr_open") == 2
    assert kinds.count("th_open") == 3
    assert kinds.count("td_open") == 3
    return [
        tokens[index + 1].children or []
        for index, kind in enumerate(kinds)
        if kind == "td_open" and tokens[index + 1].type == "inline"
    ]


def _assert_inert(text: str, expected: str) -> None:
    before, middle, after = _cells(text)
    assert [token.content for token in before + after] == ["before", "after"]
    assert {token.type for token in middle} <= {"text", "text_special"}
    assert "".join(token.content for token in middle).translate(INVISIBLE) == expected
    rendered = RENDERER.render(markdown_table([{"a": "before", "text": text, "z": "after"}]))
    assert f"<td>{html.escape(expected, quote=False).replace(chr(34), '&quot;')}</td>" in rendered.translate(INVISIBLE)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_stays_text_in_its_cell(text: str) -> None:
    _assert_inert(text, text)


@pytest.mark.parametrize(
    "text",
    [
        "see https://evil.example/a",
        "HTTP://evil.example",
        "www.evil.example",
        "(someone@evil.example)",
        "a.b+c@d-e.example",
    ],
)
def test_no_bare_address_is_left_that_the_ui_would_make_a_link(text: str) -> None:
    _, middle, _ = _cells(text)
    shown = "".join(token.content for token in middle)
    assert [link.search(shown) for link in BARE_LINKS] == [None, None]


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n", "\n\n", "\u2028", "\u2029", "\x0b", "\x0c", "\x85"])
def test_a_line_end_becomes_a_space(line_end: str) -> None:
    _assert_inert(f"one{line_end}| two | three |", "one | two | three |")


@pytest.mark.parametrize(
    "control", [chr(c) for c in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]
)
def test_controls_of_direction_are_dropped(control: str) -> None:
    _assert_inert(f"abc{control}def", "abcdef")


@pytest.mark.parametrize("control", ["\x00", "\x07", "\x1b[31m", "\x7f", "\ufeff", "\ue000"])
def test_what_cannot_be_printed_is_dropped(control: str) -> None:
    assert escape_markdown(f"a{control}b") == escape_markdown(f"a{control[1:]}b")


@pytest.mark.parametrize(
    "text",
    ["اردو میں ایک جملہ", "ภาษาไทยไม่มีช่องว่าง", "हिन्दी में क्षत्रिय", "বাংলা ভাষায় স্ত্রী", "Tiếng Việt có dấu", "தமிழ் மொழி"],
)
def test_text_of_every_script_is_shown_as_it_is(text: str) -> None:
    _assert_inert(text, text)


@pytest.mark.parametrize("text", ["می‌خواهم", "ক্‌ষ", "र्‍य", "ශ්‍රී"])
def test_joiners_stay_because_scripts_need_them(text: str) -> None:
    """Zero-width joiner and non-joiner are spelling in Persian, Urdu, Bengali, Hindi and Sinhala."""
    _assert_inert(text, text)


def test_a_long_text_is_cut_and_says_so() -> None:
    _assert_inert("a" * CELL_CHARACTERS, "a" * CELL_CHARACTERS)
    _assert_inert("|" * (CELL_CHARACTERS + 1), "|" * (CELL_CHARACTERS - 1) + "…")


@given(st.text(st.sampled_from("ab |\\`*_{}[]()<>&#!~:\n\t-+.$@/'\"=^;0x"), max_size=60))
@settings(max_examples=150, deadline=None)
def test_no_mixture_of_marks_breaks_out_of_its_cell(text: str) -> None:
    _assert_inert(text, " ".join(text.split()))


def test_names_of_columns_are_escaped_too() -> None:
    (header,) = [t for t in RENDERER.parse(markdown_table([{"<b>|": 1}])) if t.type == "inline"][:1]
    assert "".join(child.content for child in header.children or []) == "<b>|"


def test_numbers_are_short_and_no_rows_are_said_to_be_none() -> None:
    assert markdown_table([{"n": 3, "share": 0.123456}]) == "| n | share |\n| --- | --- |\n| 3 | 0\\.123 |"
    assert markdown_table([]) == "(no rows)"


def test_sample_replies_are_of_base_and_tuned_model_beside_each_other(tmp_path: Path) -> None:
    report = write_home(tmp_path, "sw").get("eval_report", "sw")
    assert report
    shown = partition_metadata(report, reused=False)["sample of replies"].value
    header, _, *rows = str(shown).splitlines()
    assert header.replace("\\", "") == "| prompt_language | instruction | base | tuned |"
    assert len(rows) == SAMPLE_ROWS
    assert all("base\\:" in row and "tuned\\:" in row for row in rows)
