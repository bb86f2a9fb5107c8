"""What a reply shows by itself, and gold pairs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from xinstr_core.engines.base import SCORED_ROWS, Engine, Request, TokenScores
from xinstr_core.errors import InputError
from xinstr_core.evaluation.gold_pairs import read_gold_pairs
from xinstr_core.evaluation.replies import has_wrong_line, is_wrong_language, repetition
from xinstr_core.evaluation.subjects import bits_per_byte, likelihoods
from xinstr_core.languages import Language

FINNISH = Language(tag="fi", name="Finnish", script="Latn")
SWAHILI = Language(tag="sw", name="Swahili", script="Latn")
THAI = Language(tag="th", name="Thai", script="Thai")
FINNISH_LINES = (
    "Helsinki on Suomen pääkaupunki ja maan väkirikkain kunta.\n"
    "Se sijaitsee Etelä-Suomessa Suomenlahden rannalla, ja siellä asuu yli kuusisataatuhatta ihmistä.\n"
    "Kaupungin perusti Ruotsin kuningas Kustaa Vaasa vuonna 1550.\n"
)
ENGLISH_LINE = "It is also known for its design, its islands and its long summer evenings by the sea."


def test_a_line_in_another_language_is_seen_where_the_whole_reply_hides_it() -> None:
    assert not has_wrong_line(FINNISH_LINES, FINNISH)
    assert has_wrong_line(FINNISH_LINES + ENGLISH_LINE, FINNISH)
    assert not is_wrong_language(FINNISH_LINES + ENGLISH_LINE, FINNISH)
    assert not has_wrong_line(FINNISH_LINES + "New York Times", FINNISH), "names are too short to be told"
    assert not has_wrong_line("", FINNISH)


@pytest.mark.parametrize(
    ("reply", "language", "share"),
    [
        ("", FINNISH, 0.0),
        ("yksi kaksi kolme neljä viisi kuusi", FINNISH, 0.0),
        ("yksi kaksi kolme neljä viisi " * 3, FINNISH, 6 / 11),
        ("กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย", THAI, 0.0),
    ],
)
def test_repetition_is_the_share_of_runs_that_were_there_before(reply: str, language: Language, share: float) -> None:
    assert repetition(reply, language) == pytest.approx(share)


def test_a_reply_that_only_repeats_one_phrase_is_nearly_all_repetition() -> None:
    assert repetition("ประเทศไทยสวยงามมากจริงๆ" * 20, THAI) > 0.9


class OneNatAByte:
    """A model for which every byte is a token and costs one nat."""

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        return [TokenScores(one.key, (-1.0,) * len(one.completion.encode()), -5.0) for one in requests]


def test_bits_per_byte_count_bytes_and_not_the_end() -> None:
    found = bits_per_byte(lambda: cast(Engine, OneNatAByte()), [Request("a", "?", "yö"), Request("b", "?", "กก")])
    assert found == pytest.approx({"a": 1 / math.log(2), "b": 1 / math.log(2)})


def test_readings_tell_how_far_they_are() -> None:
    told = list[tuple[int, int]]()
    requests = [Request(f"{number:02}", "?", "neno") for number in range(SCORED_ROWS + 2)]
    likelihoods(lambda: cast(Engine, OneNatAByte()), requests, lambda done, total, **_: told.append((done, total)))
    assert told == [(0, SCORED_ROWS + 2), (SCORED_ROWS, SCORED_ROWS + 2)]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_gold_pairs_leave_out_what_was_trained_on_and_responses_that_recur(tmp_path: Path) -> None:
    path = write(
        tmp_path / "gold.jsonl",
        '{"instruction": "What is ugali?", "response": "Ugali ni chakula."}',
        '{"instruction": "What is it?", "response": "ugali  ni chakula."}',
        '{"instruction": "What is pilau?", "response": "Pilau ni wali."}',
    )
    assert [pair.instruction for pair in read_gold_pairs(path, SWAHILI, ["PILAU ni wali."])] == ["What is ugali?"]
    assert len(read_gold_pairs(path, SWAHILI)) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"asked": "What?", "response": "Ndiyo."}', "needs instruction and response"),
        ('{"instruction": "What?", "response": " "}', "needs instruction and response"),
        ('{"instruction": "What?", "response": 3}', "needs instruction and response"),
        ("not json", "not_json"),
    ],
)
def test_a_gold_record_without_its_fields_is_one_line_that_names_it(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        read_gold_pairs(write(tmp_path / "gold.jsonl", line), SWAHILI)
    assert "gold.jsonl" in str(raised.value) and "\n" not in str(raised.value)


def test_gold_of_which_all_was_trained_on_says_what_to_do(tmp_path: Path) -> None:
    path = write(tmp_path / "gold.jsonl", '{"instruction": "What?", "response": "Ugali."}')
    with pytest.raises(InputError, match="take them out of the seeds"):
        read_gold_pairs(path, SWAHILI, ["Ugali."])


def test_gold_of_another_language_is_told_by_its_responses(tmp_path: Path) -> None:
    lines = [json.dumps({"instruction": "What?", "response": f"{n} {FINNISH_LINES}"}) for n in range(3)]
    own = json.dumps({"instruction": "What is ugali?", "response": "Ugali ni chakula cha watu wengi wa Tanzania."})
    path = write(tmp_path / "gold.jsonl", *lines, own)
    with pytest.raises(InputError, match=r"gold.jsonl: 3 of 4 responses are in fi: .* response in Swahili"):
        read_gold_pairs(path, SWAHILI)
    assert len(read_gold_pairs(path, FINNISH)) == 4
