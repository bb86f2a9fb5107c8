from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from xinstr_core.corpus.sentences import clause_borders, phrase_borders, sentence_borders


def parts(text: str, borders: Callable[[str, int, int], Iterator[tuple[int, int]]] = sentence_borders) -> list[str]:
    found, start = [], 0
    for border in borders(text, 0, len(text)):
        found.append(text[start : border[0]])
        start = border[1]
    return [*found, text[start:]]


@pytest.mark.parametrize(
    "sentences",
    [
        "Alienda kwa kasi!|Je, alirudi?|Ndiyo, alirudi.|Basi.",
        "वह आया।|फिर गया॥|क्यों?|पता नहीं.|ठीक है।",
        "ସେ ଆସିଲେ।|ସେ ଗଲେ।",
        "وہ آیا۔|کیا وہ گیا؟|ہاں۔",
        "እሱ መጣ።|ማን ሄደ፧|እሷ ሄደች፡፡|አዎ።",
        "គាត់មក។|គាត់ទៅ។",
        "သူလာသည်။|သူသွားသည်။",
        "བོད་ཡིག།|ཡང་འོང༎|དེ་ནས།",
        "Նա եկավ։|Նա գնաց:|Այո։",
        "Он пришёл.|Она ушла.|Да.",
        "Ήρθε.|Έφυγε.",
        "ᐅᓪᓗᒥ᙮|ᖃᐅᑉᐸᑦ᙮",
        "ߊ߬ ߣߊ߬ ߘߊ߫߹|ߊ߬ ߕߊ߯ ߘߊ߫.",
        "ᱦᱮᱡ ᱮᱱᱟ᱾|ᱪᱟᱞᱟᱣ ᱮᱱᱟ᱾",
        "Anh ấy ở đó ạ.|Vâng.|Tôi đi.",
    ],
)
def test_the_marks_of_every_script_end_its_sentences(sentences: str) -> None:
    assert parts(sentences.replace("|", " ")) == sentences.split("|")


@pytest.mark.parametrize(
    "sentences",
    [
        "他来了。|他说：“再见。”|我们走吧！|好？",
        "来た。|行った！",
        "وہ آیا۔|وہ گیا۔",
        "वह आया।|वह गया।",
        "သူလာသည်။|သူသွားသည်။",
    ],
)
def test_marks_that_end_sentences_alone_need_no_space_behind_them(sentences: str) -> None:
    assert parts(sentences.replace("|", "")) == sentences.split("|")


@pytest.mark.parametrize(
    "sentences",
    [
        'Alisema: "Nakuja."|Kisha akaja.',
        "Hän kysyi: ”Tuletko?”|”En”, hän sanoi.",
        "(Ne lähtivät.)|Sitten tuli yö.",
        "Asia on tutkittu.[12]|Se on selvä.",
        "Se oli vuonna 1999.|Hän tuli.",
        "Puhelin on 040 123 45 67.|Soita pian.",
        "¿Vienes?|¡Claro!|«Sí.»|Ya.",
    ],
)
def test_quotes_brackets_and_notes_stay_with_their_sentence(sentences: str) -> None:
    assert parts(sentences.replace("|", " ")) == sentences.split("|")


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Juma na Prof. Otieno walikutana na Bw. A. B. Musa",
        "Hän tuli 20. Maaliskuuta eli 12.3. Kello 9, esim. Suomeen ja mm. Helsinkiin",
        "Jl. Sudirman No. 5, a.n. Budi, Telp. (021) 555, Rp. 5.000, hal. 7",
        "S.L.P. Dodoma; Ph.D. Otieno; Ludvig XIV. Suuri",
        "ул. Ленина, проф. Иванов, г. Москва, А. С. Пушкин",
        "डॉ. राम और ए. पी. जे. अब्दुल",
        "டாக்டர். ராமன், எம். ஜி. ராமச்சந்திரன், ரூ. 50",
        "د. محمد",
        "พล.อ. ประยุทธ์ และ รมว. พม. ชื่นชม (รมว.พม.) ได้",
        "3.14 tai 1,5; www.mfano.co.tz/?q=1. au hapa",
        'Hän sanoi: "Tule!" ja lähti. vaan ei... palannut',
        "वह... चला गया",
        "Je...Ndiyo?Hapana!Sawa",
        "॥१॥२॥",
        "သူလာ၊ သူသွား",
        "Wait... what, really?! no",
        "",
    ],
)
def test_what_may_be_an_abbreviation_an_initial_or_a_number_ends_no_sentence(text: str) -> None:
    assert parts(text) == [text]


def test_clauses_of_thai_and_lao_are_parted_where_no_name_is() -> None:
    text = "ทั้งนี้กระทรวงได้ดำเนินการแล้ว นายสมชาย ใจดี และคนต่าง ๆ ในปี 2563 งบประมาณ 120 ล้านบาทต่อปีทั้งหมด โดยมีผลตั้งแต่วันนี้เป็นต้นไป"
    assert parts(text, clause_borders) == [
        "ทั้งนี้กระทรวงได้ดำเนินการแล้ว นายสมชาย ใจดี และคนต่าง ๆ ในปี 2563 งบประมาณ 120 ล้านบาทต่อปีทั้งหมด",
        "โดยมีผลตั้งแต่วันนี้เป็นต้นไป",
    ]
    assert parts(text, phrase_borders) == [
        "ทั้งนี้กระทรวงได้ดำเนินการแล้ว",
        "นายสมชาย",
        "ใจดี",
        "และคนต่าง ๆ",
        "ในปี 2563 งบประมาณ 120 ล้านบาทต่อปีทั้งหมด",
        "โดยมีผลตั้งแต่วันนี้เป็นต้นไป",
    ]
    lao = "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ ສິດທິເສລີພາບແລະຄວາມສະເໝີພາບ"
    assert parts(lao, clause_borders) == lao.split(" ")
    assert parts("Watu wote wamezaliwa huru", phrase_borders) == ["Watu wote wamezaliwa huru"]


@pytest.mark.parametrize("borders", [sentence_borders, clause_borders, phrase_borders])
@pytest.mark.parametrize(
    "unit",
    [". ", "!", "?)", "!'", ". A", "a. ", "। ", "|", "፡", "[1]", ".[1]", ":", '"', "(", ". (", ".“", "ก ", "ก  ", " "],
)
def test_a_long_run_takes_no_long_time(borders: Callable[[str, int, int], Iterator[object]], unit: str) -> None:
    text = unit * (100_000 // len(unit))
    started = time.process_time()
    list(borders(text, 0, len(text)))
    assert time.process_time() - started < 1
