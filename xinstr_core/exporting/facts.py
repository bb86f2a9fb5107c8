"""What a card tells of a language: how its set came about, what was measured of it, and what nobody knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from xinstr_core.corpus.sources import file_identity
from xinstr_core.curation.audit import audit_file
from xinstr_core.evaluation.agreement import Agreement
from xinstr_core.evaluation.gaps import Gap
from xinstr_core.evaluation.intervals import Estimate, mean_over_groups
from xinstr_core.evaluation.measures import Comparison, Measure, compare
from xinstr_core.exporting.base_terms import BaseTerms, base_terms
from xinstr_core.exporting.built_set import BuiltSet
from xinstr_core.exporting.licensing import Licensing
from xinstr_core.reporting.people import labelled
from xinstr_core.schemas import refined_pairs
from xinstr_core.schemas.candidate_pairs import CANDIDATE_PAIRS
from xinstr_core.schemas.declaration import Contract
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET, HELD_OUT, TRAIN
from xinstr_core.schemas.eval_report import AUDIT, EVAL_REPORT, GAPS, MEASURES
from xinstr_core.schemas.evaluator import EVALUATOR
from xinstr_core.schemas.raw_corpus import RAW_CORPUS
from xinstr_core.schemas.refined_pairs import REFINED_PAIRS
from xinstr_core.schemas.seed_pairs import SEED_PAIRS
from xinstr_core.schemas.shared import ValidationFigures
from xinstr_core.schemas.tuned_model import TUNED_MODEL, TunedFigures
from xinstr_core.text import without_folders

_TEXTS = ("corpus", "seeds")  # settings that name files of texts
_FUNNELS: tuple[Contract[Any], ...] = (RAW_CORPUS, CANDIDATE_PAIRS, REFINED_PAIRS, DIVERSIFIED_SET)


@dataclass(frozen=True)
class SetFacts:
    """Of one language. `home` is where its audit lies; `licensing` says which of its rows are exported."""

    built: BuiltSet
    home: Path
    licensing: Licensing

    @property
    def name(self) -> str:
        return self.built.language.name

    @property
    def tag(self) -> str:
        return self.built.tag

    @property
    def rows(self) -> dict[str, int]:
        """Exported pairs by split."""
        return {split: self.licensing.rows(split) for split in (TRAIN, HELD_OUT)}

    @property
    def is_generated(self) -> bool:
        """Whether the text is of the embedded world."""
        return self.built.is_generated

    @cached_property
    def base(self) -> BaseTerms:
        """Of the model that reverse model and evaluator were trained from."""
        return base_terms(str(self.built.part(CANDIDATE_PAIRS).built["base_model"]), self.home)

    @property
    def base_fingerprint(self) -> str:
        return str(self.built.part(CANDIDATE_PAIRS).made_of["model"])

    @property
    def funnel(self) -> Iterator[tuple[str, str, int]]:
        """(asset, what came in, fell for a reason or was left, how many) from documents to the selection."""
        for contract in _FUNNELS:
            for label, count in self.built.figures(contract).funnel.steps.items():
                yield contract.asset, label, count

    @property
    def curation(self) -> refined_pairs.RefinedFigures:
        return self.built.figures(REFINED_PAIRS)

    @property
    def validation(self) -> ValidationFigures:
        """Of the evaluator whose ratings the rows have: the last round's that was used."""
        return self._used_rounds[-1] if self._used_rounds else self.built.figures(EVALUATOR)

    @property
    def validation_round(self) -> int | None:
        """Of which round that evaluator is; None where no round counts."""
        return self._used_rounds[-1].round if self._used_rounds else None

    @property
    def _used_rounds(self) -> list[refined_pairs.RoundFigures]:
        return [one for one in self.curation.rounds if one.used]

    @property
    def accuracy(self) -> Estimate:
        """Of the evaluator on held-out rows, each level weighing the same, with its interval."""
        levels = [(row[level], sum(row)) for level, row in enumerate(self.validation.confusion) if sum(row)]
        groups = [[1.0] * right + [0.0] * (of - right) for right, of in levels]
        settings = self.built.settings.evaluation
        return mean_over_groups(groups, settings.bootstrap_samples, settings.seed)

    @property
    def minimum_accuracy(self) -> float:
        return self.built.figures(EVALUATOR).minimum_accuracy

    @property
    def refuses_personal_data(self) -> bool:
        return bool(self.built.part(RAW_CORPUS).made_of["settings"]["corpus"]["refuse_personal_data"])

    @property
    def seeds_by_origin(self) -> dict[str, int]:
        return self.built.figures(SEED_PAIRS).by_origin

    @property
    def diversity_warning(self) -> str:
        found = self.built.figures(DIVERSIFIED_SET).diversity
        return found.warning if found else ""

    @property
    def tuned(self) -> TunedFigures | None:
        """What the model that was tuned on this set tells; None where there is none."""
        return self.built.figures(TUNED_MODEL) if self.built.has(TUNED_MODEL) else None

    @property
    def comparisons(self) -> list[Comparison]:
        """The tuned model beside its base; empty where no report compared them."""
        return comparisons(self.built) if self.built.has(EVAL_REPORT) else []

    @cached_property
    def audit(self) -> tuple[list[Agreement], str]:
        """How the ratings agree with what people labelled, and how much they did; nothing where there is no audit.

        As the report of this set read them, and whether the file is another one since; as they are now without a report.
        """
        path = audit_file(self.home, self.tag)
        if self.built.has(EVAL_REPORT):
            report = self.built.part(EVAL_REPORT)
            rows = report.read(AUDIT.name).drop("language") if AUDIT.name in report.tables else AUDIT.schema.to_frame()
            note = report.read_figures(EVAL_REPORT.figures).audit_note
            seen, now = report.made_of.get("files", {}).get("audit"), file_identity(path) if path.is_file() else None
            changed = f"the labels were changed since the report: xinstr build {self.tag} reads them"
            said = "; ".join([*([note] if note else []), *([changed] if seen != now else [])])
            return [Agreement(**row) for row in rows.iter_rows(named=True)], said
        return labelled(path, self.built.part(REFINED_PAIRS).scan(refined_pairs.PAIRS.name), self.built.settings)

    @property
    def made_with(self) -> list[tuple[str, str, str]]:
        """(asset, preset, settings that are other than the preset's) of every asset."""
        return [
            (asset, str(part.built.get("preset")), said(_changed(part.built.get("changed", {}))))
            for asset, part in self.built.parts.items()
        ]

    @property
    def build(self) -> dict[str, Any]:
        """What every asset was made of, for whoever wants to make it again; paths of this machine are left out."""
        kept = ("fingerprint", "version")
        return {
            asset: {
                **{name: part.manifest[name] for name in kept},
                "rows": {name: table["rows"] for name, table in part.tables.items()},
                "preset": part.built.get("preset"),
                "changed": _changed(part.built.get("changed", {})),
                "made_of": public({name: value for name, value in part.made_of.items() if name != "gives"}),
            }
            for asset, part in self.built.parts.items()
        }

    @property
    def folders(self) -> list[str]:
        """Names in its settings that are what is left of paths of the machine of the build."""
        changed = [part.built.get("changed", {}) for part in self.built.parts.values()]
        values = [value for one in changed for name, value in one.items() if name not in _TEXTS]
        found = {public(path) for path in _paths(values)} | ({self.base.name} if self.base.is_folder else set())
        return sorted(found)

    @property
    def preset(self) -> str:
        return str(self.built.part(DIVERSIFIED_SET).built.get("preset"))

    @property
    def changed_settings(self) -> list[str]:
        """Settings of any stage that are other than the preset's, as `--set` takes them; the base model stands apart."""
        found: dict[str, Any] = {}
        for part in self.built.parts.values():
            found |= _changed(part.built.get("changed", {}))
        return [
            f"{name}={json.dumps(found[name], ensure_ascii=False)}" for name in sorted(found) if name != "base_model"
        ]


def public(value: Any) -> Any:
    """A value without paths of this machine: of an absolute one its last part stays."""
    if isinstance(value, dict):
        return {name: public(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [public(one) for one in value]
    return without_folders(value) if isinstance(value, str) else value


def _paths(value: Any) -> Iterator[str]:
    """Every absolute path that a value holds."""
    if isinstance(value, (dict, list, tuple)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _paths(one)
    elif isinstance(value, str) and Path(value).is_absolute():
        yield value


def said(values: dict[str, Any]) -> str:
    """Settings on a line, as a command takes them."""
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in values.items())


def _changed(changed: dict[str, Any]) -> dict[str, Any]:
    """Other settings than the preset's; where the texts lay is nobody's affair."""
    return {name: public(value) for name, value in changed.items() if name not in _TEXTS}


def comparisons(built: BuiltSet) -> list[Comparison]:
    """Every measure that tuned model and base of a set both have, from its report."""
    report = built.part(EVAL_REPORT)
    measures = [Measure(**row) for row in report.read(MEASURES.name).iter_rows(named=True)]
    gaps = [Gap(**row) for row in report.read(GAPS.name).drop("clear").iter_rows(named=True)]
    return compare(measures, gaps, built.settings.evaluation)
