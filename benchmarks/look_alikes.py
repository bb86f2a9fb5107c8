"""Which languages the voters cannot tell from others: `python benchmarks/look_alikes.py SIB-200`, a checkout of dadelani/sib-200.

The sentences of a language, in the order of FLORES-200, make passages of seven. Of every language that a voter knows: how many
passages are identified as it, and what leads in those that are not its own; listed are those that have such ones. Of those
that a fit may teach: taught from every other passage, how many of the rest are kept, of English ones, and of the
language that the second voter takes most of them for.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from functools import cache
from pathlib import Path

from xinstr_core.corpus.identification import Identifier
from xinstr_core.corpus.packs import fit_pack
from xinstr_core.corpus.voters import py3langid

# FLORES-200 code and tag, where they differ.
TAGS = {
    "afr": "af", "als": "sq", "amh": "am", "arb": "ar", "asm": "as", "azj": "az", "bak": "ba", "bel": "be",
    "ben": "bn", "bod": "bo", "bos": "bs", "bul": "bg", "cat": "ca", "ces": "cs", "cym": "cy", "dan": "da",
    "deu": "de", "dzo": "dz", "ell": "el", "eng": "en", "epo": "eo", "est": "et", "eus": "eu", "fao": "fo",
    "fin": "fi", "fra": "fr", "gaz": "om", "gla": "gd", "gle": "ga", "glg": "gl", "grn": "gn", "guj": "gu",
    "hat": "ht", "hau": "ha", "heb": "he", "hin": "hi", "hrv": "hr", "hun": "hu", "hye": "hy", "ibo": "ig",
    "ind": "id", "isl": "is", "ita": "it", "jav": "jv", "jpn": "ja", "kan": "kn", "kat": "ka", "kaz": "kk",
    "khk": "mn", "khm": "km", "kik": "ki", "kin": "rw", "kir": "ky", "kmr": "ku", "kor": "ko", "lao": "lo",
    "lim": "li", "lin": "ln", "lit": "lt", "ltz": "lb", "lug": "lg", "lvs": "lv", "mal": "ml", "mar": "mr",
    "mkd": "mk", "mlt": "mt", "mya": "my", "nld": "nl", "nno": "nn", "nob": "nb", "npi": "ne", "oci": "oc",
    "ory": "or", "pan": "pa", "pbt": "ps", "pes": "fa", "plt": "mg", "pol": "pl", "por": "pt", "quy": "qu",
    "ron": "ro", "run": "rn", "rus": "ru", "san": "sa", "sin": "si", "slk": "sk", "slv": "sl", "sna": "sn",
    "snd": "sd", "som": "so", "sot": "st", "spa": "es", "srd": "sc", "srp": "sr", "ssw": "ss", "sun": "su",
    "swe": "sv", "swh": "sw", "tam": "ta", "tat": "tt", "tel": "te", "tgk": "tg", "tgl": "tl", "tha": "th",
    "tir": "ti", "tuk": "tk", "tur": "tr", "uig": "ug", "ukr": "uk", "urd": "ur", "uzn": "uz", "vie": "vi",
    "xho": "xh", "ydd": "yi", "yor": "yo", "zho": "zh", "zsm": "ms", "zul": "zu",
}  # fmt: skip
PASSAGE = 7
LEAST_SCORE = 0.5


@cache
def passages(folder: Path) -> list[str]:
    rows: list[tuple[int, str]] = []
    for part in ("train", "dev", "test"):
        with (folder / f"{part}.tsv").open(encoding="utf-8", newline="") as lines:
            found = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            rows.extend((int(row["index_id"]), row["text"].strip()) for row in found)
    sentences = [text for _, text in sorted(rows)]
    return [" ".join(sentences[start : start + PASSAGE]) for start in range(0, len(sentences) - PASSAGE + 1, PASSAGE)]


def told(name: str, identifier: Identifier, texts: list[str]) -> str:
    """A row of the first table, empty where all passages are the language's own."""
    found = [identifier.identify(text) for text in texts]
    passing = sum(identifier.score(one) >= LEAST_SCORE for one in found)
    led = Counter(one.best for one in found if one.best not in identifier.own)
    if not led:
        return ""
    shown = ", ".join(f"{label} {count}" for label, count in led.most_common(4))
    return f"| {name} | {identifier.voters} | {passing / len(texts):.3f} | {shown} |"


def taught(name: str, identifier: Identifier, folder: Path) -> str:
    """A row of the second table."""
    texts = passages(folder / name)
    pack = fit_pack(texts[::2], identifier, name.split("_")[1], "half")
    learned = Identifier(identifier.language, taught=pack.taught)

    def passing(others: list[str]) -> float:
        scores = [learned.score(learned.identify(text)) for text in others]
        return sum(score >= pack.minimum.language_score for score in scores) / len(scores)

    relative = Counter(str(py3langid().classify(text)[0]) for text in texts).most_common(1)[0][0]
    # Of a language in two scripts the first folder: Arabic in Arabic letters.
    names = {tag_of(one.name): one for one in sorted(folder.iterdir(), reverse=True) if one.is_dir()}
    of_relative = f"{passing(passages(names[relative])):.3f}" if relative in names else "-"
    shares = f"{passing(texts[1::2]):.3f} | {passing(passages(folder / 'eng_Latn')):.3f}"
    return f"| {name} | {'yes' if pack.taught else 'no'} | {shares} | {relative} | {of_relative} |"


def tag_of(name: str) -> str:
    code = name.split("_")[0]
    return TAGS.get(code, code)


def main() -> None:
    folder = Path(sys.argv[1]) / "data" / "annotated"
    names = sorted(one.name for one in folder.iterdir() if one.is_dir())
    identifiers = {name: Identifier(tag_of(name)) for name in names}
    print("| language | voters | identified | led by |\n|---|---|---|---|")
    for name, identifier in identifiers.items():
        if identifier.knows and (row := told(name, identifier, passages(folder / name))):
            print(row, flush=True)
    print("\n| language | taught | own kept | English | its relative | of that |\n|---|---|---|---|---|---|")
    for name, identifier in identifiers.items():
        if identifier.can_be_taught:
            print(taught(name, identifier, folder), flush=True)


if __name__ == "__main__":
    main()
