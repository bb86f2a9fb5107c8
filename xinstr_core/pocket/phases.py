"""The curriculum of the pocket base model: what it reads, in which order, and what of it is learned.

docs/decisions/0001 tells how the phases came about, failures included.
"""

from __future__ import annotations

from dataclasses import dataclass

from xinstr_core.pocket.pages import PageMix
from xinstr_core.pocket.templates import POCKET_LANGUAGES

BLOCK_TOKENS = 256


@dataclass(frozen=True)
class Phase:
    """A part of the training. `schedule_steps` may be longer than `steps`: the rate is then still high at the end.

    `packed` rows are blocks of BLOCK_TOKENS that hold several pages; else a row is one page. Where `marks` are given,
    every second batch is of those pages, each learned by its last paragraph alone.
    """

    mix: PageMix
    batch_rows: int
    steps: int
    schedule_steps: int
    learning_rate: float
    packed: bool = False
    muon: bool = False
    marks: PageMix | None = None


# docs/decisions/0001 tells how these came about. In phase 1 English, which stands in every leaflet, was learned first;
# the demo's languages are drawn most after it, until the last five phases bring the others up to them.
_DEMO = ("sw", "fi", "ur")
_DEMO_TWICE = (*POCKET_LANGUAGES, *_DEMO)
_DEMO_FIRST = (*POCKET_LANGUAGES * 2, *_DEMO * 3)
_FIRST_PAGES = {"plain": 0.42, "leaflet": 0.30, "question_list": 0.12, "phrasebook": 0.10, "register": 0.06}
_PAGES_AND_CARDS = {
    "plain": 0.34,
    "leaflet": 0.10,
    "question_list": 0.03,
    "phrasebook": 0.12,
    "register": 0.02,
    "caption": 0.15,
    "card": 0.14,
    "question_card": 0.06,
    "commonplace_book": 0.04,
}
_SHORT_CARDS = {"caption": 0.2, "question_card": 0.2, "shelved_sentence": 0.6}
_LONG_CARDS = {"phrasebook": 0.1, "caption": 0.1, "card": 0.8}
_EVERYTHING = {
    "plain": 0.22,
    "leaflet": 0.08,
    "phrasebook": 0.15,
    "register": 0.04,
    "caption": 0.08,
    "card": 0.22,
    "question_card": 0.15,
    "shelved_sentence": 0.06,
}
_EVERYTHING_AGAIN = {
    "plain": 0.12,
    "phrasebook": 0.20,
    "register": 0.10,
    "caption": 0.10,
    "card": 0.28,
    "question_card": 0.15,
    "shelved_sentence": 0.05,
}
_BESIDE_MARKS = {
    "plain": 0.15,
    "leaflet": 0.15,
    "question_list": 0.05,
    "phrasebook": 0.15,
    "register": 0.15,
    "caption": 0.10,
    "card": 0.20,
    "question_card": 0.05,
}
_READ_MARKS = {"filed_sentence": 0.65, "filed_text": 0.35}
_WRITTEN_MARKS = {"incipit": 0.45, "entry": 0.25, "filed_sentence": 0.10, "filed_text": 0.20}
_HEADED_MARKS = {"headed_text": 0.35, "headed_entry": 0.40, "filed_text": 0.10, "entry": 0.15}
_GISTS = {"gist": 0.70, "headed_entry": 0.20, "headed_text": 0.10}
_MORE_GISTS = {"gist": 0.85, "headed_entry": 0.15}


def _in_turn(steps: int, marks: PageMix) -> Phase:
    """Batches of whole pages and of marks in turn, all languages in both."""
    return Phase(
        PageMix(_BESIDE_MARKS, _DEMO_TWICE, 0.03),
        batch_rows=48,
        steps=steps,
        schedule_steps=steps,
        learning_rate=1e-3,
        marks=marks,
    )


PHASES = (
    Phase(PageMix(_FIRST_PAGES), batch_rows=16, steps=3000, schedule_steps=5500, learning_rate=3e-3, packed=True),
    Phase(
        PageMix(_PAGES_AND_CARDS, _DEMO_FIRST, 0.02),
        batch_rows=16,
        steps=1000,
        schedule_steps=2200,
        learning_rate=2e-3,
        packed=True,
        muon=True,
    ),
    Phase(PageMix({"shelved_sentence": 1}, _DEMO, 0), batch_rows=64, steps=200, schedule_steps=800, learning_rate=1e-3),
    Phase(PageMix(_SHORT_CARDS, _DEMO_FIRST, 0.05), batch_rows=64, steps=350, schedule_steps=1000, learning_rate=1e-3),
    Phase(PageMix(_LONG_CARDS, _DEMO, 0), batch_rows=32, steps=280, schedule_steps=900, learning_rate=1e-3),
    Phase(
        PageMix(_EVERYTHING, (*POCKET_LANGUAGES, *_DEMO * 5), 0.03),
        batch_rows=32,
        steps=650,
        schedule_steps=650,
        learning_rate=1e-3,
    ),
    Phase(PageMix(_EVERYTHING_AGAIN, _DEMO, 0), batch_rows=32, steps=480, schedule_steps=480, learning_rate=1.2e-3),
    _in_turn(1200, PageMix(_READ_MARKS, english=0.02)),
    _in_turn(1200, PageMix(_WRITTEN_MARKS, _DEMO_TWICE, 0.02)),
    _in_turn(900, PageMix(_HEADED_MARKS, _DEMO_TWICE, 0.02)),
    _in_turn(700, PageMix(_GISTS, _DEMO_TWICE, 0.0)),
    _in_turn(700, PageMix(_MORE_GISTS, _DEMO_TWICE, 0.0)),
)
