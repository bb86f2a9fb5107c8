"""A user's own lists of sites and words, inline and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.corpus.conftest import SECOND, TEXT, judge, reasons
from xinstr_core.corpus.readers import Reject
from xinstr_core.corpus.refuse_lists import RefuseLists, list_entries
from xinstr_core.errors import InputError


def found(
    domains: list[str], words: list[str], text: str = TEXT, address: str = "", script: str = "Latn"
) -> str | None:
    reason = RefuseLists.of(domains, words, script).find((address, ""), text)
    return ":".join(reason[:2]) if reason else None


@pytest.mark.parametrize(
    ("entry", "address", "listed"),
    [
        ("casino.example", "https://casino.example/slot", "casino.example"),
        ("casino.example", "http://www.Casino.Example:8080/", "casino.example"),
        ("casino.example", "https://id.play.casino.example/a", "casino.example"),
        ("casino.example", "casino.example", "casino.example"),
        ("https://www.casino.example/x", "https://casino.example", "casino.example"),
        ("*.casino.example", "https://m.casino.example/", "casino.example"),
        ("0.0.0.0 casino.example # slots", "https://casino.example/", "casino.example"),
        ("kazanç.example", "https://xn--kazan-2ra.example/", "xn--kazan-2ra.example"),
        ("casino.example", "//sub.casino.example/y", "casino.example"),
        ("//casino.example/", "https://casino.example", "casino.example"),
        ("casino.example", "casino.example/?from=https://news.example", "casino.example"),
        ("casino.example", "/casino.example/y", None),
        ("casino.example", "https://notcasino.example/", None),
        ("casino.example", "https://example/casino.example", None),
        ("casino.example", "Casino Example News 12", None),
        ("casino.example", "https://[casino.example", None),
    ],
)
def test_a_site_is_refused_with_all_below_it(entry: str, address: str, listed: str | None) -> None:
    assert found([entry], [], address=address) == (f"refused_domain:{listed}" if listed else None)


@pytest.mark.parametrize(
    ("entry", "text", "script", "word"),
    [
        ("slot gacor", "Situs SLOT-Gacor hari ini", "Latn", "slot gacor"),
        ("bet88", "Daftar BET88!", "Latn", "bet88"),
        ("slot", "Slots dan slotnya", "Latn", None),
        ("şans", "ŞANS oyunu", "Latn", "şans"),
        ("cafe\u0301", "Café", "Latn", "caf\u00e9"),
        ("sans", "ŞANS oyunu", "Latn", None),
        ("iddaa", "İDDAA oyna", "Latn", "iddaa"),
        ("İDDAA", "iddaa oyna", "Latn", "iddaa"),
        ("canlı bahis", "CANLI BAHİS siteleri", "Latn", "canli bahis"),
        ("CANLI BAHIS", "canlı bahis", "Latn", "canli bahis"),
        ("casino", "c\u0336a\u0336s\u0336i\u0336no", "Latn", "casino"),
        ("казино", "онлайн Казино\u0301", "Cyrl", "казино"),
        ("casino", "ｃａｓｉｎｏ 𝐜𝐚𝐬𝐢𝐧𝐨", "Latn", "casino"),
        ("casino", "ca\u200bsi\u00adn\u2060o", "Latn", "casino"),
        ("ca\u00adsino", "casino", "Latn", "casino"),
        ("كازينو", "كَازِينُو", "Arab", "كازينو"),
        ("קזינו", "קָזִינוֹ", "Hebr", "קזינו"),
        ("ọkọ\u0300", "ọkọ\u0301 mi", "Latn", None),
        ("ọkọ\u0300", "Ọkọ\u0300 mi", "Latn", "ọkọ\u0300"),
        ("خانه\u200cها", "آن خانه\u200cها", "Arab", "خانهها"),
        ("खेल", "यह खेल है", "Deva", "खेल"),
        ("खे", "यह खेल है", "Deva", None),
        ("พนัน", "เว็บพนันออนไลน์", "Thai", "พนัน"),
        ("!!!", "Situs!!!", "Latn", None),
    ],
)
def test_a_word_is_refused_whole_and_as_it_is_read(entry: str, text: str, script: str, word: str | None) -> None:
    assert found([], [entry], text=text, script=script) == (f"refused_word:{word}" if word else None)


def test_entries_come_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "sites.txt").write_text("\ufeff# casinos\n\na.example \nb.example\n", "utf-8")
    assert [*list_entries(["@sites.txt", "c.example"], tmp_path)] == ["c.example", "a.example", "b.example"]


@pytest.mark.parametrize(("name", "said"), [("gone.txt", "no list"), ("latin.txt", "not UTF-8")])
def test_a_list_that_cannot_be_read_is_an_error(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "latin.txt").write_bytes("kazanç".encode("latin-1"))
    with pytest.raises(InputError, match=said):
        [*list_entries([f"@{name}"], tmp_path)]


def test_a_page_is_refused_as_a_whole_and_says_why() -> None:
    lists = RefuseLists.of(["casino.example"], ["usalama wa nafsi"], "Latn")
    pages = [
        {"text": TEXT, "url": "https://casino.example/1"},
        {"text": TEXT, "source": "www.casino.example"},
        {"text": f"{TEXT}\n\n{SECOND}"},
        {"text": TEXT, "url": "https://news.example/1"},
    ]
    outcomes = judge(*pages, lists=lists)
    assert reasons(outcomes) == ["refused_domain", "refused_domain", "refused_word", "kept"]
    assert [(one.value, one.threshold) for one in outcomes if isinstance(one, Reject)][1:] == [
        ("casino.example", "corpus.refuse_domains"),
        ("usalama wa nafsi", "corpus.refuse_words"),
    ]
