"""Telephone numbers in a line of text: by how they are written, or by the word for telephone beside them.

The country of a text is not known (a language is written in many, and of others' numbers), so no country's numbering plan
is asked: the library that knows them all, phonenumbers 9.0.43, reached a precision and a recall of 0.90 on the written
lines of benchmarks/personal_data.jsonl when it was told every line's country. What looks like a date, an hour, a sum, a
score, a book's or an account's number is none.
"""

from __future__ import annotations

import re

from xinstr_core.corpus.telephone_words import ACCOUNT_WORDS, CURRENCY_WORDS, TELEPHONE_WORDS

# ITU-T E.164: at most 15. Of eight digits are dates, a zero and seven digits are the shortest numbers that are told from
# them; beside the word for telephone seven are enough (Iceland, Turkey's 444, a North American number without its area).
_LEAST_DIGITS, _LEAST_NAMED_DIGITS, _MOST_DIGITS = 8, 7, 15
_NORTH_AMERICAN_DIGITS = 11  # of country codes 1 and 7, with the code
_LEAST_UNSIGNED_DIGITS = 11  # 255-22-2555014; shorter ones may be any register's number
_PAIRED_DIGITS = (8, 10)  # 55 50 14 23, 01 55 50 14 23; longer rows are pages
_GROUPED_DIGITS = (9, 12)  # 943 550 142; 12 345 678 is a sum
_WINDOW = 24  # characters on either side in which a word says what a number is

# Nothing of a word or a longer number stands before: letters of scripts that are written without spaces, and the dot of
# an abbreviation, may. Nothing of them, no decimals, no year of a case and no suffix of a file stands behind.
_START = r"(?<![0-9A-Za-z\u00c0-\u024f_,/=-])(?<![\d\s.]\.)"
_END = r"(?![0-9A-Za-z\u00c0-\u024f_%]|[.,]\d|/\d{3}|\.[a-z][a-z0-9]{1,4}\b)"
# As numbers are written that need no word beside them.
_PLAIN = re.compile(
    _START
    + r"(?:(?:\+ ?|00|\(\+)\d{1,3}\)?[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,3}"  # with a country's code
    r"|\((?:0\d{0,4}|\d{3})\)[ .-]?\d{2,4}(?:[ .-]?\d{2,4}){1,3}"  # with an area code in brackets
    r"|0 ?\(\d{2,4}\)[ .-]?\d{2,4}(?:[ .-]?\d{2,4}){1,3}"
    r"|0[ -]\d{4}[ -]\d{4}"  # with a leading zero, in groups
    r"|0[ -]\d{3}[ -]\d{3}[ -]\d\d ?\d\d"
    r"|0\d{2}[ -]\d[ -]\d{3}[ -]\d{3,4}"
    r"|0\d{1,4}(?:[ .-]\d{2,4}){1,2}[ .-]\d{2,5}"
    r"|0\d{1,4}[ -]\d{5,8}"
    r"|0\d{1,3}/[1-9]\d\d[ -]\d{3,4}"
    r"|0\d\d ?/ ?[1-9]\d{6,7}|0\d{3,4} ?/ ?[1-9]\d{5,6}"
    r"|\d{2,3}-\d{1,3}-\d{6,8}"  # with a country's code and no sign
    r"|0[ -]?[89]\d?0(?:[ -]\d{1,5}){2,4}"  # free of charge
    r"|1[89]00(?:[ .-]\d{3,4}){2}"
    r"|0\d{9,11}"  # with a leading zero, in one run
    r"|(?:1([ .-]))?[2-9]\d\d([.-])[2-9]\d\d\2\d{4}"  # North America
    r"|8[ -]?\(?\d{3}\)?[ -]\d{3}[ -]\d\d[ -]\d\d)"  # Russia, Kazakhstan
     + _END
)
# Mobile numbers of India and Nepal, which have no leading zero: in lines with letters of South Asia.
_MOBILE = re.compile(_START + r"(?:[6-9]\d{9}|[6-9]\d{1,4}(?:[ -]\d{3,6}){1,2})" + _END)
_MOBILE_DIGITS = 10
_SOUTH_ASIAN = re.compile("[\u0900-\u0dff]")
_NUMBER = re.compile(rf"(?:(?<=wa\.me/)|{_START})" r"(?:\+|\()?\d+(?:(?:[ .()-]{1,3}|/)\d+)*" + _END)
_TELEPHONE = re.compile(TELEPHONE_WORDS, re.IGNORECASE)
_TELEPHONE_BESIDE = re.compile(rf"{TELEPHONE_WORDS}\w*\W*\Z", re.IGNORECASE)
_LATIN = re.compile(r"[a-z\u00c0-\u024f]", re.IGNORECASE)
_ACCOUNT = re.compile(ACCOUNT_WORDS, re.IGNORECASE)
_IBAN = re.compile(r"[A-Z]{2}\d\d ?(?:\d{4} ?)*\Z")
_CURRENCY = re.compile(rf"[ ]?(?:[%\u20a0-\u20cf€$£]|(?:{CURRENCY_WORDS}))", re.IGNORECASE)

# What is tokenised is put together: "040 - 555", "028 . 3555", "+36( 0 )1". An Urdu full stop between digits is a dash.
_LOOSE = re.compile(r"(?<=\d) {0,2}([-\u06d4]) {0,2}(?=[\d(])|(?<=\d) (\.) (?=\d)|(\() ?(\d{1,4}) ?(\)) ?")
_MAY_BE_LOOSE = re.compile(r"\d(?: [-.)]|[-(\u06d4])|\( ?\d")

_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[0-2])", r"(?:0?[1-9]|1[0-3])", r"[12]\d{3}"  # of any calendar
_DATE = rf"(?:{_DAY}([./-]){_MONTH}\1\d{{4}}|{_MONTH}([./-]){_DAY}\2\d{{4}}|{_YEAR}([./-]){_MONTH}\3{_DAY})"
# Dates with the day that they began and with what follows; hours, days of a month, coordinates, any row of decimals;
# years; numbers that are all filled up with zeros.
_ROW = re.compile(
    rf"(?:\d{{1,2}}(?:\.\d{{1,2}})?\.? ?- ?)?{_DATE}(?:[ .-].*)?"
    r"|\d+\.\d+(?:[ /-]+\d+\.\d+)+|(?:\d{1,2}|[1-9]\d\d)\.\d{5,}"
    rf"|(?:[1-9]\d?[ .-]+)?{_YEAR}(?:[ /.()-]+{_YEAR})*|0 (?:1\d|20)\d\d-(?:1\d|20)\d\d"
    r"|0\d{0,3}(?:[ -]0\d{0,3})+"
)
_CLOCK = re.compile(r"[0-2]\d[0-5][05](?:[ -]+[0-2]\d[0-5][05])+")
_PAIRS = re.compile(rf"(?:\d\d[ -])+(?:\d\d|{_YEAR})")  # pages, scores; but also numbers of French-speaking countries
_RANGE = re.compile(r"-\d{1,2}\Z")  # of lines: 02-555-0142-5 is four numbers
_ROUND = re.compile(r"(?:\D|\A\+?\d*0)0{3}\Z")
_SUM = re.compile(r"\+? ?\d{1,3}([ .])\d{3}(?:\1\d{3})*")
_HAS_CODE = re.compile(r"\(?\+|00|\d{2,3}-\d{1,3}-\d{6}")
# ITU-T E.164, the list of assigned country codes; those of three digits by their first two.
_COUNTRY_CODE = re.compile(
    r"[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|2[1-69]\d|3[578]\d|42\d|5[09]\d|6[7-9]\d|8[0578]\d|9[679]\d"
)


def has_telephone_number(text: str) -> bool:
    """Whether a number of the text is a telephone number. Digits and signs are ASCII; linear in the length of the text."""
    if _MAY_BE_LOOSE.search(text):
        text = _LOOSE.sub(lambda found: "".join(part or "" for part in found.groups()).replace("\u06d4", "-"), text)
    return (
        any(_is_plain(found) for found in _PLAIN.finditer(text))
        or bool(_SOUTH_ASIAN.search(text) and any(_is_mobile(found) for found in _MOBILE.finditer(text)))
        or any(_is_named(found) for found in _NUMBER.finditer(text))
    )


def _is_plain(found: re.Match[str]) -> bool:
    number = found.group()
    return (
        _LEAST_DIGITS <= len(_digits(number)) <= _MOST_DIGITS
        and not (_is_filler(number) or _is_row(number) or _PAIRS.fullmatch(number))
        and (not _HAS_CODE.match(number) or _is_international(found))
        and not _is_account(found)
    )


def _is_international(found: re.Match[str]) -> bool:
    """A number with a country's code that is no sum with its sign: +255 712 345 678, and not +15 750 000 or +90.512.345 TL."""
    number = found.group().lstrip("(+").removeprefix("00").strip()
    first, digits = re.split(r"\D", number, maxsplit=1)[0], _digits(number)
    code = _COUNTRY_CODE.fullmatch(first) if len(first) <= 3 else _COUNTRY_CODE.match(first)
    if not code or _is_sum(found):
        return False
    if code.group() in ("1", "7"):
        return len(digits) == _NORTH_AMERICAN_DIGITS
    if found.group()[0].isdigit() and not found.group().startswith("00"):
        return len(digits) >= _LEAST_UNSIGNED_DIGITS
    return len(digits) > _LEAST_DIGITS or not _SUM.fullmatch(number)


def _is_mobile(found: re.Match[str]) -> bool:
    digits = _digits(found.group())
    return len(digits) == _MOBILE_DIGITS and not (_is_sum(found) or _is_filler(digits) or _is_account(found))


def _is_named(found: re.Match[str]) -> bool:
    """A number in whatever groups, with the word for telephone before or behind it.

    In pairs or thousands it has to stand right beside the word. One run of digits before a word may be a count of it,
    but in the languages of other scripts whose verbs stand at the end: 9855501423 par call karen.
    """
    number = found.group()
    if len(_digits(number)) < _LEAST_NAMED_DIGITS or _is_row(number) or _is_filler(number):
        return False
    if _is_sum(found) or _is_account(found):
        return False
    before = _before(found)
    if _PAIRS.fullmatch(number) or _SUM.fullmatch(number):
        enough = _PAIRED_DIGITS if _PAIRS.fullmatch(number) else _GROUPED_DIGITS
        return len(_digits(number)) in enough and bool(_TELEPHONE_BESIDE.search(before))
    behind = _TELEPHONE.search(_behind(found))
    return bool(_TELEPHONE.search(before)) or bool(behind and not (number.isdigit() and _LATIN.match(behind.group())))


def _is_row(number: str) -> bool:
    """Dates, hours, years, decimals; of hours without a dot, 0800-1600, what goes on through the day: 0800 0555 1420 is called."""
    hours = _CLOCK.fullmatch(number)
    return bool(_ROW.fullmatch(number.lstrip("+"))) or bool(
        hours and sorted(groups := re.findall(r"\d+", number)) == groups
    )


def _is_sum(found: re.Match[str]) -> bool:
    return bool(_ROUND.search(found.group())) or bool(_CURRENCY.match(found.string, found.end()))


def _is_account(found: re.Match[str]) -> bool:
    """Whether the words before a number say that it is of a book, an account or a bill: in ISBN-10 is no number of its own."""
    start = max(0, found.start() - _WINDOW)
    before = re.split(r"\d{3,}|\n", found.string[start : found.start()])[-1]
    return bool(_ACCOUNT.search(before) and not _TELEPHONE.search(before)) or bool(
        _IBAN.search(found.string, start, found.start())
    )


def _is_filler(number: str) -> bool:
    """088-888-8888 was masked by somebody, and so was 02-222-2222-3."""
    return len(set(_digits(_RANGE.sub("", number)).removeprefix("0"))) == 1


def _before(found: re.Match[str]) -> str:
    return re.split(r"[\d\n]", found.string[max(0, found.start() - _WINDOW) : found.start()])[-1]


def _behind(found: re.Match[str]) -> str:
    return re.split(r"[\d\n]", found.string[found.end() : found.end() + _WINDOW])[0]


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))
