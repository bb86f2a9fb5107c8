"""Pages whose bytes say nothing of their encoding, or something that is not true."""

from __future__ import annotations

import codecs

import pytest

from xinstr_core.corpus.encodings import Undecodable, decoded, letters_of

TEXTS = {
    "fi": "Työ muodostaa identiteettimme ytimen. Yhdeksän äänestäjää säästää pitkään, eikä yö jää hämäräksi. Šakki on peli.",
    "hr": "Članak o državi i školama: učenici žele više, što je i očekivano. Đaci će češće pješačiti.",
    "cs": "Příliš žluťoučký kůň úpěl ďábelské ódy. Šťastné dítě běželo přes dvůr k řece.",
    "lv": "Glāžšķūņa rūķīši dzērumā čiepj Baha koncertflīģeļu vākus. Ģimene dzīvo Rīgā.",
    "tr": "Şişli'de çocuklar öğle yemeğini bahçede yedi. Işıklar söndü, İstanbul'un üstü ağardı.",
    "ro": "În pădure, țăranii așteptau să crească ghiocei și să se încălzească vremea.",
    "mt": "Għandna ħafna xogħol x'nagħmlu. Ġużeppi żar il-ħanut ta' ċensu.",
    "ru": "Все люди рождаются свободными и равными. Они наделены разумом и совестью. Иван живёт в Москве.",
    "uk": "Всі люди народжуються вільними і рівними. Її ґанок біля Києва. Єва любить їжу.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι. Η Άννα ζει στην Αθήνα.",
    "he": "כל בני אדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "ar": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق، وقد وهبوا عقلا وضميرا.",
    "fa": "تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت و حقوق با هم برابرند. گل چیست؟ پژوهش",
    "ur": "تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں۔".replace("۔", "."),
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "sw": "Watu wote “wamezaliwa huru”, hadhi na haki zao ni sawa – kwa mujibu wa sheria’s.",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利について平等である。",
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。",
    "zh-hant": "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心。",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
}
PAGES = {
    "fi": ["cp1252", "iso8859_15"], "hr": ["cp1250", "iso8859_2"], "cs": ["cp1250", "iso8859_2"], "lv": ["cp1257", "iso8859_13"],
    "tr": ["cp1254"], "ro": ["iso8859_16"], "mt": ["iso8859_3"], "ru": ["cp1251", "koi8_r", "iso8859_5", "cp866", "mac_cyrillic"],
    "uk": ["cp1251", "koi8_u", "cp1125"], "el": ["iso8859_7", "cp1253"], "he": ["cp1255"], "ar": ["cp1256", "iso8859_6"],
    "fa": ["cp1256"], "ur": ["cp1256"], "th": ["cp874"], "sw": ["cp1252"], "ja": ["cp932", "euc_jp"], "zh": ["gb18030"],
    "zh-hant": ["big5hkscs"], "ko": ["cp949"],
}  # fmt: skip
MARKUP = "<html><head><title>x</title><script>{script}</script>{head}</head><body><p>{text}</p></body></html>"


def page(text: str, head: str = "") -> str:
    """Much markup and little text, as pages are."""
    return MARKUP.format(script="var a = 1; " * 500, head=head, text=text)


@pytest.mark.parametrize(("tag", "encoding"), [(tag, one) for tag, pages in PAGES.items() for one in pages])
def test_a_page_that_names_no_encoding_is_read_in_the_one_that_gives_the_languages_letters(
    tag: str, encoding: str
) -> None:
    written = page(TEXTS[tag].encode(encoding, "ignore").decode(encoding))
    assert decoded(written.encode(encoding), letters_of(tag)) == written


@pytest.mark.parametrize("named", ["latin1-fi", "x-unknown", "", "hex", "rot13", "idna", "ÿ", "\x00"])
def test_a_name_that_no_encoding_has_is_no_declaration(named: str) -> None:
    written = page(TEXTS["fi"])
    assert decoded(written.encode("cp1252"), letters_of("fi"), named) == written


@pytest.mark.parametrize(
    "head",
    [
        '<meta charset="iso-8859-2">',
        "<META CHARSET=iso-8859-2 />",
        '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">',
        '<!-- <meta charset="koi8-r"> --><meta charset="iso-8859-2">',
    ],
)
def test_what_a_page_names_itself_is_believed(head: str) -> None:
    written = MARKUP.format(script="", head=head, text="“” š ž Ž")  # too little to tell by letters
    content = written.replace("“”", "").encode("iso8859_2")
    assert decoded(content, letters_of("hr")) == written.replace("“”", "")


def test_what_a_server_names_comes_before_what_the_page_names() -> None:
    written = page("ąę śćł", '<meta charset="windows-1250">')
    assert decoded(written.encode("iso8859_2"), letters_of("pl"), "ISO-8859-2") == written


@pytest.mark.parametrize("server", ["iso-8859-1", "windows-1251", "us-ascii", "shift_jis", "utf-16"])
@pytest.mark.parametrize("tag", ["fi", "hi", "th"])
def test_valid_utf_8_is_read_as_such_whatever_is_declared(server: str, tag: str) -> None:
    written = page(TEXTS.get(tag, "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।"))
    assert decoded(written.encode(), letters_of(tag), server) == written


@pytest.mark.parametrize(
    ("tag", "server", "encoding"),
    [
        ("hr", "iso-8859-1", "cp1250"),
        ("th", "iso-8859-1", "cp874"),
        ("fi", "utf-8", "cp1252"),
    ],
)
def test_a_declaration_that_the_letters_disprove_is_not_believed(tag: str, server: str, encoding: str) -> None:
    written = page(TEXTS[tag])
    assert decoded(written.encode(encoding), letters_of(tag), server) == written


def test_a_page_in_another_language_keeps_the_encoding_that_it_declares() -> None:
    written = page("L'été dernier, les élèves français ont préféré la forêt à la mer, où ça brûlait déjà.")
    assert decoded(written.encode("cp1252"), letters_of("hr"), "windows-1252") == written
    assert decoded(written.encode("cp1252"), letters_of("ru"), "windows-1252") == written


def test_names_mean_what_browsers_mean_by_them() -> None:
    written = page("“Se on näin” – hän sanoi…")
    assert decoded(written.encode("cp1252"), letters_of("fi"), "iso-8859-1") == written
    thai = page(TEXTS["th"])
    assert decoded(thai.encode("cp874"), letters_of("th"), "TIS-620") == thai
    assert decoded(thai.encode("cp874"), letters_of("th"), "windows-874") == thai


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_byte_order_mark_says_it_all(mark: bytes) -> None:
    encoding = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}[mark]
    assert decoded(mark + TEXTS["fi"].encode(encoding), letters_of("fi"), "koi8-r") == TEXTS["fi"]


@pytest.mark.parametrize(
    ("tag", "encoding", "server"),
    [
        ("ja", "iso2022_jp", "iso-2022-jp"),
        ("ja", "iso2022_jp", ""),
        ("sw", "iso2022_jp", ""),
        ("ko", "iso2022_kr", ""),
        ("ko", "iso2022_kr", "iso-2022-kr"),
        ("zh", "hz", ""),
        ("zh", "hz", "hz-gb-2312"),
    ],
)
def test_encodings_that_shift_are_read_whether_they_are_declared_or_not(tag: str, encoding: str, server: str) -> None:
    written = page(TEXTS["ja" if encoding == "iso2022_jp" else tag])
    assert decoded(written.encode(encoding), letters_of(tag), server) == written


def test_what_shifts_otherwise_than_it_should_is_refused() -> None:
    found = decoded(TEXTS["ja"].encode("iso2022_jp").replace(b"$9", b"~~"), letters_of("ja"))
    assert isinstance(found, Undecodable)
    assert found.said.startswith("as iso2022_jp")


def test_signs_of_ascii_and_colours_of_a_terminal_shift_nothing() -> None:
    for tag, text in (("sw", "a ~{!!~} b"), ("zh", "a ~{ b }"), ("ja", "\x1b[31mred\x1b[0m")):
        assert decoded(text.encode(), letters_of(tag)) == text


@pytest.mark.parametrize(
    ("tag", "script", "encoding"),
    [
        ("zh-tw", "", "big5hkscs"),
        ("zh-hk", "", "big5hkscs"),
        ("zh", "Hant", "big5hkscs"),
        ("nan", "Hant", "big5hkscs"),
        ("zh-tw", "", "gb18030"),
    ],
)
def test_what_is_written_in_traditional_characters_is_judged_by_them(tag: str, script: str, encoding: str) -> None:
    written = page(TEXTS["zh-hant"])
    assert decoded(written.encode(encoding), letters_of(tag, script=script)) == written


def test_the_letters_of_a_language_are_those_of_its_script() -> None:
    assert letters_of("sr", script="Latn").own == letters_of("sr-latn").own != letters_of("sr").own
    assert letters_of("sr", script="Cyrl") == letters_of("sr")
    assert letters_of("fi", script="Latn") == letters_of("fi")
    assert letters_of("zh-cn", script="Hans") == letters_of("zh")


PLAIN = {
    "hu": "A macska alszik a kertben, mert a kutya nem hagyja abban a munkaj. ", "el": "Η γάτα κοιμάται στον κήπο. ",
    "it": "Il gatto nero dorme nel giardino mentre il cane gioca con la palla. ", "nl": "De kat slaapt in de tuin. ",
    "mg": "Ny saka matory ao anatiny raha milalao baolina ny alika. ", "gl": "O gato negro dorme mentres o can xoga. ",
    "da": "Katten sover i haven mens hunden leger med bolden. ", "sw": "Paka amelala bustanini na mbwa anacheza. ",
    "uk": "Чорна котяча тварина спала на даху. ",
}  # fmt: skip
MARKED = {
    "hu": "„Hűvös őszi eső” – mondta…", "el": "«Όλοι οι άνθρωποι είναι ίσοι» – είπε ο Άγγελος…", "it": "La città è più libera, perché così può.",
    "nl": "België en één geïnteresseerde coördinator", "mg": "Ny fôkô sy ny fitôrana", "gl": "A nación ten mañá unha lingua: aquí está o país.",
    "da": "Så går Søren på gaden og køber æbler, øl og brød.", "sw": "Alisema “wamezaliwa huru” na “sawa kabisa”.",
    "uk": "Її ґанок біля Києва, Єва любить їжу.",
}  # fmt: skip


@pytest.mark.parametrize(
    ("tag", "encoding", "is_read"),
    [
        ("hu", "cp1250", True), ("hu", "cp852", False), ("el", "cp1253", True), ("el", "mac_greek", False), ("it", "cp1252", True),
        ("it", "cp850", False), ("it", "mac_roman", False), ("nl", "cp1252", True), ("nl", "cp850", False), ("nl", "mac_roman", False),
        ("mg", "cp1252", True), ("mg", "cp850", False), ("gl", "cp1252", True), ("gl", "cp850", False), ("gl", "mac_roman", False),
        ("da", "cp1252", True), ("da", "cp850", False), ("sw", "cp1252", True), ("sw", "mac_roman", False), ("uk", "cp1125", True),
        ("uk", "mac_cyrillic", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("times", [2, 20, 60])
def test_a_few_letters_in_much_plain_text_are_read_rightly_or_not_at_all(
    tag: str, encoding: str, is_read: bool, times: int
) -> None:
    written = (MARKED[tag] + " " + PLAIN[tag] * times).encode(encoding, "ignore").decode(encoding)
    found = decoded(written.encode(encoding), letters_of(tag))
    assert found == written if is_read else isinstance(found, Undecodable)


@pytest.mark.parametrize("tag", ["fi", "sw"])
def test_an_ellipsis_without_its_space_condemns_no_page(tag: str) -> None:
    written = page(f"{TEXTS[tag]} Ndiyo…hapana. {PLAIN['sw'] * 5}")
    assert decoded(written.encode("cp1252"), letters_of(tag)) == written


@pytest.mark.parametrize(
    ("tag", "encoding"),
    [("fi", "mac_roman"), ("fi", "cp850"), ("is", "cp850"), ("tr", "mac_turkish"), ("hi", "utf_8_of_nothing")],
)
def test_bytes_of_which_no_encoding_gives_the_letters_are_refused_with_what_was_found(tag: str, encoding: str) -> None:
    text = TEXTS.get(tag, "Það er gott að vera úti í góðu veðri þegar sólin skín á okkur öll.")
    content = (
        page(text).encode(encoding, "ignore") if tag != "hi" else page("\xe7\xe8\xe9\xea\xeb " * 40).encode("latin-1")
    )
    found = decoded(content, letters_of(tag))
    assert isinstance(found, Undecodable)
    assert f"letters that are not of {tag}" in found.said
    assert 0 < len(found.excerpt) <= 200


def test_a_utf_8_page_with_a_broken_character_shows_that_it_lost_one() -> None:
    written = page(TEXTS["fi"] * 3)
    content = written.encode().replace(b"ytimen", b"ytim\xc3n", 1)
    assert decoded(content, letters_of("fi")) == written.replace("ytimen", "ytim\ufffdn", 1)


def test_a_language_that_is_not_known_has_the_letters_of_its_own_words() -> None:
    text = "Võro kiil om vana kiil. Tä om olnuq pikkä aigo võrokõisi kiil, a no õpõtas tedä ka koolin."
    content = page(text).encode("cp1257")
    assert decoded(content, letters_of("vro", ["võro", "tä", "õpõtas"])) == page(text)
    assert isinstance(decoded(page("Õõ ää " * 50).encode("cp1257"), letters_of("xxx")), Undecodable)


def test_a_name_with_a_foreign_letter_condemns_no_page() -> None:
    written = page("Watu wote wamezaliwa huru, hadhi na haki zao ni sawa, alisema André wa Côte d'Ivoire. " * 8)
    assert decoded(written.encode("cp1252"), letters_of("sw")) == written
