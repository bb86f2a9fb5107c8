"""Translation by sequence-to-sequence models (NLLB, M2M-100, MADLAD-400, Marian): greedy, in batches that a restart finds.

How each family is told the languages is documented with it in transformers: NLLB and M2M-100 read the source's code
before the text and write the target's code first; MADLAD-400 reads `<2xx>` of the target before the text; a Marian
model knows one source, and reads `>>xxx<<` only where it has several targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import regex

from xinstr_core.engines.base import Request
from xinstr_core.engines.batches import length_sorted_batches
from xinstr_core.engines.device import device
from xinstr_core.engines.encoding import encode, padded_length
from xinstr_core.engines.faults import Fault, isolated
from xinstr_core.errors import InputError
from xinstr_core.files import ShardLog
from xinstr_core.identity import content_key, files_hash
from xinstr_core.languages import Language
from xinstr_core.progress import Progress
from xinstr_core.schemas.declaration import frame
from xinstr_core.settings import SeedSettings
from xinstr_core.text import is_storable

ENGLISH = Language.model_validate({"tag": "en", "name": "English", "script": "Latn"})
# ISO 639-3 as FLORES-200 and NLLB name the language, then the macrolanguage's code, as the Aya data do.
ISO_639_3 = {
    "bn": ("ben",),
    "en": ("eng",),
    "eu": ("eus",),
    "fi": ("fin",),
    "hi": ("hin",),
    "id": ("ind",),
    "ne": ("npi", "nep"),
    "sw": ("swh", "swa"),
    "ta": ("tam",),
    "th": ("tha",),
    "tr": ("tur",),
    "ur": ("urd",),
    "vi": ("vie",),
}
RAW_SCHEMA = pl.Schema({"key": pl.String, "text": pl.String, "finished": pl.Boolean, "error": pl.String})

_LETTER = regex.compile(r"\p{L}")
_RELATIVE_PLACES = 512  # tokens of a text that T5 models, whose positions have no end, were trained on


@dataclass(frozen=True)
class Translation:
    """What an engine made of a text. `finished` is False at the token limit; `error` says why there is no text."""

    text: str
    finished: bool = True
    error: str = ""


class Translator(Protocol):
    """A loaded model for one direction."""

    def translate(self, texts: Sequence[str], maximum_new_tokens: int) -> list[Translation]:
        """One batch, in order. Raises one of ROW_FAULTS when a text is more than the model can take."""


def translator_identity(name: str) -> str:
    """What the translator is, for keys and fingerprints: its name, and the content of a local folder."""
    folder = Path(name)
    if not folder.is_dir():
        return name
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return f"{folder.resolve().name}@{files_hash(folder, names)}"


def language_codes(language: Language) -> tuple[str, ...]:
    """What models and data sets call a language: its tag, the tag's first part, ISO 639-3, its identification label's."""
    base = language.tag.split("-")[0]
    label = (language.identification_label or "").split("_")[0]
    return tuple(dict.fromkeys(filter(None, (language.tag, base, *ISO_639_3.get(base, ()), label))))


def translate_texts(
    texts: Sequence[str],
    load: Callable[[], Translator],
    shards: ShardLog,
    settings: SeedSettings,
    progress: Progress,
) -> list[Translation]:
    """Translations in the order of the texts. Lines are translated one by one, so that a text keeps its paragraphs.

    What the engine gave is in a shard before anything reads it; the engine is loaded only when a batch is missing. A
    line on which it fails has an `error` and costs no other.
    """
    lines = dict.fromkeys(line for text in texts for line in text.split("\n") if _LETTER.search(line))
    requests = [Request(content_key("translation", line), line) for line in lines]
    batches = length_sorted_batches(requests, settings.batch_rows)
    loaded: Translator | None = None
    done: dict[str, Translation] = {}
    tried = found = 0
    for batch in batches:
        key = content_key(*(request.key for request in batch))
        raw = shards.get(key)
        if raw is not None:
            found += len(batch)
        else:
            if loaded is None:
                loaded = load()
                progress(tried, len(requests), unit="lines", found=found)
            raw = frame(_raw_rows(loaded, batch, settings.maximum_new_tokens), RAW_SCHEMA)
            shards.put(key, raw)
        rows = raw.select("text", "finished", "error").iter_rows()
        done |= {request.prompt: Translation(*row) for request, row in zip(batch, rows, strict=True)}
        tried += len(batch)
        progress(tried, len(requests), unit="lines", found=found)
    return [_joined([done.get(line, Translation(line)) for line in text.split("\n")]) for text in texts]


def _joined(lines: Sequence[Translation]) -> Translation:
    return Translation(
        "\n".join(line.text for line in lines),
        all(line.finished for line in lines),
        next((line.error for line in lines if line.error), ""),
    )


def _raw_rows(translator: Translator, batch: Sequence[Request], maximum: int) -> list[dict[str, object]]:
    translations = _translated(translator, [request.prompt for request in batch], maximum)
    return [{"key": request.key, **vars(one)} for request, one in zip(batch, translations, strict=True)]


def _translated(translator: Translator, texts: Sequence[str], maximum: int) -> list[Translation]:
    """A batch, in order; what a text does to the engine is its own error."""

    def work(part: Sequence[str]) -> list[Translation]:
        translations = translator.translate(part, maximum)
        if len(translations) != len(part):
            raise ValueError(f"{len(translations)} translations of {len(part)} texts")
        return translations

    done: list[Translation] = []
    for _, made in isolated(work, texts):
        done += [Translation("", False, made.reason[:200])] if isinstance(made, Fault) else made
    return [one if is_storable(one.text) else Translation("", False, "NUL or lone surrogate") for one in done]


def load_translator(name: str, source: Language, target: Language) -> Translator:
    """A model from `source` to `target`: a local directory or a hub id, safetensors weights, none of its own code.

    InputError when it cannot be loaded, is no sequence-to-sequence model, or does not know one of the languages.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
    from transformers.utils import logging

    if name.startswith(("/", ".", "~")) and not Path(name).is_dir():
        raise InputError(f"seeds.translator: there is no folder {name}")

    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        if tokenizer.eos_token_id is None:
            raise ValueError("its tokenizer has no end token")
        model = AutoModelForSeq2SeqLM.from_pretrained(
            name, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
        )
    except ImportError as error:
        if "sentencepiece" not in str(error).lower():
            raise
        raise InputError(f"seeds.translator {name!r} needs sentencepiece: pip install sentencepiece") from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"seeds.translator {name!r} cannot be loaded ({said})") from error
    return _SequenceTranslator(tokenizer, model, _Codes.of(name, tokenizer, model.config.model_type, source, target))


@dataclass(frozen=True)
class _Codes:
    """Token ids that tell a model the languages: `prefix` before the text, `first` as the first that is written."""

    prefix: tuple[int, ...] = ()
    first: int | None = None

    @staticmethod
    def of(name: str, tokenizer: Any, model_type: str, source: Language, target: Language) -> _Codes:
        if model_type == "marian":
            _check_direction(name, tokenizer, source, target)
            several = any(token.startswith(">>") and token.endswith("<<") for token in tokenizer.get_vocab())
            if not several or target.tag == ENGLISH.tag:
                return _Codes()
            return _Codes((_code(name, tokenizer, target, ">>{code}<<", ">>{code}_{script}<<")[1],))
        # A model that has English's code in a form has the others' in the same form.
        for form in ("{code}_{script}", "__{code}__"):
            if _known(tokenizer, _forms(ENGLISH, form)):
                return _Codes((_code(name, tokenizer, source, form)[1],), first=_code(name, tokenizer, target, form)[1])
        if not _known(tokenizer, _forms(ENGLISH, "<2{code}>")):
            raise InputError(
                f"seeds.translator {name!r} has no language codes that are known here: take an NLLB, M2M-100, "
                "MADLAD-400 or Marian model"
            )
        prefix = tokenizer(_code(name, tokenizer, target, "<2{code}>")[0], add_special_tokens=False)["input_ids"]
        return _Codes(tuple(prefix))


def _code(name: str, tokenizer: Any, language: Language, *forms: str) -> tuple[str, int]:
    """The token of a language and its id. InputError when the model has none."""
    tried = [one for form in forms for one in _forms(language, form)]
    found = _known(tokenizer, tried)
    if found is None:
        raise InputError(
            f"seeds.translator {name!r} has no code for {language.name} (looked for {', '.join(tried)}): take a model "
            "that knows it, or name the language's code as its identification_label in languages.toml"
        )
    return found


def _forms(language: Language, form: str) -> list[str]:
    return [form.format(code=code, script=language.script) for code in language_codes(language)]


def _known(tokenizer: Any, tokens: Sequence[str]) -> tuple[str, int] | None:
    """The first of some tokens that stands in the vocabulary, and its id."""
    ids = ((token, tokenizer.convert_tokens_to_ids(token)) for token in tokens)
    return next(((token, found) for token, found in ids if found not in (None, tokenizer.unk_token_id)), None)


def _check_direction(name: str, tokenizer: Any, source: Language, target: Language) -> None:
    """InputError when a Marian model says that it is for other languages. Names of groups (mul, trk) tell nothing."""
    known = {code for tag, codes in ISO_639_3.items() for code in (tag, *codes)}
    named = [tokenizer.init_kwargs.get(side) for side in ("source_lang", "target_lang")]
    for said, language in zip(named, (source, target), strict=True):
        if said in known - set(language_codes(language)):
            raise InputError(
                f"seeds.translator {name!r} translates {named[0]} to {named[1]}, and {source.tag} to {target.tag} is "
                "needed: take a model of that direction, or one of many languages"
            )


class _SequenceTranslator:
    """A loaded model with the codes of one direction."""

    def __init__(self, tokenizer: Any, model: Any, codes: _Codes) -> None:
        from transformers import GenerationConfig

        self._tokenizer = tokenizer
        self._codes = codes
        self._start = model.generation_config.decoder_start_token_id
        if self._start is None:
            self._start = model.config.decoder_start_token_id
        self._pad = model.config.pad_token_id
        self._places = getattr(model.config, "max_position_embeddings", None)
        # A model's own generation defaults (beams, length penalties) would change what greedy means. Padding is never
        # written: Marian models were trained to rely on that.
        model.generation_config = GenerationConfig(
            decoder_start_token_id=self._start,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=self._pad,
            forced_bos_token_id=codes.first,
            suppress_tokens=[self._pad],
            do_sample=False,
            num_beams=1,
        )
        self._model = model.to(device()).eval()

    def translate(self, texts: Sequence[str], maximum_new_tokens: int) -> list[Translation]:
        """One batch, greedy. ValueError when a text has more tokens than the model has places."""
        import torch

        end = self._tokenizer.eos_token_id
        rows = [[*self._codes.prefix, *encode(self._tokenizer, text), end] for text in texts]
        longest, limit = max(map(len, rows)), self._places or _RELATIVE_PLACES
        if longest > limit:
            raise ValueError(f"{longest} tokens, and the model takes {limit}")
        width = padded_length(longest, limit)
        ids = torch.tensor([row + [self._pad] * (width - len(row)) for row in rows], device=self._model.device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=self._model.device)
        most = min(maximum_new_tokens, self._places - 1) if self._places else maximum_new_tokens
        with torch.inference_mode():
            output = self._model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=most)
        return [self._read(row.tolist()) for row in output]

    def _read(self, ids: list[int]) -> Translation:
        """What was written after the start token and the target's code."""
        written = ids[1 if self._codes.first is None else 2 :]
        end = self._tokenizer.eos_token_id
        finished = end in written
        text = self._tokenizer.decode(written[: written.index(end)] if finished else written, skip_special_tokens=True)
        return Translation(text.strip(), finished)
