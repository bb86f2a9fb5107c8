from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.corpus import separated_values
from xinstr_core.corpus.readers import Record, Reject, read_records
from xinstr_core.evaluation.gold_pairs import read_gold_pairs
from xinstr_core.languages import Language
from xinstr_core.seed_fields import Exchange
from xinstr_core.seed_layouts import exchanges
from xinstr_core.seeds import SeedPair, Untranslated, read_seeds

ASKED = "Summarise the following text."
TEXT = "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa."
ANSWER = "Watu wote ni huru na sawa katika hadhi na haki."


def found(*records: dict[str, Any]) -> list[Exchange | Reject]:
    return list(exchanges(Record(f"f:{number}", values) for number, values in enumerate(records, 1)))


def outcomes(*records: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(place, reason, value) of rejects, (place, all that is asked, response) of exchanges."""
    return [
        (one.place, one.reason, one.value) if isinstance(one, Reject) else (one.place, one.asked(), one.response)
        for one in found(*records)
    ]


def turns(*said: tuple[str, Any], role: str = "role", content: str = "content") -> list[dict[str, Any]]:
    return [{role: speaker, content: text} for speaker, text in said]


@pytest.mark.parametrize(
    "record",
    [
        {"instruction": ASKED, "input": TEXT, "output": ANSWER},
        {"instruction": ASKED, "input": TEXT, "response": ANSWER},
        {"instruction": ASKED, "context": TEXT, "response": ANSWER, "category": "closed_qa"},
        {"Instruction": ASKED, "Context ": TEXT, "Response": ANSWER},
        {"question": ASKED, "passage": TEXT, "answer": ANSWER},
        {"inputs": ASKED, "input": TEXT, "targets": ANSWER},
        {"instruction": ASKED, "context": [TEXT], "output": ANSWER},
        {"messages": turns(("user", ASKED), ("assistant", ANSWER)), "context": TEXT},
        {"instruction": ASKED, "article": TEXT, "output": ANSWER},
        {"instruction": ASKED, "contexts": [{"type": "text", "text": TEXT}], "output": ANSWER},
        {"instruction": ASKED, "passages": [TEXT], "Passages": None, "output": ANSWER},
        {"instruction": ASKED, "documents": TEXT, "input": "", "images": [], "tools": "[]", "output": ANSWER},
        {"instruction": ASKED, "input": TEXT, "text": f"### {ASKED}\n{TEXT}\n### {ANSWER}", "output": ANSWER},
        {"instruction": ASKED, "text": TEXT, "output": ANSWER},
        {"messages": turns(("user", ASKED), ("user", TEXT), ("assistant", ANSWER))},
    ],
)
def test_what_a_request_is_about_follows_it(record: dict[str, Any]) -> None:
    assert outcomes(record) == [("f:1", f"{ASKED}\n\n{TEXT}", ANSWER)]


@pytest.mark.parametrize(
    "record",
    [
        {"instruction": ASKED, "input": "", "output": ANSWER},
        {"instruction": ASKED, "input": "<noinput>", "output": ANSWER},
        {"instruction": "", "input": ASKED, "output": ANSWER},
        {"prompt": ASKED, "completion": ANSWER},
        {"ID": "1", "id": "2", "instruction": ASKED, "Instruction": ASKED, "output": ANSWER},
        {"instruction": ASKED, "output": ANSWER, "history": "[]", "tools": None, "image": "", "audio": {}},
        {"messages": [*turns(("user", ASKED)), {"role": "assistant", "content": ANSWER, "tool_calls": None}]},
        {"prompt": ASKED, "messages": turns(("user", ASKED), ("assistant", ANSWER))},
        {"prompt": turns(("user", ASKED)), "completion": turns(("assistant", ANSWER))},
        {"messages": turns(("user", [{"type": "text", "text": ASKED}]), ("assistant", ANSWER))},
        {"messages": json.dumps(turns(("user", ASKED), ("assistant", ANSWER)))},
        {"conversations": turns(("human", ASKED), ("gpt", ANSWER), role="from", content="value")},
        {"conversations": turns(("human", ASKED), ("gpt", ANSWER), ("human", "And?"), role="from", content="value")},
    ],
)
def test_a_request_by_itself_in_every_layout(record: dict[str, Any]) -> None:
    assert outcomes(record) == [("f:1", ASKED, ANSWER)]


@pytest.mark.parametrize(
    "record",
    [
        {"system": "Answer in one sentence.", "instruction": ASKED, "input": TEXT, "output": ANSWER},
        {"system": ["Answer in one sentence."], "instruction": ASKED, "input": TEXT, "output": ANSWER},
        {
            "system": [{"type": "text", "text": "Answer in one sentence."}],
            "prompt": f"{ASKED}\n\n{TEXT}",
            "answer": ANSWER,
        },
        {"system_message": "Answer in one sentence.", "instruction": ASKED, "input": TEXT, "output": ANSWER},
        {
            "messages": turns(
                ("system", "Answer in one sentence."), ("user", f"{ASKED}\n\n{TEXT}"), ("assistant", ANSWER)
            )
        },
    ],
)
def test_a_system_message_stands_before_the_request(record: dict[str, Any]) -> None:
    assert outcomes(record) == [("f:1", f"Answer in one sentence.\n\n{ASKED}\n\n{TEXT}", ANSWER)]


@pytest.mark.parametrize(
    ("record", "reason", "value"),
    [
        ({"text": TEXT}, "no_instruction", "fields: text"),
        ({"context": TEXT, "response": ANSWER}, "no_instruction", "fields: context, response"),
        ({"instruction": ASKED, "context": TEXT}, "no_response", "fields: instruction, context"),
        ({"instruction": ASKED, "question": "Why?", "answer": ANSWER}, "several_requests", "instruction and question"),
        ({"instruction": ASKED, "response": TEXT, "output": ANSWER}, "several_responses", "response and output"),
        ({"instruction": ASKED, "output": ANSWER, "history": [["Hi", "Hello"]]}, "later_turn", "history"),
        ({"instruction": ASKED, "output": ANSWER, "input": {"a": 1}}, "not_text", "input: dict"),
        (
            {"conversations": turns(("gpt", ANSWER), ("human", ASKED), ("gpt", TEXT))},
            "later_turn",
            "it begins with a response",
        ),
        ({"messages": turns(("user", ASKED), ("assistant", None), ("user", "4"))}, "no_response", "fields: messages"),
        ({"messages": turns(("user", ASKED))}, "no_response", "fields: messages"),
        ({"messages": turns(("user", ASKED), ("tool", "4"))}, "other_speaker", "{'role': 'tool', 'content': '4'}"),
        (
            {"messages": turns(("user", [{"type": "image_url"}]), ("assistant", ANSWER))},
            "not_text",
            "{'type': 'image_url'}",
        ),
        (
            {"instruction": ASKED, "Instruction": "Why?", "output": ANSWER},
            "several_fields",
            "instruction and Instruction",
        ),
        ({"instruction": ASKED, "prompt": [ASKED], "output": ANSWER}, "not_text", "prompt: list"),
        (
            {"instruction": ASKED, "output": ANSWER, "conversation": {"role": ["user"]}},
            "not_text",
            "conversation: dict",
        ),
        ({"instruction": ASKED, "output": ANSWER, "system": {"a": 1}}, "not_text", "system: dict"),
        (
            {"instruction": ASKED, "output": ANSWER, "documents": [{"title": "a", "text": TEXT}]},
            "not_text",
            "documents: list",
        ),
        ({"instruction": ASKED, "output": ANSWER, "chat_history": "[[1, 2]]"}, "later_turn", "chat_history"),
        ({"instruction": ASKED, "output": ANSWER, "tools": [{"name": "search"}]}, "not_text", "tools"),
        ({"instruction": ASKED, "output": ANSWER, "Functions": '[{"name": "search"}]'}, "not_text", "functions"),
        ({"instruction": ASKED, "output": ANSWER, "image": "cat.png"}, "not_text", "image"),
        ({"instruction": ASKED, "output": ANSWER, "images": [{"bytes": "a"}]}, "not_text", "images"),
        ({"instruction": ASKED, "output": ANSWER, "audio": {"path": "a.wav"}}, "not_text", "audio"),
        ({"instruction": f"<image>\n{ASKED}", "output": ANSWER}, "not_text", "<image>"),
        ({"instruction": ASKED, "input": "<video>", "output": ANSWER}, "not_text", "<video>"),
        ({"messages": turns(("user", f"{ASKED} <image>"), ("assistant", ANSWER))}, "not_text", "<image>"),
        (
            {"messages": turns(("user", ASKED), ("assistant", ANSWER)), "tools": [{"name": "search"}]},
            "not_text",
            "tools",
        ),
        ({"messages": turns(("user", ASKED), ("assistant", ANSWER)), "tools": [{"name": "f"}]}, "not_text", "tools"),
        (
            {
                "messages": [
                    *turns(("user", ASKED)),
                    {"role": "assistant", "content": ANSWER, "tool_calls": [{"id": 1}]},
                ]
            },
            "not_text",
            "tool_calls",
        ),
        (
            {"messages": [{"role": "user", "content": ASKED, "images": ["cat.png"]}, *turns(("assistant", ANSWER))]},
            "not_text",
            "images",
        ),
        ({"instruction": ASKED, "output": ANSWER, "images": ["a.jpg"]}, "not_text", "images"),
        ({"image": "1.jpg", "conversations": turns(("human", ASKED), ("gpt", ANSWER))}, "not_text", "image"),
        (
            {"instruction": ASKED, "Instruction": "Why?", "input": TEXT, "output": ANSWER},
            "several_fields",
            "instruction and Instruction",
        ),
        ({"messages": "no JSON"}, "not_json", "Expecting value: line 1 column 1 (char 0)"),
        ({"messages": turns(("user", f"{ASKED}\0"), ("assistant", ANSWER))}, "not_text", "NUL or lone surrogate"),
    ],
)
def test_what_would_have_to_be_left_out_or_chosen_is_refused(record: dict[str, Any], reason: str, value: str) -> None:
    assert outcomes(record) == [("f:1", reason, value)]


@pytest.mark.parametrize("place", [0, 12, "12"])
def test_the_number_of_an_article_or_paragraph_is_no_part_of_a_request(place: int | str) -> None:
    record = {"instruction": ASKED, "input": 7, "article": place, "paragraph": place, "response": ANSWER}
    assert outcomes(record) == [("f:1", f"{ASKED}\n\n7", ANSWER)]


def message(name: object, parent: object, role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"message_id": name, "parent_id": parent, "role": role, "text": text, "lang": "sw"} | more


def test_messages_that_name_their_parent_are_joined_in_whatever_order() -> None:
    rows = (
        message("b", "a", "assistant", ANSWER, rank=0),
        message("a", None, "prompter", ASKED),
        message("c", "a", "assistant", "Sawa.", rank=1.0),
        message("d", "b", "prompter", "Na kisha?"),
        message("e", "gone", "assistant", "Sawa."),
        message("f", None, "prompter", "Why?"),
        message("g", "a", "assistant", "Sawa.", deleted=True),
        message("h", "a", "assistant", "Watu.", rank=None),
    )
    assert outcomes(*rows) == [
        ("f:1", ASKED, ANSWER),
        ("f:3", "worse_response", "rank 1.0"),
        ("f:4", "later_turn", "it follows a response"),
        ("f:5", "no_instruction", "no message 'gone'"),
        ("f:6", "no_response", "no message answers it"),
        ("f:7", "withdrawn", "deleted"),
        ("f:8", ASKED, "Watu."),
    ]


@pytest.mark.parametrize(("asked", "named"), [(1, 1), (1, "1"), ("1", 1), (1.0, 1), ("a", " a ")])
def test_ids_of_messages_are_compared_as_texts(asked: Any, named: Any) -> None:
    rows = (
        message(asked, None, "prompter", ASKED),
        message("r", named, "assistant", ANSWER),
        message("p", None, "prompter", "Why?"),
    )
    assert outcomes(*rows) == [("f:2", ASKED, ANSWER), ("f:3", "no_response", "no message answers it")]


def test_a_message_that_cannot_be_placed_goes_with_no_request() -> None:
    nameless = {"role": "prompter", "text": ASKED}
    rows = (
        nameless,
        {"role": "assistant", "text": ANSWER},
        message("a", None, "prompter", ASKED),
        message("b", None, "assistant", ANSWER),
        message(None, "a", "assistant", ANSWER),
        message("c", float("nan"), "assistant", ANSWER),
        message("d", "a", "prompter", "Why?"),
        message("e", "a", "assistant", ANSWER, images=["cat.png"]),
        message("f", "a", "assistant", "Sawa."),
    )
    assert outcomes(*rows) == [
        ("f:1", "no_response", "no message_id"),
        ("f:2", "no_instruction", "no parent_id"),
        ("f:4", "no_instruction", "no parent_id"),
        ("f:5", "no_message_id", "fields: message_id, parent_id, role, text, lang"),
        ("f:6", "no_instruction", "no parent_id"),
        ("f:7", "other_speaker", "prompter"),
        ("f:8", "not_text", "images"),
        ("f:9", ASKED, "Sawa."),
    ]


def test_messages_that_share_an_id_with_a_request_are_refused_with_their_replies_unless_they_are_one() -> None:
    rows = (
        message(1, None, "prompter", ASKED),
        message("1", None, "prompter", "Why?"),
        message("r", 1, "assistant", ANSWER),
        message("a", None, "prompter", ASKED),
        message("b", "a", "assistant", "Sawa."),
        message("a", None, "prompter", ASKED),
        message("b", "a", "assistant", "Watu."),
        message("c", "b", "prompter", "Na kisha?"),
        message("d", None, "prompter", "Why?"),
        message("d", "a", "assistant", ANSWER),
    )
    assert outcomes(*rows) == [
        *((f"f:{number}", "several_requests", "message_id 1") for number in (1, 2, 3)),
        ("f:5", ASKED, "Sawa."),
        ("f:6", "duplicate", "message_id a"),
        ("f:7", ASKED, "Watu."),
        ("f:8", "later_turn", "it follows a response"),
        *((f"f:{number}", "several_requests", "message_id d") for number in (9, 10)),
    ]


def test_messages_are_joined_by_names_that_are_numbers_and_none_that_has_no_name() -> None:
    numbered = [
        message(1, None, "prompter", ASKED),
        message(2.0, 1.0, "assistant", ANSWER),
        message(3, None, "prompter", "Why?"),
    ]
    assert outcomes(*numbered) == [("f:2", ASKED, ANSWER), ("f:3", "no_response", "no message answers it")]
    nameless = [{"role": role, "text": text} for role, text in (("prompter", ASKED), ("assistant", ANSWER))]
    assert outcomes(*nameless, message(None, 7, "assistant", "Sawa.")) == [
        ("f:1", "no_response", "no message_id"),
        ("f:2", "no_instruction", "no parent_id"),
        ("f:3", "no_instruction", "no message '7'"),
    ]


def test_of_two_requests_of_one_name_none_is_taken_for_the_other() -> None:
    answered = message("b", "a", "assistant", ANSWER)
    one, other = message("a", None, "prompter", ASKED), message("a", None, "prompter", "Why?")
    assert outcomes(one, other, answered) == [(f"f:{n}", "several_requests", "message_id a") for n in (1, 2, 3)]
    assert outcomes(one, one, answered) == [("f:2", "duplicate", "message_id a"), ("f:3", ASKED, ANSWER)]


def test_a_tree_gives_its_first_request_with_the_responses_to_it() -> None:
    later = message("d", "b", "prompter", "Na kisha?", replies=[])
    replies = [message("b", "a", "assistant", ANSWER, replies=[later]), message("c", "a", "assistant", "Sawa.", rank=1)]
    tree = {"message_tree_id": "a", "prompt": message("a", None, "prompter", ASKED, replies=replies)}
    assert outcomes(tree) == [
        ("f:1", ASKED, ANSWER),
        ("f:1", "later_turn", "it follows a response"),
        ("f:1", "worse_response", "rank 1"),
    ]
    (empty,) = outcomes({"prompt": message("a", None, "prompter", ASKED, replies=[])})
    assert empty == ("f:1", "no_response", "no replies")


def test_the_language_that_messages_name_decides_and_english_ones_are_seeds_too(tmp_path: Path) -> None:
    rows = []
    for language, response in (
        ("sw", ANSWER),
        ("fi", "Hei vaan."),
        ("en", "All human beings are born free and equal."),
    ):
        rows += [
            message(language, None, "prompter", "What are human rights?", lang=language),
            message(f"{language}2", language, "assistant", response, lang=language),
        ]
    path = tmp_path / "oasst.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    native, other, english = read_seeds(path, "sw", ("swh",))
    assert isinstance(native, SeedPair) and isinstance(english, SeedPair)
    assert (native.origin, english.origin) == ("native", "english")
    assert other == Reject("oasst.jsonl:4", "other_language", "", "fi", "sw")


def test_the_language_of_a_request_is_that_of_what_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "dolly.jsonl"
    swahili = "Fupisha maandishi haya kwa sentensi moja tu."
    rows = [{"instruction": text, "context": TEXT, "response": ANSWER} for text in (ASKED, swahili)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    pair, pending = read_seeds(path, "sw")
    assert isinstance(pair, SeedPair) and isinstance(pending, Untranslated)
    assert (pair.instruction, pair.origin) == (f"{ASKED}\n\n{TEXT}", "native")
    assert (pending.text, pending.exchange.asked("Shorten it.")) == (swahili, f"Shorten it.\n\n{TEXT}")


def test_gold_pairs_keep_what_their_request_is_about(tmp_path: Path) -> None:
    path = tmp_path / "gold.json"
    path.write_text(json.dumps([{"instruction": ASKED, "input": TEXT, "output": ANSWER}]), "utf-8")
    assert [pair.instruction for pair in read_gold_pairs(path, Language(tag="sw", name="Swahili", script="Latn"))] == [
        f"{ASKED}\n\n{TEXT}"
    ]


def read(path: Path, content: str | bytes) -> list[Record | Reject]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_records(path))


def test_a_json_file_is_an_array_or_values_that_follow_each_other(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"a": "ä" * 40_000}, {"b": [1, {"c": 2}]}, {}]
    wanted = [Record(f"x.json:{number}", row) for number, row in enumerate(rows, 1)]
    for content in (
        json.dumps(rows),
        json.dumps(rows, indent=2, ensure_ascii=False),
        "\ufeff" + "\n".join(map(json.dumps, rows)),
        "\n".join(json.dumps(row, indent=1) for row in rows),
    ):
        assert read(tmp_path / "x.json", content) == wanted


def test_what_is_broken_in_a_json_file_costs_its_line_and_in_an_array_the_rest(tmp_path: Path) -> None:
    lines = read(tmp_path / "x.json", '{"a": 1}\n{broken\n{"b": 2}\n[3]\n')
    assert [one.values if isinstance(one, Record) else one.reason for one in lines] == [
        {"a": 1}, "not_json", {"b": 2}, "not_a_record",
    ]  # fmt: skip
    cut = read(tmp_path / "y.json", '[{"a": 1}, {"b": "2')
    assert [one.values if isinstance(one, Record) else one.reason for one in cut] == [{"a": 1}, "broken_file"]
    damaged = read(tmp_path / "z.json", b'[{"a": "\xe4"}, {"b": 2}]')
    assert [one.values if isinstance(one, Record) else one.reason for one in damaged] == ["not_utf8", {"b": 2}]
    assert read(tmp_path / "e.json", "[]") == []


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_is_read_whatever_separates_its_cells(tmp_path: Path, separator: str) -> None:
    rows = (("", "instruction", "response"), ("0", f'"Why, ""{separator}"" then?"', '"Two\nlines"'), ("", "", ""))
    content = "\ufeff" + "\r\n".join(separator.join(row) for row in rows)
    assert read(tmp_path / "x.csv", content) == [
        Record("x.csv:2", {"instruction": f'Why, "{separator}" then?', "response": "Two\nlines"})
    ]


def test_a_row_that_is_broken_costs_its_line_alone(tmp_path: Path) -> None:
    content = b'a,b\n"open,1\nc,d,e\nf,\xe4\ng,h\n"i\n'
    assert [
        one if isinstance(one, Record) else (one.place, one.reason) for one in read(tmp_path / "x.csv", content)
    ] == [
        ("x.csv:2", "not_csv"),
        ("x.csv:3", "not_a_record"),
        ("x.csv:4", "not_utf8"),
        Record("x.csv:5", {"a": "g", "b": "h"}),
        ("x.csv:6", "not_csv"),
    ]


def test_a_cell_is_as_long_as_it_is_and_none_of_its_lines_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quote that never closes costs its line alone all the same, and so much is read for its end."""
    notes = "a line of notes\n" * 20_000
    content = f'text,notes\n"{TEXT}","{notes}"\nlast,\n'
    assert read(tmp_path / "x.csv", content) == [
        Record("x.csv:2", {"text": TEXT, "notes": notes}),
        Record(f"x.csv:{2 + 20_001}", {"text": "last", "notes": ""}),
    ]
    assert csv.field_size_limit() == 2**17, "as other readers know it"
    monkeypatch.setattr(separated_values, "LONGEST_CELL", 1000)
    first, *others = read(tmp_path / "y.csv", 'a,b\n"open,1\n' + "1234567,1234567\n" * 100)
    assert isinstance(first, Reject) and first.reason == "not_csv"
    assert others == [Record(f"y.csv:{number}", {"a": "1234567", "b": "1234567"}) for number in range(3, 103)]


@pytest.mark.parametrize("header", [b"a,b,a", b"a,\xe4"])
def test_a_table_without_a_readable_header_is_a_broken_file(tmp_path: Path, header: bytes) -> None:
    (broken,) = read(tmp_path / "x.csv", header + b"\n1,2\n")
    assert isinstance(broken, Reject) and broken.reason == "broken_file"
