"""The card of a tuned model, beside its files: on what it was trained, how it did, and what its base's licence demands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xinstr_core.engines.tokenizer_files import as_typed
from xinstr_core.errors import InputError
from xinstr_core.evaluation.measures import Comparison
from xinstr_core.evaluation.replies import ENGLISH
from xinstr_core.exporting.base_terms import BaseTerms, base_terms
from xinstr_core.exporting.built_set import BuiltSet
from xinstr_core.exporting.card import CARD_FILE
from xinstr_core.exporting.facts import comparisons, public, said
from xinstr_core.exporting.markdown import code, code_block, render
from xinstr_core.exporting.told import comparison_table, verdict
from xinstr_core.licences import asked_for, hub_identifier, licence_link
from xinstr_core.publishing.learned_rows import LearnedRows
from xinstr_core.publishing.terms_beside import licence_texts, terms_beside
from xinstr_core.publishing.tuned import TunedModel
from xinstr_core.schemas.eval_report import EVAL_REPORT
from xinstr_core.schemas.metrics import WRONG_LANGUAGE
from xinstr_core.schemas.refined_pairs import REFINED_PAIRS
from xinstr_core.schemas.tuned_model import TUNED_MODEL
from xinstr_core.text import printable


def terms_of(model: TunedModel) -> BaseTerms:
    """The terms of a tuned model's base."""
    return base_terms(model.figures.base_model, model.workspace.home)


def model_card(model: TunedModel, *, is_merged: bool) -> str:
    """README.md of a folder with what was trained, or with the whole model."""
    base, built = terms_of(model), _set_of(model)
    rows = LearnedRows(built) if built else None
    beside = terms_beside(model.figures.base_model)
    texts = licence_texts(beside, base.licence)
    is_adapter = model.is_adapter and not is_merged
    compared = comparisons(built) if built and built.has(EVAL_REPORT) else []
    asked = model.ask(model.instructions[0]) if model.instructions else None
    card = render(
        __package__,
        "model_card.md.jinja",
        {
            "title": f"{base.name} tuned for {model.language.name}",
            "language": model.language.name,
            "base": base,
            "link": base.link or licence_link(base.licence),
            "licence_texts": texts,
            "other_terms": [name for name in beside if name not in texts],
            "code": code,
            "is_adapter": is_adapter,
            "figures": model.figures,
            "is_known": built is not None,
            "curated": built.figures(REFINED_PAIRS).curated if built else None,
            "is_generated": built.is_generated if built else None,
            "answers": _answers(compared, model.language.name),
            "licences": rows.told if rows else None,
            "restricting": [
                f"{count} of {licence} ({asked_for(licence)})" for licence, count in rows.restricting.items()
            ]
            if rows
            else [],
            "settings": _settings(built) if built else "",
            "comparisons": comparison_table(compared),
            "verdict": verdict(compared, model.language),
            "is_asked_in_language": any(one.prompts == model.language.tag for one in compared),
            "tag": model.language.tag,
            "prompt": code_block(as_typed(model.tokenizer, asked)) if asked else None,
            "turn": code_block(asked.turn) if asked else None,
        },
    )
    return f"---\n{_header(model, base, rows, is_adapter)}\n---\n\n{card}"


def _answers(compared: Sequence[Comparison], language: str) -> str:
    """How often it does not do what it was tuned to do."""
    found = [one for one in compared if (one.metric, one.prompts) == (WRONG_LANGUAGE.name, ENGLISH)]
    if not found:
        return "How often it does was not measured."
    [one] = found
    return (
        f"Of {one.gap.n} replies to English instructions {one.tuned.value:.1%} are not in {language} ({WRONG_LANGUAGE.name} "
        f"{one.tuned.value:.3f}; of its base {one.base.value:.3f})."
    )


def _set_of(model: TunedModel) -> BuiltSet | None:
    """The set that it was tuned on; None where a part of it was built anew since."""
    try:
        built = BuiltSet.find(model.workspace, model.language.tag)
    except InputError:
        return None
    return built if built.has(TUNED_MODEL) else None


def _header(model: TunedModel, base: BaseTerms, rows: LearnedRows | None, is_adapter: bool) -> str:
    """The header as YAML. What only who publishes it can know is a comment to fill in."""
    from huggingface_hub import ModelCardData

    tag = model.language.tag.partition("-")[0]
    data = ModelCardData(
        base_model=base.hub_id,
        language=[*dict.fromkeys((tag, "en"))],
        **_licence(base, rows),
        library_name="peft" if is_adapter else "transformers",
        pipeline_tag="text-generation",
        tags=["instruction-tuning", "cross-lingual", "x-instruction"],
    )
    lines = [str(data.to_yaml(line_break="\n")).strip()]
    if to_fill_in := _licence_to_fill_in(base, rows):
        lines.append(to_fill_in)
    if base.hub_id is None:
        lines.append("# base_model: FILL IN the id of the base on the hub, where it has one")
    lines.append("# datasets: FILL IN the ids of the sets that it was tuned on, where they are published")
    return "\n".join(lines)


def _licence(base: BaseTerms, rows: LearnedRows | None) -> dict[str, Any]:
    """The base's licence holds for what was made of it; where the rows restrict that, or are not known, it is not all."""
    if rows is None or rows.restricting:
        return {"license": "other", "license_name": "fill-in", "license_link": CARD_FILE}
    if (identifier := hub_identifier(base.licence)) is not None:
        return {"license": identifier}
    return {"license": "other", "license_name": base.licence, "license_link": base.link or CARD_FILE}


def _licence_to_fill_in(base: BaseTerms, rows: LearnedRows | None) -> str:
    """What the header says where the base's licence may not stand in it; empty where it may."""
    if rows is None:
        return f"# license: FILL IN. The base's is {base.licence}; the licences of the rows that it learned are not known here"
    if not rows.restricting:
        return ""
    names = ", ".join(printable(" ".join(name.split())) for name in rows.restricting)
    return f"# license: FILL IN. The base's is {base.licence}; rows that it learned are under {names}, which restrict its use or are not known"


def _settings(built: BuiltSet) -> str:
    """How it was tuned, on a line."""
    tuning = built.part(TUNED_MODEL).made_of.get("settings", {}).get("tuning", {})
    return said(public({name: value for name, value in tuning.items() if not isinstance(value, dict)}))
