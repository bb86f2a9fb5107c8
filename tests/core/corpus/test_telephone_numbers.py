"""Telephone numbers as many countries write them, and what looks like one: a line a kind, in the digits of many scripts."""

from __future__ import annotations

import pytest

from xinstr_core.corpus.personal_data import personal_data


@pytest.mark.parametrize(
    "text",
    [
        "โทร.02-555-0142", "โทร.0-2555-0142 ต่อ 12", "Tel.021-5550142", "puh.09-5550142", "मो.9855501423", "মোবা.০১৭১১৫৫৫০১৪", "тел.0312 55 01 42",
        "เบอร์0815550142ค่ะ", "หมายเลขโทรศัพท์๐๒-๕๕๕-๐๑๔๒", "ስልክ፡0911550142", "SĐT:0903555014", "HP:081255501423", "Tel:02125550142",
    ],
)  # fmt: skip
def test_a_number_may_be_glued_to_the_word_before_it(text: str) -> None:
    assert personal_data(text) == "phone"


@pytest.mark.parametrize(
    "text",
    [
        "दूरभाष नम्बर 9855501423 पर सम्पर्क करें।", "सम्पर्क मो. 9855501423 मा गर्नुहोस्।", "थप जानकारी 9841555014 मा", "संपर्क: ९८५५५ ०१४२३", "98305 55014 কলকাতা",
        "98475-55014 എന്ന നമ്പർ", "ફોન ૯૮૨૫૫૫૫૦૧૪", "ଯୋଗାଯୋଗ: ୯୮୬୧୫୫୫୦୧୪", "रमेश: 9841-555014", "9855501423 پر ربط کریں", "27765774 پر ربط کریں",
    ],
)  # fmt: skip
def test_mobile_numbers_of_south_asia_have_no_leading_zero(text: str) -> None:
    assert personal_data(text) == "phone"


@pytest.mark.parametrize(
    "text",
    [
        "859-555-0142", "859.555.0142", "(859) 555-0142", "1-859-555-0142", "+1 859 555 0142", "call 555-0142", "phone 859 555 0142", "0800 555 111", "08000 555 111",
        "0800-55501", "0 800 555 01 42", "0-800-1-555-014", "0850 555 0 142", "1800-555-0142", "1800 180 5551", "hotline 1900 5550", "444 0 142 çağrı merkezi",
        "0 (312) 555 01 42", "0 312 555 0142", "020 7 555 014", "040 5550142", "0812 555 01423", "(0274) 555014", "8 (727) 255-01-42", "Tel.: 943 550 142",
        "943 55 01 42 telefonoan", "Sími 555 0142", "Tlf. 55 50 14 23", "Утас: 9955-0142", "0712/555-014", "simu 0712/555014", "(+62) 812 5550 1423", "977-1-4255014",
        "تلفن: ۵۵۵۵۰۱۴۲-۰۲۱", "ٹیلی فون:۰۵۱۔۹۲۵۵۵۰۱۴", "\u202a+98 21 5555 0142\u202c", "Call Center กรมบัญชีกลาง 02 270 6400",
    ],
)  # fmt: skip
def test_numbers_are_found_in_the_groups_of_their_countries(text: str) -> None:
    assert personal_data(text) == "phone"


@pytest.mark.parametrize(
    "text",
    [
        "Pigia 255712345678", "Tupigie 255712345678", "Nipigie leo: 712345678", "手机号13800138000", "手機：13800138000", "휴대폰01055501423", "Tél. 01 55 50 14 23",
        "Téléphone 01 55 50 14 23", "Tél. 06.12.34.56.78", "0712/345678", "0712 / 345678", "030 / 5550142", "05551/550142",
    ],
)  # fmt: skip
def test_verbs_of_calling_and_slashes_behind_the_area_code_tell_numbers(text: str) -> None:
    assert personal_data(text) == "phone"


@pytest.mark.parametrize(
    "text",
    [
        "UPC 036000291452", "UPC: 036000291452", "GTIN 04006381333931", "Barkod 036000291452", "msimbo pau 036000291452", "Acc. no. 0112345678", "Walipiga kura 12345678",
        "Pigia kura 1234567", "Bil. 0712/2019", "012/123456", "kumbukumbu 0712/34567",
    ],
)  # fmt: skip
def test_numbers_of_goods_votes_and_files_are_no_numbers(text: str) -> None:
    assert personal_data(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "puh : +36( 0 )1 555 0142", "( 021 ) 555 - 0142", "040 - 555 0142", "+ 255 22 255 5014", "tel . : 028 . 3555 . 0142", "โทร 02-5765- 500", "فون 040 - 66838383",
    ],
)  # fmt: skip
def test_tokenised_numbers_are_found(text: str) -> None:
    assert personal_data(text) == "phone"


@pytest.mark.parametrize(
    "text",
    [
        "klo 08.00-16.00", "เวลา ๐๘.๓๐-๑๖.๓๐ น.", "সময় ০৮.৩০ - ১২.৩০ এবং ১৩.০০ - ১৭.০০", "समय ०९.००–१७.००", "سروس ۰۹.۰۰-۱۷.۰۰", "૦૯.૦૦-૧૮.૦૦", "౦౮.౦౦-౧౬.౦౦",
        "೦೮.೦೦-೧೬.೦೦", "൦൮.൦൦-൧൬.൦൦", "୦୮.୦୦-୧୪.୦୦", "੦੮.੦੦-੧੬.੦੦", "໐໘.໐໐-໑໖.໐໐", "០៨.០០-១៧.០០", "၀၈.၃၀-၁၆.၃၀", "٠٨.٣٠-١٤.٣٠", "06.15 07.15 08.15",
        "0800-1600, 0900 1000 1100 1200", "puhelinaika 09.00-10.30", "08.30-12.30 / 13.30-17.30", "โทร เวลา 08.30-16.30",
    ],
)  # fmt: skip
def test_opening_hours_and_timetables_are_no_numbers(text: str) -> None:
    assert personal_data(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "02.06-15.08", "28.06.-04.07.2010", "20.4.-27.4.2010", "03.11-17.11 นี้", "05-09-1442", "۰۵-۰۹-۱۴۴۲", "۱۲۔۰۳۔۱۴۴۵", "12-05-1399 و 15-06-1399", "1399-05-12",
        "۱۴۰۲/۰۵/۱۲ تلفن نصب شد", "०५-०९-२०७८", "05-12-2563 ถึง 07-12-2563", "05-09-5784", "01.02.2024-15.03.2024", "05-09-42 06-10-43", "Soita 2019-2020 ja 12.05.2019",
        "0 1455-1536", "Simu 12.05.2019",
    ],
)  # fmt: skip
def test_day_ranges_and_dates_of_any_calendar_are_no_numbers(text: str) -> None:
    assert personal_data(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "+15 750 000 euroa", "+15.750.000 TL", "+12.500.000.000 đồng", "+84.512.345.678 đồng", "+2 50 00 000", "+15750000", "+66 500 000 บาท", "+१५.७५०.००० रुपये", "+7 550 000",
        "+255 500 000", "+36.8219 -01.2921", "योजना पर 9855000000", "9855501423 रुपये", "simu 1 250 000", "puhelimia 7 000 000", "12.000.000 telefon", "2500450 phones",
        "Eneo 06.2088 106.8456", "01.2921 036.8219", "25-20 22-25 06-04 03-06", "001-010, 011-020", "0.0123-0.0456",
    ],
)  # fmt: skip
def test_signed_sums_counts_coordinates_and_scores_are_no_numbers(text: str) -> None:
    assert personal_data(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "0401234567.pdf", "IMG_20190512_093045.jpg", "lampiran-0212345678.zip", "akaunti namba 0123456789", "rekening 0123456789", "Hesap no 0123456789", "เลขที่บัญชี 0123456789",
        "खाता संख्या 09855501423", "FI21 0800 5600 0007 85", "ISBN 951-0-18435-7", "ISBN-10: 0306406152", "आईएसबीएन 0306406152", "شابک ۰۳۰۶۴۰۶۱۵۲", "CAS 7439-93-2",
        "Invoice 0142-555-014", "v04.12.2019.1", "02.04.1234", "001.002.003", "/status/401234567890123452", "?id=0712345678", "0123/456/2019", "२०७१/०७२-२०७५/०७६",
    ],
)  # fmt: skip
def test_files_accounts_books_versions_and_addresses_of_the_web_are_no_numbers(text: str) -> None:
    assert personal_data(text) is None
