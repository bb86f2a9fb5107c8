"""The main text of a page has the characters in which it was written."""

from __future__ import annotations

import html

import pytest

from xinstr_core.corpus.html_pages import main_text

PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>x</title></head><body><nav><a href="/">A</a></nav>
<main><article>{}</article></main><footer>© 2020</footer></body></html>"""
LINES = {
    "fa": "می‌خواهم کتاب‌هایی را که نوشته‌اند بخوانم و دربارهٔ آن‌ها بنویسم، زیرا چیزهای تازه‌ای می‌گویند.",
    "si": "ශ්‍රී ලංකාවේ ප්‍රජාතාන්ත්‍රික ජනතාව සියලු දෙනාම නිදහස් ය, ඔවුන්ගේ අයිතිවාසිකම් ද සමාන ය.",
    "bn": "র‍্যাব ও অন্য সংস্থার মধ্যে যে সমন্বয় প্রয়োজন, তা নিয়ে আলোচনা হয়েছে; সময় নিয়ে কেউ কিছু বলেননি।",
    "kn": "ರಾಷ್ಟ್ರ‌ಗಳ ನಡುವಿನ ಸಂಬಂಧ‌ಗಳು ಬಲಗೊಳ್ಳಬೇಕು ಎಂದು ಅವರು ಸಭೆಯಲ್ಲಿ ಹೇಳಿದರು, ಎಲ್ಲರೂ ಒಪ್ಪಿದರು.",
    "ckb": "هه‌موو مرۆڤه‌كان به‌ ئازادی و یه‌كسان له‌ ڕوومه‌ت و مافدا له‌ دایك ده‌بن.",
    "khmer": "មនុស្ស​ទាំងអស់​កើត​មក​មាន​សេរីភាព​និង​ភាព​ស្មើ​គ្នា​ក្នុង​ផ្នែក​សេចក្ដី​ថ្លៃថ្នូរ​និង​សិទ្ធិ។",
    "decomposed": "Vie\u0323\u0302t Nam va\u0300 nhu\u031b\u0303ng ngu\u031bo\u031b\u0300i ba\u0323n, tie\u0302\u0301ng noi cua dan toc ta that hay va dep.",
    "marks": "Kirja\u00adkaupassa \u200eon \u2066paljon\u2069 kirjoja, joita kukaan ei ole lukenut \ue000 vielä tänäkään vuonna \U0010fffd loppuun.",
    "flag": "Kaikki liehuttivat lippua \U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f ja perhe \U0001f468\u200d\U0001f469\u200d\U0001f467 hurrasi pitkään ottelun jälkeen.",
    "stand_in": "葛\U000e0100飾区の漢字と\u200b異体字セレクタの付いた文字はそのまま残らなければならないという規則です。",
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("written", ["as it is", "as references"])
def test_every_character_of_a_line_comes_through(name: str, written: str) -> None:
    line = LINES[name]
    source = line if written == "as it is" else "".join(c if c.isascii() else f"&#x{ord(c):x};" for c in line)
    found = main_text(PAGE.format(f"<p>{source}</p><p>{source[::1]}!</p>" * 2))
    assert found is not None
    assert found.splitlines()[0] == line


def test_named_joiners_are_joiners() -> None:
    line = LINES["fa"].replace("\u200c", "&zwnj;")
    assert (main_text(PAGE.format(f"<p>{line}</p>" * 2)) or "").splitlines()[0] == LINES["fa"]


def test_references_to_control_characters_mean_signs_of_windows_1252() -> None:
    line = "Vuosina 1990&#150;2000 h&#228;n sanoi: &#x94;N&#228;in on&#148;, eik&#228; kukaan v&#228;itt&#228;nyt vastaan silloin."
    found = main_text(PAGE.format(f"<p>{line}</p>" * 2))
    assert (found or "").splitlines()[
        0
    ] == "Vuosina 1990–2000 hän sanoi: ”Näin on”, eikä kukaan väittänyt vastaan silloin."


def test_an_article_in_linked_data_keeps_its_joiners() -> None:
    escaped = LINES["fa"].replace("\u200c", "\\u200c")
    data = f'{{"@type": "NewsArticle", "articleBody": "{escaped} {escaped}"}}'
    page = f'<html><head><script type="application/ld+json">{data}</script></head><body><div>-</div></body></html>'
    assert LINES["fa"] in (main_text(page) or "")


@pytest.mark.parametrize("page", ["", "<html></html>", "no page", html.escape(PAGE)])
def test_what_has_no_main_text_has_none(page: str) -> None:
    assert not main_text(page) or "<" in (main_text(page) or "")
