"""The card of an export is one that the hub reads, and says what was measured and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from huggingface_hub import DatasetCard

from tests.core.exporting.conftest import BuiltHome, Pair, exported
from xinstr_core.corpus.sources import file_identity
from xinstr_core.curation.audit import audit_file, write_audit
from xinstr_core.exporting.export import export_dataset
from xinstr_core.exporting.markdown import code_block, escaped
from xinstr_core.schemas import refined_pairs
from xinstr_core.schemas.eval_report import AUDIT, ReportFigures
from xinstr_core.schemas.export import CHAT
from xinstr_core.store import StageOutput

# What huggingface/hub-docs, datasetcard.md, names; license_name and license_link stand where the licence is `other`.
FIELDS = {
    "language",
    "license",
    "pretty_name",
    "size_categories",
    "task_categories",
    "multilinguality",
    "annotations_creators",
    "language_creators",
    "language_details",
    "source_datasets",
    "tags",
    "configs",
    "dataset_info",
}


def card_of(home: BuiltHome, folder: Path, *licences: str, **options: Any) -> DatasetCard:
    exported(home.build(), folder, *licences, **options)
    return DatasetCard.load(folder / "README.md")


def test_the_header_has_every_field_that_the_hub_names(home: BuiltHome, tmp_path: Path) -> None:
    card = card_of(home, tmp_path / "out")
    data = card.data.to_dict()
    assert data.keys() == FIELDS
    assert (data["language"], data["language_details"]) == (["sw", "en"], ["sw-Latn"])
    assert (data["license"], data["size_categories"]) == ("cc-by-4.0", ["n<1K"])
    assert [(one["config_name"], one.get("default")) for one in data["configs"]] == [("chat", True), ("alpaca", None)]
    assert data["configs"][0]["data_files"] == [
        {"split": "train", "path": ["sw/chat/train.parquet"]},
        {"split": "heldout", "path": ["sw/chat/heldout.parquet"]},
    ]
    info = data["dataset_info"][0]
    assert [one["name"] for one in info["features"]] == [column.name for column in CHAT.columns]
    assert [(one["name"], one["num_examples"]) for one in info["splits"]] == [("train", 2), ("heldout", 1)]
    sizes = [(tmp_path / "out" / "sw" / "chat" / f"{split}.parquet").stat().st_size for split in ("train", "heldout")]
    assert info["download_size"] == sum(sizes)


@pytest.mark.parametrize(
    ("licences", "header"),
    [
        (["CC-BY-4.0", "CC0 1.0"], {"license": ["cc-by-4.0", "cc0-1.0"]}),
        (["unknown"], {"license": "unknown"}),
        (
            ["CC-BY-4.0", "CC-BY"],
            {"license": "other", "license_name": "licences-of-the-rows", "license_link": "LICENSE.md"},
        ),
    ],
)
def test_the_licence_is_named_as_the_hub_wants_it(
    home: BuiltHome, tmp_path: Path, licences: list[str], header: dict[str, Any]
) -> None:
    card = card_of(replace(home, pairs=[Pair(one) for one in licences]), tmp_path / "out", *licences)
    data = card.data.to_dict()
    assert {name: value for name, value in data.items() if name.startswith("license")} == header


def test_rows_by_licence_are_told_with_what_was_left_out(home: BuiltHome, tmp_path: Path) -> None:
    pairs = (Pair(), Pair(), Pair("CC0-1.0", source="news"), Pair("CC-BY-NC-4.0"))
    text = card_of(replace(home, pairs=pairs), tmp_path / "out", "cc-by-4.0", "cc0-1.0").text
    accepted, left_out = text.split("Left out, since their licences were not accepted:")
    assert "| [CC-BY-4.0](https://creativecommons.org/licenses/by/4.0/) | 2 | name the author |\n" in accepted
    assert "| [CC0-1.0](https://creativecommons.org/publicdomain/zero/1.0/) | 1 | nothing |\n" in accepted
    row = (
        "| [CC-BY-NC-4.0](https://creativecommons.org/licenses/by-nc/4.0/) | 1 | name the author, no commercial use |\n"
    )
    assert row in left_out and row not in accepted
    assert (
        "Of these, 3 to train on and 0 held out are in this export; the others are of licences that were not accepted.\n"
        in text
    )
    page = (tmp_path / "out" / "LICENSE.md").read_text("utf-8")
    assert "## CC-BY-4.0: 2 rows\n" in page and "- news (sw: 1)\n" in page and "CC-BY-NC" not in page


def test_the_funnel_and_the_evaluator_are_told_with_intervals(home: BuiltHome, tmp_path: Path) -> None:
    text = card_of(home, tmp_path / "out").text
    assert "**Swahili: curated.**" in text
    assert "| `raw_corpus` | too\\_short | 1 |\n" in text
    assert re.search(r"\| accuracy \| 0\.800 \(0\.6\d\d to 0\.9\d\d\) \| a third by chance; 0.7 is needed \|", text)
    assert "No speaker of the language has labelled pairs of this set" in text
    assert (
        "| wrong-language rate | en | 0.750 | 0.250 | -0.500 (-0.600 to -0.400) | lower | 96 | share | yes, case by case |\n"
        in text
    )


@pytest.mark.parametrize(
    ("rounds", "told"),
    [
        ([], "the evaluator as it was trained first; no round rated pairs with it:"),
        ([(1, True)], "the evaluator of round 1, as it was trained first:"),
        (
            [(1, True), (2, True), (3, False)],
            "the evaluator of round 2, which learned again from pairs of the round before; the report's own table is of the one of "
            "round 1:",
        ),
    ],
)
def test_the_figures_of_the_evaluator_name_their_round(
    home: BuiltHome, tmp_path: Path, rounds: list[tuple[int, bool]], told: str
) -> None:
    assert f"Figures are of {told}\n" in card_of(replace(home, rounds=rounds), tmp_path / "out").text


def test_the_verdict_is_that_of_the_report(home: BuiltHome, tmp_path: Path) -> None:
    text = card_of(home, tmp_path / "out").text
    assert "| which way is better | cases | unit | tuned is better |\n" in text
    assert "better than the base model? Yes: it is better on 1 of 1 measure and worse on none.\n" in text


def test_generated_text_is_not_called_natural(home: BuiltHome, tmp_path: Path) -> None:
    text = card_of(replace(home, corpus="pocket"), tmp_path / "out").text
    assert "each with a response that is generated text. " in text and "natural text" not in text
    assert "natural text of the language, untouched" in card_of(replace(home, made={}), tmp_path / "natural").text


def test_what_was_not_curated_is_not_called_so(home: BuiltHome, tmp_path: Path) -> None:
    text = card_of(replace(home, curated=False), tmp_path / "out").text
    assert "**Swahili: not curated.**" in text and "**Swahili: curated.**" not in text


def test_labels_of_people_are_told(home: BuiltHome, tmp_path: Path) -> None:
    pairs = [Pair() for _ in range(8)]
    workspace = replace(home, pairs=pairs, up_to="tuned_model").build()
    path = audit_file(workspace.home, "sw")
    write_audit(home.made["refined_pairs"].scan(refined_pairs.PAIRS.name), path, 8, overwrite=False)
    labelled = pl.read_csv(path, infer_schema=False).with_columns(level=pl.lit("3"))
    labelled.write_csv(path)
    exported(workspace, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "People labelled pairs without seeing their ratings (8 of 8 pairs labelled):" in text
    assert re.search(r"\| kept \| precision \(level 3 of what was kept\) \| 1\.000 \(0\.\d+ to 1\.000\) \| 8 \|", text)


def test_labels_are_told_as_the_report_read_them_and_that_they_changed_since(home: BuiltHome, tmp_path: Path) -> None:
    workspace = home.build()
    path = audit_file(workspace.home, "sw")
    path.parent.mkdir()
    path.write_text("labels", "utf-8")
    row = {"language": "sw", "aspect": "kept", "measure": "precision", "value": 0.75, "low": 0.5, "high": 0.9, "n": 24}
    report = home.made["eval_report"]
    parts = {**report.made_of, "files": {"audit": file_identity(path)}}
    figures = report.read_figures(ReportFigures).model_copy(update={"audit_note": "48 of 48 pairs labelled"})
    tables = {name: report.read(name) for name in report.tables}
    workspace.store.commit(
        "eval_report", "sw", "labelled", parts, StageOutput({**tables, "audit": AUDIT.frame([row])}, figures=figures)
    )
    exported(workspace, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "People labelled pairs without seeing their ratings (48 of 48 pairs labelled):" in text
    assert "| kept | precision | 0.750 (0.500 to 0.900) | 24 |" in text
    path.write_text("other labels", "utf-8")
    exported(workspace, tmp_path / "again")
    changed = "(48 of 48 pairs labelled; the labels were changed since the report: xinstr build sw reads them)"
    assert changed in (tmp_path / "again" / "README.md").read_text("utf-8")


def test_labels_that_no_report_read_are_told_to_be_there(home: BuiltHome, tmp_path: Path) -> None:
    workspace = home.build()
    path = audit_file(workspace.home, "sw")
    path.parent.mkdir()
    path.write_text("labels", "utf-8")
    exported(workspace, tmp_path / "out")
    assert "Of people's labels nothing can be told: the labels were changed since the report:" in (
        tmp_path / "out" / "README.md"
    ).read_text("utf-8")


def test_text_from_outside_stays_text(home: BuiltHome, tmp_path: Path) -> None:
    source, response = "[x](javascript:alert(1)) | <img src=x>\n# Title", "---\nlicense: mit\n---\n````\n</table>\n```"
    card = card_of(replace(home, pairs=(Pair(source=source, response=response),)), tmp_path / "out")
    assert card.data.license == "cc-by-4.0"
    assert "\\[x\\](javascript:alert(1)) \\| &lt;img src=x&gt; \\# Title" in card.text
    assert "<img" not in card.text.split("## Examples")[0]
    assert "\n# Title" not in card.text
    [example] = re.findall(r"\n(`{5,})json\n", card.text)
    assert len(example) == 5


def test_how_it_is_made_again_and_cited_is_told(home: BuiltHome, tmp_path: Path) -> None:
    text = card_of(home, tmp_path / "out").text
    assert (
        "xinstr build sw --preset pocket --base-model pocket\nxinstr export sw --to DIR --accept-licence CC-BY-4.0\n"
        in text
    )
    assert "  author = {FILL IN: who publishes it},\n" in text and "2024.findings-acl.30" in text


def test_settings_of_every_stage_are_told_and_folders_called_so(home: BuiltHome, tmp_path: Path) -> None:
    base = tmp_path / "models" / "base-1b"
    base.mkdir(parents=True)
    changed = {
        "reverse_model": {"reverse_model.maximum_seed_pairs": 700},
        "diversified_set": {"diversity.encoder": "/models/mini", "base_model": str(base)},
    }
    text = card_of(replace(home, changed=changed, base_model=str(base)), tmp_path / "out").text
    assert "| `reverse_model` | pocket | `reverse_model.maximum_seed_pairs=700` |\n" in text
    assert (
        "xinstr build sw --preset pocket --base-model base-1b --set 'diversity.encoder=\"mini\"' "
        "--set reverse_model.maximum_seed_pairs=700\n"
    ) in text
    assert "`base-1b`, `mini`: names of folders on the machine of the build. Put in place of each a path" in text
    assert "- Models were trained from base-1b (a folder on the machine of the build; fingerprint" in text
    build = json.loads((tmp_path / "out" / "sw" / "build.json").read_text("utf-8"))
    assert [*build] == [
        "candidate_pairs",
        "diversified_set",
        "eval_report",
        "evaluator",
        "raw_corpus",
        "refined_pairs",
        "reverse_model",
        "seed_pairs",
        "tuned_model",
    ]
    assert build["reverse_model"]["changed"] == {"reverse_model.maximum_seed_pairs": 700}


def test_what_is_no_folder_is_not_called_so(home: BuiltHome, tmp_path: Path) -> None:
    assert "on the machine of the build" not in card_of(home, tmp_path / "out").text


def test_seeds_are_told_by_origin_and_apart_in_the_totals(home: BuiltHome, tmp_path: Path) -> None:
    home = replace(home, seed_origin="parallel")
    text = card_of(home, tmp_path / "out", "CC BY 4.0", "Apache-2.0", with_seeds=True).text
    assert (
        "not part of the `chat` rows; Swahili: 1 whose response people translated and whose instruction a model wrote for its "
        "English side. "
    ) in text
    assert "| licence | rows | of them seed pairs | asks for |\n" in text
    assert "| [CC-BY-4.0](https://creativecommons.org/licenses/by/4.0/) | 3 | 0 | name the author |\n" in text
    assert (
        "| [Apache-2.0](https://www.apache.org/licenses/LICENSE-2.0) | 1 | 1 | keep its notices and its text |\n"
        in text
    )
    assert "other people" not in text
    page = (tmp_path / "out" / "LICENSE.md").read_text("utf-8")
    assert "## Apache-2.0: 1 rows, 1 of them seed pairs\n" in page and "## CC-BY-4.0: 3 rows\n" in page


def test_only_licences_that_took_rows_make_it_again(home: BuiltHome, tmp_path: Path) -> None:
    text = card_of(home, tmp_path / "out", "cc by 4.0", "MITT").text
    assert "xinstr export sw --to DIR --accept-licence CC-BY-4.0\n" in text and "MITT" not in text


def test_a_set_of_several_languages_tells_of_each(home: BuiltHome, tmp_path: Path) -> None:
    home.build()
    workspace = replace(home, tag="zh-hant", made={}).build()
    export_dataset(workspace, ["sw", "zh-hant"], tmp_path / "out", accepted_licences=["cc-by-4.0"])
    card = DatasetCard.load(tmp_path / "out" / "README.md")
    assert card.data.language == ["sw", "zh", "en"]
    assert card.data.to_dict()["language_details"] == ["sw-Latn", "zh-Hant"]
    assert [one["config_name"] for one in card.data.to_dict()["configs"]] == [
        "chat", "chat-sw", "chat-zh-hant", "alpaca", "alpaca-sw", "alpaca-zh-hant",
    ]  # fmt: skip
    assert "# Swahili and Chinese instruction pairs" in card.text
    assert card.text.count("to train on and 1 held out are in this export.") == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a_b *c*", "a\\_b \\*c\\*"), ("a\n\nb", "a b"), ("<b>&", "&lt;b&gt;&amp;"), ("\u202eabc", "abc")],
)
def test_no_sign_of_a_value_means_anything(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_a_fence_is_longer_than_any_in_its_text() -> None:
    assert code_block("a ```` b") == "`````\na ```` b\n`````"
