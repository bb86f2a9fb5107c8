"""Seeds of parallel documents: trained on English pairs, asked of the English side, answered by the translation."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from tests.core.conftest import Killed
from xinstr_core.engines.base import Capability, Completion, Decoding, LabelScores, Request, TokenScores, Usage
from xinstr_core.engines.kinds import KINDS, TRANSFORMERS
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference
from xinstr_core.errors import InputError
from xinstr_core.schemas.seed_pairs import REJECTED, SEED_PAIRS, SEEDS
from xinstr_core.settings import EngineSettings
from xinstr_core.stages.seed_pairs import read_seed_pairs
from xinstr_core.stages.stage import fingerprint_parts, run_stage
from xinstr_core.store import Partition
from xinstr_core.workspace import Workspace

MAIZE = "The farmer planted maize in the morning, and in the evening the whole village came to eat with her family."
FISH = "The fishermen of the coast went out before the sun rose, and they sold what they had caught at the market."
DOCUMENTS = [
    {
        "text_en": MAIZE,
        "text": "Mkulima alipanda mahindi asubuhi, na jioni kijiji kizima kilikuja kula na familia yake.",
    },
    {"text_en": FISH, "text": "Wavuvi wa pwani walitoka kabla ya jua kuchomoza, na waliuza samaki wao sokoni mjini."},
]
ENGLISH_PAIRS = [
    {"instruction": f"What are human rights, part {n}?", "response": f"All human beings are born free, says part {n}."}
    for n in range(4)
]
Build = Callable[..., Partition]


class Writer:
    """An engine's stand-in: of every English side a poor, a good and an unusable instruction, the good one gaining most."""

    capabilities = frozenset({Capability.GENERATE, Capability.SCORE_COMPLETIONS, Capability.ADAPTERS})
    usage = Usage()
    answers = ("What is this text about?", "What did they do in the morning?", "Mahindi")
    generated: list[Request] = []  # noqa: RUF012
    die_after = -1

    @classmethod
    def load(cls, base: ModelReference, adapter: Path | None, budget: TokenBudget, settings: EngineSettings) -> Self:
        assert adapter is not None
        return cls()

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        written = []
        for request in requests:
            if len(Writer.generated) == Writer.die_after:
                raise Killed
            nth = sum(earlier.prompt == request.prompt for earlier in Writer.generated)
            Writer.generated.append(request)
            written.append(Completion(request.key, Writer.answers[nth], 10, 3, True))
        return written

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        def value(request: Request) -> float:
            has_text = MAIZE in request.prompt or FISH in request.prompt
            return -1.0 if has_text and "morning" in request.completion else -2.0

        return [TokenScores(request.key, (value(request),), 0.0) for request in requests]

    def score_labels(self, requests: Sequence[Request], labels: Sequence[str]) -> list[LabelScores]:
        raise AssertionError

    def embed(self, texts: Sequence[str]) -> Any:
        raise AssertionError


@pytest.fixture
def build(tiny_model: ModelReference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    monkeypatch.setitem(KINDS, TRANSFORMERS, Writer)
    Writer.generated.clear()
    Writer.die_after = -1

    def built(
        pairs: Sequence[Any] = ENGLISH_PAIRS, documents: Sequence[Any] = DOCUMENTS, **generation: Any
    ) -> Partition:
        seeds = '{ path = "english.jsonl", parallel = "docs.jsonl" }'
        entry = f'[sw]\nname = "Swahili"\nscript = "Latn"\nseeds = {seeds}\n'
        (tmp_path / "languages.toml").write_text(entry, "utf-8")
        for name, rows in (("english", pairs), ("docs", documents)):
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        overrides = {
            "generation": {"candidates": 3, "batch_rows": 3, **generation},
            "reverse_model": {"epochs": 1, "rank": 2, "batch_rows": 2, "maximum_tokens": 512},
        }
        workspace = Workspace(tmp_path, overrides=overrides, base_model=str(tiny_model.path))
        return run_stage(workspace, read_seed_pairs, "sw", {}).partition

    return built


def test_each_translation_answers_the_instruction_that_gains_most_from_the_english_side(build: Build) -> None:
    partition = build()
    found = partition.read(SEEDS.name).filter(origin="parallel").sort("response")
    assert found.select("instruction", "response", "original", "native").rows() == [
        ("What did they do in the morning?", one["text"], one["text_en"], True)
        for one in sorted(DOCUMENTS, key=lambda one: one["text"])
    ]
    assert partition.read_figures(SEED_PAIRS.figures).by_origin == {"english": 4, "parallel": 2}
    assert {request.prompt.count("Mkulima") for request in Writer.generated} == {0}


def test_two_translations_of_one_text_are_two_seeds_with_one_instruction(build: Build) -> None:
    """Their English side is asked once."""
    other = {
        "text_en": MAIZE,
        "text": "Asubuhi mkulima alipanda mahindi; jioni kijiji kizima kilikula na familia yake.",
    }
    found = build(documents=[DOCUMENTS[0], other]).read(SEEDS.name).filter(origin="parallel")
    assert set(found["response"]) == {DOCUMENTS[0]["text"], other["text"]}
    assert set(found["instruction"]) == {"What did they do in the morning?"}
    assert len(Writer.generated) == 3


def test_what_chooses_candidates_makes_no_seed_anew(build: Build) -> None:
    first = build()
    assert build(chosen_candidates=1, minimum_gain=2.0).version == first.version
    assert len(Writer.generated) == 6


def test_a_document_whose_instructions_are_all_unusable_is_refused_with_what_was_wrong(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Writer, "answers", ("Mahindi", "", MAIZE))
    rejected = build(documents=DOCUMENTS[:1]).read(REJECTED.name)
    assert rejected.select("reason", "value").rows() == [("no_instruction", "copied, empty, not_english")]


def test_killed_in_the_middle_it_goes_on(build: Build) -> None:
    Writer.die_after = 3
    with pytest.raises(Killed):
        build()
    Writer.die_after = -1
    assert build().read(SEEDS.name).filter(origin="parallel").height == 2
    assert len({request.key for request in Writer.generated}) == len(Writer.generated) == 6


def test_without_english_pairs_one_line_says_what_to_name(build: Build) -> None:
    pairs = [{"instruction": "Which rights?", "response": "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa."}]
    with pytest.raises(InputError, match=r'seeds = \{ path = "english.jsonl", parallel = "docs.jsonl" \}'):
        build(pairs=pairs)


def test_the_model_matters_to_seeds_where_it_writes_them_alone(tiny_model: ModelReference, tmp_path: Path) -> None:
    (tmp_path / "docs.jsonl").write_text(json.dumps(DOCUMENTS[0]), "utf-8")
    for seeds, wanted in (('{ path = "pocket", parallel = "docs.jsonl" }', True), ('"pocket"', False)):
        (tmp_path / "languages.toml").write_text(f'[sw]\nname = "Swahili"\nscript = "Latn"\nseeds = {seeds}\n', "utf-8")
        parts = fingerprint_parts(Workspace(tmp_path, base_model=str(tiny_model.path)), read_seed_pairs, "sw", {})
        assert (parts["model"] is not None) is wanted
        assert (parts["files"]["writing"] is not None) is wanted


def test_a_document_that_is_longer_than_what_is_read_is_rejected_before_anything_is_trained(build: Build) -> None:
    long = {"text_en": 40 * f"{MAIZE} ", "text": 40 * f"{DOCUMENTS[0]['text']} "}
    partition = build(documents=[long, DOCUMENTS[1]])
    [reject] = partition.read(REJECTED.name).filter(reason="too_long").iter_rows(named=True)
    assert reject["place"].endswith("docs.jsonl:1")
    assert (reject["value"].endswith(" tokens"), reject["threshold"]) == (True, "512 tokens")
    assert partition.read_figures(SEED_PAIRS.figures).by_origin == {"english": 4, "parallel": 1}


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        (
            [{"text_en": one["text"], "text": one["text_en"]} for one in DOCUMENTS],
            r"\(2 wrong_language\): records need",
        ),
        ([{"english": "x", "swahili": "y"}], r"\(1 no_text_en\): records need text_en in English and text in Swahili"),
    ],
)
def test_a_file_without_a_usable_document_is_told_before_anything_is_trained(
    build: Build, documents: list[dict[str, str]], told: str
) -> None:
    with pytest.raises(InputError, match=rf"docs.jsonl gave no parallel document {told}"):
        build(documents=documents)
    assert not Writer.generated


def test_sides_that_do_not_belong_together_are_told_before_anything_is_trained(build: Build) -> None:
    def numbered(n: int, of: int) -> dict[str, str]:
        return {"text_en": f"{MAIZE} It was {1900 + n}.", "text": f"{DOCUMENTS[0]['text']} Ilikuwa mwaka {1900 + of}."}

    with pytest.raises(
        InputError, match=r"docs.jsonl: of 12 documents with numbers on both sides 0 share one, so text"
    ):
        build(documents=[numbered(n, (n + 1) % 12) for n in range(12)])
    assert not Writer.generated
