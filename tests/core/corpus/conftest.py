"""Text from the Universal Declaration of Human Rights and drawn text, and records judged as the stage judges them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from xinstr_core.corpus.assembly import Corpus, assemble
from xinstr_core.corpus.batches import BatchJudge
from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.rows import Document, reject_row
from xinstr_core.files import ShardLog
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
WOLOF = Language(tag="wo", name="Wolof", script="Latn", licence="CC0-1.0")  # which no voter knows
TEXT = "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa."
SECOND = "Kila mtu ana haki ya kuishi, uhuru na usalama wa nafsi yake."
THIRD = "Hakuna mtu atakayefanywa mtumwa au kuwekwa katika hali ya utumwa."
FINNISH = "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan."
SMALL = CorpusSettings(minimum_characters=20, maximum_characters=70)
SETTINGS = CorpusSettings(minimum_characters=60)
DRAW = random.Random(0)
LETTERS = {  # letters and the marks that may follow them
    "Latn": ("bdfghjklmnprstvwzaeiouáéíóú", [""]),
    "Taml": ("கஙசஞடணதநபமயரலவழளறன", ["", "ா", "ி", "ீ", "ு", "ூ", "ெ", "ே", "ை", "்"]),
    "Thai": ("กขคฆงจฉชซญดตถทธนบปผฝพฟภมยรลวศสหอ", ["", "ะ", "า", "ิ", "ี", "ุ", "ู", "่", "้", "ี่", "ู้"]),
}
Assemble = Callable[..., Corpus]


def judge(
    *values: dict[str, Any], language: Language = SWAHILI, settings: CorpusSettings = SMALL, **more: Any
) -> list[Document | Reject]:
    one = DocumentFilter(language, settings, **more)
    return [found for n, value in enumerate(values, 1) for found in one.judge(Record(f"sw.jsonl:{n}", value))]


def as_shown(reject: Document | Reject) -> Reject:
    """A reject as the table shows it."""
    assert isinstance(reject, Reject)
    row = reject_row("sw", reject)
    return Reject(**{name: row[name] for name in vars(reject)})


def reasons(found: list[Document | Reject]) -> list[str]:
    return ["kept" if isinstance(one, Document) else one.reason for one in found]


def drawn(script: str, letters: int, seed: object) -> str:
    """So many letters and marks, with a space after every six in scripts that write spaces."""
    rng = random.Random(f"{script} {seed}")
    bases, marks = LETTERS[script]
    text = ""
    while len(text) < letters:
        text += rng.choice(bases) + rng.choice(marks)
    step = letters if script == "Thai" else 6
    return " ".join(text[start : min(start + step, letters)] for start in range(0, letters, step))


def text(words: int = 40, draw: random.Random = DRAW) -> str:
    letters = ("bdfgjklmnprstwy", "aeiouëó")
    return " ".join("".join(draw.choice(letters[n % 2]) for n in range(draw.randint(3, 7))) for _ in range(words))


TEXTS = [text() for _ in range(40)]


def records(texts: Sequence[str], source: str = "a", start: int = 1) -> list[Record | Reject]:
    return [Record(f"{source}:{n}", {"text": one, "source": source}) for n, one in enumerate(texts, start)]


@pytest.fixture
def build(tmp_path: Path) -> Assemble:
    """Judge records in batches of some size, and assemble them in a folder of their own."""
    numbers = count()

    def built(found: Sequence[Record | Reject], batch: int = 7, settings: CorpusSettings = SETTINGS) -> Corpus:
        folder = tmp_path / str(next(numbers))
        judge = BatchJudge(DocumentFilter(WOLOF, settings), ShardLog(folder / "judged"), ShardLog(folder / "refused"))
        starts = range(0, len(found), batch)
        keys = [judge((number, list(found[start : start + batch]))) for number, start in enumerate(starts)]
        logs = ([log.path(key) for key in keys] for log in (judge.documents, judge.rejects))
        return assemble(*logs, folder, settings)

    return built


def table(corpus: Corpus, name: str) -> pl.DataFrame:
    return pl.read_parquet(corpus.tables[name])


def places(corpus: Corpus, reason: str = "") -> list[str]:
    """Of the kept documents, or of what was rejected for a reason."""
    found = table(corpus, "rejected").filter(reason=reason) if reason else table(corpus, "documents")
    return found["place"].to_list()
