"""Identity of languages, rows and stages: keys and fingerprints. Never a row position, never a random id."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# A lower-case BCP 47 tag: safe as a partition key (Dagster forbids commas) and as a folder name.
_LANGUAGE_KEY = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
KEY_LENGTH = 20  # hex digits, 80 bits: at 10^9 rows the chance of any collision is under 1e-6


def is_language_key(tag: str) -> bool:
    """Whether a tag can be the key of a language. Whatever is asked for from outside is no path before this is known."""
    return _LANGUAGE_KEY.fullmatch(tag) is not None


def content_key(*parts: str) -> str:
    """A key of the parts in their order. Lengths enter the hash, so ("ab", "c") and ("a", "bc") differ."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(f"{len(encoded)}:".encode())
        digest.update(encoded)
    return digest.hexdigest()[:KEY_LENGTH]


def normalised(text: str) -> str:
    """The form that is hashed and compared: NFC, lower case, single spaces.

    Combining marks stay: in Thai, Vietnamese and Indic scripts they are letters. The text itself is never changed.
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def document_key(language: str, text: str) -> str:
    return content_key("document", language, normalised(text))


def line_hash(source: str, line: str) -> int:
    """64 bits of a line of one source, for counting; not a key."""
    return int.from_bytes(hashlib.blake2b(f"{source}\x1f{normalised(line)}".encode(), digest_size=8).digest())


def pair_key(doc_id: str, prompt_version: str, asked: str) -> str:
    """`asked` is the key under which the instruction is generated: another model, decoding, opening or sample, another pair.

    So a label that a person gave to a pair is never taken for one of an instruction that came in its place.
    """
    return content_key("pair", doc_id, prompt_version, asked)


def fingerprint(parts: Mapping[str, Any]) -> str:
    """A hash of everything that changes a stage's output. Key order does not matter; values must be JSON."""
    canonical = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:KEY_LENGTH]


def file_hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:KEY_LENGTH]


def files_hash(folder: Path, names: Iterable[str]) -> str:
    """One hash for several files of a folder, by name and content."""
    return fingerprint({name: file_hash(folder / name) for name in names})
