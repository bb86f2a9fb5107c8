"""Which language a text is in, by two independent voters, and `und` where they leave it open.

Of one language those voters are asked that know it (voters.py). A voter that does not must call its text something else:
of Dzongkha lid.176 says Tibetan, of Faroese Icelandic. And some languages they know and still cannot tell from others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from xinstr_core.corpus.taught import TaughtLanguage, voter_that_knows
from xinstr_core.corpus.voters import excerpt_of, first_labels, first_vote, second_labels, second_vote
from xinstr_core.errors import InputError

# Of 3,413 sentences of languages without look-alikes for which lid.176 was this sure none was wrong, at 0.5 four of 4,356
# (benchmarks/identification.py); a page that is half in another language is not that sure.
_SURE = 0.9
UNKNOWN = "und"
_LEAST_LABEL_SCORE = 0.5
# Of a piece of a page. Nine of 8,187 pieces of 120 characters in twelve languages have less for their own, 865 of 870 in
# their neighbours (NTREX), Malay aside. Read again where they have (foreign.py), four of 8,736 documents are refused: lists of
# names and of English words.
_LEAST_OWN_SHARE = 0.3

# What the voters call a language that they know under other names: the code of its macrolanguage or of a member of it.
_CALLED = {
    "als": ("sq",), "arb": ("ar",), "azj": ("az",), "bho": ("bh",), "cmn": ("zh",), "ekk": ("et",), "ff": ("fuv",),
    "fil": ("tl",), "gaz": ("om",), "gn": ("gn", "gug"), "gsw": ("als",), "khk": ("mn",), "ki": ("kik",),
    "kmr": ("ku",), "kok": ("gom",), "lvs": ("lv",), "nb": ("no",), "npi": ("ne",), "ory": ("or",), "pbt": ("ps",),
    "pes": ("fa",), "plt": ("mg",), "prs": ("fa",), "quy": ("qu",), "quz": ("qu",), "swh": ("sw",),
    "uzn": ("uz",), "ydd": ("yi",), "zsm": ("ms",),
}  # fmt: skip

# Languages that the voters take for each other. A text is in one of them when the group has the score and it leads.
LOOK_ALIKES = tuple(
    map(
        frozenset,
        (
            ("id", "ms", "jv", "su", "min"),
            ("hi", "mr", "ne", "mai", "bh", "sa", "new"),
            ("ur", "fa", "ar", "arz", "ary", "pnb", "ps", "sd", "ckb", "azb", "uzs"),
            ("fi", "et"),
            ("tr", "az"),
            ("bn", "as", "bpy"),
            ("sr", "hr", "bs", "sh"),
            ("nn", "no", "da"),
        ),
    )
)

# What voters that know a language call one in twenty of its passages or more, in its place (SIB-200; benchmarks/
# look_alikes.py): they cannot tell it from these. The other way round they may: no Indonesian passage is called Malay.
_LED_BY = {
    label: frozenset(others.split())
    for label, others in {
        "ary": "ar", "arz": "ar", "ast": "es", "azb": "fa", "bh": "hi", "bs": "hr sh sr", "hr": "bs sh sr", "mai": "hi",
        "ms": "id", "nso": "st", "sd": "ar", "sh": "bs hr sr", "sr": "bs hr sh", "war": "ceb tl", "wuu": "zh", "yue": "zh",
    }.items()
}  # fmt: skip
# Labels of lid.176 that less than two thirds of their own passages get, and no other one in their place: it is not asked.
_FIRST_ERRS_ON = frozenset(["af", "gn", "ht", "li", "lmo", "min", "nn", "sc", "scn", "so", "su", "uz", "vec", "yo"])


@dataclass(frozen=True)
class Identification:
    """Mean probability of every language that a voter gave weight to, over the voters that were asked and know it."""

    scores: Mapping[str, float]

    @property
    def best(self) -> str:
        """The language with the highest score, however low; `und` for a text without letters."""
        return max(self.scores, key=self.scores.__getitem__, default=UNKNOWN)

    @property
    def label(self) -> str:
        """The best language where it has half of the votes' weight, else `und`."""
        return self.best if self.probability >= _LEAST_LABEL_SCORE else UNKNOWN

    @property
    def probability(self) -> float:
        return min(1.0, max(self.scores.values(), default=0.0))  # voters' probabilities exceed 1 in their last digits

    def of(self, labels: Collection[str]) -> float:
        """The score of languages together, at most 1."""
        return min(1.0, sum(self.scores.get(label, 0.0) for label in labels))


@dataclass(frozen=True)
class Identifier:
    """Tells of texts whether they are in one language: the votes of the voters that know it.

    `identified_as` are further labels that its text gets, `taught` what the second voter learned of it.
    """

    language: str
    identified_as: tuple[str, ...] = ()
    taught: TaughtLanguage | None = None

    def check(self) -> None:
        """InputError for a label that no voter has, and for a voter that was taught another model."""
        if unknown := sorted({*self.identified_as} - first_labels() - second_labels()):
            raise InputError(
                f"identified_as of {self.language}: no identifier has the label {', '.join(unknown)}; "
                f"they have {', '.join(sorted(first_labels() | second_labels()))}"
            )
        if self.taught:
            self.taught.check()

    @property
    def knows(self) -> bool:
        return self.voters > 0

    @property
    def can_be_taught(self) -> bool:
        """Whether the second voter lacks the language, and the first does not make up for it."""
        return not self._second_knows and (not self.knows or bool(self.stand_ins))

    @property
    def advice(self) -> str:
        """What to do about a language that nothing tells from others; empty for one that a voter knows."""
        if self.knows:
            return ""
        return (
            f"no identifier knows {self.language}: any text of its script that is not English passes. Teach it with text that "
            f"you trust: xinstr languages fit {self.language} --corpus FILE; or name a model that knows it: "
            "corpus.identification_model and identification_label; or, where the identifiers call it something else, identified_as"
        )

    @cached_property
    def voters(self) -> int:
        """How many of the two voters know the language."""
        return self._first_knows + self._second_knows

    @cached_property
    def own(self) -> frozenset[str]:
        """The labels that are the language."""
        base = self.language.split("-")[0]
        called = (first_labels() - _FIRST_ERRS_ON | second_labels()).intersection(_CALLED.get(base, (base,)))
        return frozenset({self.language} if self.taught else called | {*self.identified_as})

    @cached_property
    def stand_ins(self) -> frozenset[str]:
        """The labels that its text gets in their place: it cannot be told from these, unless the second voter was taught to."""
        if self.taught:
            return frozenset()
        return frozenset().union(*(_LED_BY.get(label, frozenset()) for label in self.own)) - self.own

    @cached_property
    def rivals(self) -> frozenset[str]:
        """Look-alikes that a text of the language has some of the votes of, but that do not lead."""
        groups = () if self.taught else (group for group in LOOK_ALIKES if group & self.own)
        return frozenset().union(*groups) - self.own - self.stand_ins

    @property
    def look_alikes(self) -> frozenset[str]:
        """The language and all that the voters take for it or it for, whether they tell them apart or not."""
        return self.own | self.stand_ins | self.rivals

    def takes(self, label: str) -> bool:
        """Whether a text with this label may be in the language. Where nobody knows it, what is not English may be."""
        return label in self.own or label in self.stand_ins or (not self.knows and label != "en")

    def identify(self, text: str) -> Identification:
        """As the voters that know the language have it; by both where none does."""
        letters = excerpt_of(text)
        if not letters:
            return Identification({})
        if self.voters != 1:
            return _by_both(letters, self.rivals | self.stand_ins)
        return Identification(self._second_vote(letters) if self._second_knows else first_vote(letters))

    def score(self, found: Identification) -> float:
        """The probability of the language: its own, with those of its look-alikes where it leads them; else 0.

        Of a language that nobody knows, the probability that it is not English, which most of the web is.
        """
        if not self.knows:
            return 1.0 - found.of({"en"}) if found.scores else 0.0
        own = self.own | self.stand_ins
        if self.rivals and found.of(own) <= max(found.of((rival,)) for rival in self.rivals):
            return 0.0
        return found.of(own | self.rivals)

    def other_language(self, letters: str) -> str:
        """What a piece of a page is in, where the voters that know the language give it next to nothing; else empty.

        What they give weight to in its place need not be one language: where one lacks it, its votes scatter. Of a
        language that nobody knows all is taken for its own that both are not sure is English.
        """
        votes = []
        if self._first_knows or not self._second_knows:
            votes.append(first_vote(letters))
            # Of two voters its share may be enough, and the slower one is not asked.
            if self.voters != 1 and self._own_share(votes) / 2 > _LEAST_OWN_SHARE:
                return ""
        if self._second_knows or not self._first_knows:
            votes.append(self._second_vote(letters))
        if self._own_share(votes) / len(votes) > _LEAST_OWN_SHARE:
            return ""
        shares = [(share, label) for vote in votes for label, share in vote.items() if not self.takes(label)]
        return max(shares, default=(0.0, UNKNOWN))[1]

    def _own_share(self, votes: Sequence[Mapping[str, float]]) -> float:
        """What votes give together to labels that the language's text may have."""
        if not self.knows:
            return sum(1.0 - vote.get("en", 0.0) for vote in votes)
        return sum(vote.get(label, 0.0) for vote in votes for label in self.own | self.stand_ins)

    @cached_property
    def _first_knows(self) -> bool:
        asked = (first_labels() - _FIRST_ERRS_ON) | first_labels().intersection(self.identified_as)
        return self.taught is None and bool(self.own & asked)

    @cached_property
    def _second_knows(self) -> bool:
        return self.taught is not None or bool(self.own & second_labels())

    @cached_property
    def _second_voter(self) -> Any:
        return voter_that_knows(self.language, self.taught) if self.taught else None

    def _second_vote(self, letters: str) -> dict[str, float]:
        return second_vote(letters, self._second_voter)


def identify(text: str) -> Identification:
    """Identify the letters of a text; numbers, punctuation and addresses say nothing about its language."""
    letters = excerpt_of(text)
    return _by_both(letters, _HAVE_LOOK_ALIKES) if letters else Identification({})


def _by_both(letters: str, doubtful: Collection[str]) -> Identification:
    """Both voters' mean; the first one's alone where it is sure of a language that is not doubtful."""
    first = first_vote(letters)
    best, probability = _top(first)
    if probability >= _SURE and best not in doubtful:
        return Identification(first)
    scores = {label: probability * _weight(label) for label, probability in first.items()}
    for label, probability in second_vote(letters).items():
        scores[label] = scores.get(label, 0.0) + probability * _weight(label)
    return Identification(scores)


def _top(votes: Mapping[str, float]) -> tuple[str, float]:
    best = max(votes, key=votes.__getitem__)
    return best, votes[best]


@cache
def _weight(label: str) -> float:
    """What a vote counts: half where both voters know the language, the whole where one does."""
    return 0.5 if label in first_labels() and label in second_labels() else 1.0


_HAVE_LOOK_ALIKES = frozenset().union(*LOOK_ALIKES)
