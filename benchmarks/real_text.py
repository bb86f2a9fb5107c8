"""The real corpora of ../shared/data, for the benchmarks of the corpus stage."""

from __future__ import annotations

import json
from pathlib import Path

from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.packs import LanguagePack, bundled_pack
from xinstr_core.languages import Language
from xinstr_core.settings import CorpusSettings

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LANGUAGES = ["bn", "eu", "fi", "hi", "id", "ne", "sw", "ta", "th", "tr", "ur", "vi"]
SCRIPTS = dict.fromkeys(LANGUAGES, "Latn") | {
    "bn": "Beng", "hi": "Deva", "ne": "Deva", "ta": "Taml", "th": "Thai", "ur": "Arab",
}  # fmt: skip


def texts_of(language: str, name: str = "corpus/{}.jsonl") -> list[str]:
    """The texts of a file of the data folder; U+2028 and its like end no line of it."""
    lines = (DATA / name.format(language)).read_text("utf-8").rstrip("\n").split("\n")
    return [json.loads(line)["text"] for line in lines]


def shipped_pack(language: str) -> LanguagePack:
    path = bundled_pack(language)
    assert path is not None
    return LanguagePack.read(path)


def document_filter(
    language: str, pack: LanguagePack | None = None, settings: CorpusSettings | None = None
) -> DocumentFilter:
    """The stage's filter with its defaults and, unless told, the pack that ships."""
    entry = Language(tag=language, name=language, script=SCRIPTS[language])
    return DocumentFilter(entry, settings or CorpusSettings(), pack or shipped_pack(language))
