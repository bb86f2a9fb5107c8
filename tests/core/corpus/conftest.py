"""Text from the Universal Declaration of Human Rights, and records judged as the stage judges them."""

from __future__ import annotations

from typing import Any

from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.rows import Document
from xinstr_core.languages import Language
from xinstr_core.settings import CorpusSettings

# A sentence of each language: its script and its text.
SENTENCES = {
    "bn": ("Beng", "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।"),
    "eu": ("Latn", "Gizon-emakume guztiak aske jaiotzen dira, duintasun eta eskubide berberak dituztela."),
    "en": ("Latn", "All human beings are born free and equal in dignity and rights."),
    "fi": ("Latn", "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan."),
    "hi": ("Deva", "उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।"),
    "sw": ("Latn", "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa."),
    "ta": ("Taml", "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்."),
    "th": ("Thai", "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ"),
    "tr": ("Latn", "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar."),
    "ur": ("Arab", "تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں۔"),
    "vi": ("Latn", "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền."),
}
SWAHILI = Language(tag="sw", name="Swahili", script="Latn", licence="CC0-1.0")
WOLOF = Language(tag="wo", name="Wolof", script="Latn")
TEXT = "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa."
SECOND = "Kila mtu ana haki ya kuishi, uhuru na usalama wa nafsi yake."
THIRD = "Hakuna mtu atakayefanywa mtumwa au kuwekwa katika hali ya utumwa."
FINNISH = "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan."
SMALL = CorpusSettings(minimum_characters=20, maximum_characters=70)


def judge(
    *values: dict[str, Any], language: Language = SWAHILI, settings: CorpusSettings = SMALL, **more: Any
) -> list[Document | Reject]:
    one = DocumentFilter(language, settings, **more)
    return [found for n, value in enumerate(values, 1) for found in one.judge(Record(f"sw.jsonl:{n}", value))]


def reasons(found: list[Document | Reject]) -> list[str]:
    return ["kept" if isinstance(one, Document) else one.reason for one in found]
