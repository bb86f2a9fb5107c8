"""The card of a tuned model, beside its files: on what it was trained, how it did, and what its base's licence demands."""

from __future__ import annotations

from typing import Any

import polars as pl

from xinstr_core.engines.tokenizer_files import as_typed
from xinstr_core.errors import InputError
from xinstr_core.exporting.base_terms import BaseTerms, base_terms
from xinstr_core.exporting.built_set import BuiltSet
from xinstr_core.exporting.facts import comparisons, public, said
from xinstr_core.exporting.markdown import Markdown, code, code_block, render, table
from xinstr_core.exporting.told import comparison_table
from xinstr_core.licences import UNKNOWN_LICENCE, asked_for, hub_identifier, licence_link
from xinstr_core.publishing.tuned import TunedModel
from xinstr_core.schemas.diversified_set import SELECTED
from xinstr_core.schemas.eval_report import EVAL_REPORT
from xinstr_core.schemas.raw_corpus import DOCUMENTS, RAW_CORPUS
from xinstr_core.schemas.refined_pairs import REFINED_PAIRS
from xinstr_core.schemas.seed_pairs import SEEDS
from xinstr_core.schemas.tuned_model import TRAINING_ROWS, TUNED_MODEL


def terms_of(model: TunedModel) -> BaseTerms:
    """The terms of a tuned model's base."""
    return base_terms(model.figures.base_model, model.workspace.home)


def model_card(model: TunedModel, *, is_merged: bool) -> str:
    """README.md of a folder with what was trained, or with the whole model."""
    base, built = terms_of(model), _set_of(model)
    is_adapter = model.is_adapter and not is_merged
    asked = model.ask(model.instructions[0]) if model.instructions else None
    card = render(
        __package__,
        "model_card.md.jinja",
        {
            "title": f"{base.name} tuned for {model.language.name}",
            "language": model.language.name,
            "base": base,
            "link": base.link or licence_link(base.licence),
            "code": code,
            "is_adapter": is_adapter,
            "figures": model.figures,
            "is_known": built is not None,
            "curated": built.figures(REFINED_PAIRS).curated if built else None,
            "is_generated": built is not None and built.is_generated,
            "licences": _licences(built) if built else None,
            "settings": _settings(built) if built else "",
            "comparisons": comparison_table(comparisons(built)) if built and built.has(EVAL_REPORT) else None,
            "prompt": code_block(as_typed(model.tokenizer, asked)) if asked else None,
            "turn": code_block(asked.turn) if asked else None,
        },
    )
    return f"---\n{_header(model, base, is_adapter)}\n---\n\n{card}"


def _set_of(model: TunedModel) -> BuiltSet | None:
    """The set that it was tuned on; None where a part of it was built anew since."""
    try:
        built = BuiltSet.find(model.workspace, model.language.tag)
    except InputError:
        return None
    return built if built.has(TUNED_MODEL) else None


def _header(model: TunedModel, base: BaseTerms, is_adapter: bool) -> str:
    """The header as YAML. What only who publishes it can know is a comment to fill in."""
    from huggingface_hub import ModelCardData

    tag = model.language.tag.partition("-")[0]
    data = ModelCardData(
        base_model=base.hub_id,
        language=[*dict.fromkeys((tag, "en"))],
        **_licence(base),
        library_name="peft" if is_adapter else "transformers",
        pipeline_tag="text-generation",
        tags=["instruction-tuning", "cross-lingual", "x-instruction"],
    )
    lines = [str(data.to_yaml(line_break="\n")).strip()]
    if base.hub_id is None:
        lines.append("# base_model: FILL IN the id of the base on the hub, where it has one")
    lines.append("# datasets: FILL IN the ids of the sets that it was tuned on, where they are published")
    return "\n".join(lines)


def _licence(base: BaseTerms) -> dict[str, Any]:
    """The base's licence, which holds for what was made of it."""
    if (identifier := hub_identifier(base.licence)) is not None:
        return {"license": identifier}
    return {"license": "other", "license_name": base.licence, "license_link": base.link or "README.md"}


def _licences(built: BuiltSet) -> Markdown:
    """Rows that it was trained on by licence and by whether people gave them as seeds, with what each licence asks for."""
    learned = built.part(TUNED_MODEL).scan(TRAINING_ROWS.name).select("pair_id")
    documents = built.part(RAW_CORPUS).scan(DOCUMENTS.name).select("doc_id", "licence")
    selected = built.parts[SELECTED.asset].scan(SELECTED.name).select("pair_id", "doc_id")
    seeds = built.parts[SEEDS.asset].scan(SEEDS.name).select("pair_id", "licence")
    of_texts = selected.join(documents, on="doc_id").select("pair_id", "licence", of=pl.lit("corpus"))
    rows = pl.concat([of_texts, seeds.with_columns(of=pl.lit("seeds"))]).join(learned, on="pair_id", how="semi")
    named = pl.when(pl.col("licence") == "").then(pl.lit(UNKNOWN_LICENCE)).otherwise("licence").alias("licence")
    counted = rows.group_by("of", named).agg(pl.len().alias("rows")).collect()
    ordered = counted.sort(["of", "rows", "licence"], descending=[False, True, False])
    return table(
        ["rows", "of", "licence", "asks for"],
        [
            [count, of, licence, asked_for(licence)]
            for of, licence, count in ordered.select("of", "licence", "rows").iter_rows()
        ],
    )


def _settings(built: BuiltSet) -> str:
    """How it was tuned, on a line."""
    tuning = built.part(TUNED_MODEL).made_of.get("settings", {}).get("tuning", {})
    return said(public({name: value for name, value in tuning.items() if not isinstance(value, dict)}))
