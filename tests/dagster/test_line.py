"""The whole line for one language, as the UI and the command line run it, with a tiny model."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from xinstr_core.catalogue import CATALOGUE, build_catalogue, pair_lineage
from xinstr_core.exporting.export import export_dataset
from xinstr_core.publishing.model_folder import write_whole
from xinstr_core.publishing.tuned import TunedModel
from xinstr_core.stages import LINE
from xinstr_core.store import MANIFEST, Store
from xinstr_core.workspace import Workspace
from xinstr_dagster.assets.catalogue import catalogue
from xinstr_dagster.build import BuildRequest, build
from xinstr_dagster.checks import CHECKS, failed_blocking_check
from xinstr_dagster.definitions import build_definitions
from xinstr_dagster.resources import XinstrResource

STAGES = [stage.name for stage in LINE]
# A model that was never trained answers in no language; and nothing is left out where everything is kept.
EXPECTED_TO_FAIL = {"eval_report:right_language", "refined_pairs:selective"}
PLOTS = {
    "raw_corpus": {"funnel", "funnel plot", "sample of documents", "rejects by reason", "licences"},
    "seed_pairs": {"funnel", "funnel plot", "sample of seeds"},
    "reverse_model": {"loss curve"},
    "candidate_pairs": {"funnel", "funnel plot", "sample of pairs"},
    "evaluator": {"loss curve", "confusion", "reliability"},
    "refined_pairs": {"funnel", "funnel plot", "rating distribution", "sample of pairs"},
    "diversified_set": {"funnel", "funnel plot", "sample of rows"},
    "tuned_model": {"loss curve"},
    "eval_report": {"report", "sample of measures", "sample of replies"},
}


@dataclass(frozen=True)
class Built:
    home: Path
    instance: dg.DagsterInstance
    first: dg.ExecuteInProcessResult
    second: dg.ExecuteInProcessResult

    def manifest(self, asset: str) -> dict[str, Any]:
        path = self.home / "data" / asset / "language=sw" / MANIFEST
        manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return manifest


def _execute(instance: dg.DagsterInstance, **overrides: Any) -> dg.ExecuteInProcessResult:
    job = build_definitions().resolve_job_def("build_language")
    config = {"resources": {"xinstr": {"config": {"overrides": overrides}}}}
    return job.execute_in_process(instance=instance, partition_key="sw", run_config=config, raise_on_error=False)


@pytest.fixture(scope="module")
def built(model_home: Path) -> Built:
    """Swahili built twice on one instance."""
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions("languages", ["sw"])
    return Built(model_home, instance, _execute(instance), _execute(instance))


def _materializations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    events = result.get_asset_materialization_events()
    return {
        event.step_materialization_data.materialization.asset_key.to_user_string(): (
            event.step_materialization_data.materialization
        )
        for event in events
    }


def test_the_tuned_model_that_was_built_is_whole_and_can_be_taken(built: Built, tmp_path: Path) -> None:
    folders = built.manifest("tuned_model")["folders"]
    assert {name: folder["files"] for name, folder in folders.items()} == {
        "adapter": ["adapter_config.json", "adapter_model.safetensors", "training.json"],
        "tokenizer": ["generation_config.json", "tokenizer.json", "tokenizer_config.json"],
    }
    assert write_whole(TunedModel.find(Workspace(built.home), "sw"), tmp_path / "sw", "float32") <= 1e-3


def test_what_was_built_is_exported_whole(built: Built, tmp_path: Path) -> None:
    from datasets import load_dataset

    found = export_dataset(Workspace(built.home), ["sw"], tmp_path / "out", accepted_licences=["Apache 2.0"])
    part = Store(built.home / "data").get("diversified_set", "sw")
    assert part is not None
    loaded = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    stored = part.read("rows").sort("pair_id").select("pair_id", "split", "instruction", "response")
    assert sorted(
        (row["pair_id"], row["split"], *(turn["content"] for turn in row["messages"]))
        for split in loaded
        for row in loaded[split]
    ) == [*stored.iter_rows()]
    assert [total.name for total in found.languages[0].licences] == ["Apache-2.0"]
    assert str(built.home).encode() not in b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*.*"))


def test_every_asset_is_materialised_for_the_language(built: Built) -> None:
    assert built.first.success
    found = {name: materialization.partition for name, materialization in _materializations(built.first).items()}
    assert found == {**dict.fromkeys(STAGES, "sw"), "catalogue": None}


@pytest.mark.parametrize("asset", STAGES)
def test_metadata_shows_what_was_built(built: Built, asset: str) -> None:
    metadata = _materializations(built.first)[asset].metadata
    assert metadata["result"].value == "built"
    assert metadata["fingerprint"].value == built.manifest(asset)["fingerprint"]
    assert metadata["folder"].value == str(built.home / "data" / asset / "language=sw")
    assert metadata.keys() >= PLOTS[asset]
    for name, table in built.manifest(asset)["tables"].items():
        assert metadata[f"rows of {name}"].value == table["rows"]


def test_plots_are_small_images_inside_the_metadata(built: Built) -> None:
    plots = [
        str(metadata[name].value)
        for materialization in _materializations(built.first).values()
        for metadata in [materialization.metadata]
        for name in metadata
        if name in ("funnel plot", "loss curve", "confusion", "reliability", "rating distribution")
    ]
    assert len(plots) == 11
    assert [plot[:40] for plot in plots if not plot.startswith("![plot](data:image/png;base64,iVBORw0KGgo")] == []
    assert max(map(len, plots)) < 200_000


def test_the_report_is_a_page_on_disk_and_its_link_holds_on_any_host(built: Built) -> None:
    metadata = _materializations(built.first)["eval_report"].metadata
    path = Path(str(metadata["report as a file"].value))
    assert path.read_text("utf-8").lstrip().startswith("<!doctype html>")
    assert metadata["report"] == dg.MetadataValue.url("/reports/sw")


def test_the_report_is_written_beside_the_page_across_languages(built: Built) -> None:
    reports = built.home / "data" / "reports"
    assert "<h1>Swahili" in (reports / "sw.html").read_text("utf-8")
    assert 'href="sw.html"' in (reports / "index.html").read_text("utf-8")


def test_every_check_is_recorded_with_its_verdict(built: Built) -> None:
    evaluations = built.first.get_asset_check_evaluations()
    found = {f"{e.asset_key.to_user_string()}:{e.check_name}": e.passed for e in evaluations}
    assert found.keys() == {f"{check.asset}:{check.name}" for check in CHECKS}
    assert {name for name, passed in found.items() if not passed} == EXPECTED_TO_FAIL
    assert {e.metadata["language"].value for e in evaluations} == {"sw"}


def test_data_versions_are_the_versions_of_the_manifests(built: Built) -> None:
    for asset in STAGES:
        tags = _materializations(built.first)[asset].tags or {}
        assert tags["dagster/data_version"] == built.manifest(asset)["version"]
        assert tags["dagster/code_version"] == built.manifest(asset)["made_of"]["version"]


def test_a_second_run_finds_everything_unchanged(built: Built) -> None:
    assert built.second.success
    again = _materializations(built.second)
    assert {again[asset].metadata["result"].value for asset in STAGES} == {"unchanged: nothing had to be done"}
    first = _materializations(built.first)
    versions = [
        (first[a].tags or {})["dagster/data_version"] == (again[a].tags or {})["dagster/data_version"] for a in STAGES
    ]
    assert versions == [True] * len(STAGES)


def test_nothing_unfinished_is_left_behind(built: Built) -> None:
    data = built.home / "data"
    assert [path for path in data.rglob("*") if path.is_file() and "unfinished" in path.parts] == []
    assert [path for path in data.rglob("*") if path.suffix == ".tmp" or "checkpoint" in path.name] == []


def test_lineage_follows_a_training_row_to_its_document_and_its_model(built: Built) -> None:
    corpus = built.home / "data" / "pocket" / "corpus" / "sw.jsonl"
    texts = [json.loads(line)["text"] for line in corpus.read_text("utf-8").splitlines()]
    with duckdb.connect(str(built.home / "data" / CATALOGUE), read_only=True) as connection:
        rows = connection.execute(
            "SELECT l.input_record, l.document, s.response, l.instruction, s.instruction, l.cluster_id, l.tuned_model"
            " FROM lineage l JOIN diversified_set s USING (pair_id) WHERE l.split = 'train'"
        ).fetchall()
    assert len(rows) == 24
    for place, document, response, instruction, trained_on, cluster, model in rows:
        name, _, line = place.partition(":")
        assert name == "sw.jsonl"
        assert response.encode() == document.encode()
        assert response in texts[int(line.partition("[")[0]) - 1]
        assert instruction == trained_on
        assert isinstance(cluster, int)
        assert (Path(model) / "adapter_model.safetensors").is_file()


def test_held_out_rows_have_no_model(built: Built) -> None:
    with duckdb.connect(str(built.home / "data" / CATALOGUE), read_only=True) as connection:
        rows = connection.execute("SELECT tuned_model FROM lineage WHERE split = 'heldout'").fetchall()
    assert rows == [(None,)] * 4


def test_every_response_is_byte_for_byte_a_document(built: Built) -> None:
    store = Store(built.home / "data")
    corpus, pairs = store.get("raw_corpus", "sw"), store.get("candidate_pairs", "sw")
    assert corpus is not None
    assert pairs is not None
    documents = dict(corpus.read("documents").select("doc_id", "text").iter_rows())
    responses = pairs.read("pairs").select("doc_id", "response").rows()
    assert len(responses) == 40
    assert [doc_id for doc_id, response in responses if response.encode() != documents[doc_id].encode()] == []


def test_the_board_shows_each_language_by_stage(built: Built) -> None:
    board = str(_materializations(built.first)["catalogue"].metadata["board"].value)
    header, _, *lines = board.splitlines()
    assert header == "| language | " + " | ".join(name.replace("_", " ") for name in STAGES) + " |"
    cells = {line.split(" | ")[0].removeprefix("| "): line.removesuffix(" |").split(" | ")[1:] for line in lines}
    assert set(cells["Finnish \\(fi\\)"]) == {"·"}
    assert set(cells["Thai \\(th, retired\\)"]) == {"·"}
    assert {cell.split()[0] for cell in cells["Swahili \\(sw\\)"]} == {"✓"}


def test_a_run_that_ends_in_a_failed_check_says_why_and_leaves_a_catalogue_that_can_be_read(built: Built) -> None:
    """The last test of this module: it leaves refined_pairs with nothing kept."""
    failed = _execute(built.instance, curation={"minimum_top_probability": 1.0})
    assert not failed.success
    store = Store(built.home / "data")
    workspace = Workspace(built.home, overrides={"curation": {"minimum_top_probability": 1.0}})
    assert failed_blocking_check(workspace, STAGES, "sw").startswith(
        "refined_pairs: check has_kept_pairs failed (accepted pairs 40, below_level_3 40, kept 0). It asks: "
    )
    pairs = store.get("refined_pairs", "sw")
    assert pairs is not None
    found = pair_lineage(store, pairs.read("pairs")["pair_id"][0])
    assert (found["verdict"], found["kept"], found["language"]) == ("below_level_3", False, "sw")


def test_lineage_goes_on_where_files_of_the_catalogue_are_gone(built: Built, tmp_path: Path) -> None:
    home = shutil.copytree(built.home, tmp_path / "home")
    store = Store(home / "data")
    build_catalogue(store)
    pairs = store.get("refined_pairs", "sw")
    assert pairs is not None
    pair_id = pairs.read("pairs")["pair_id"][0]
    assert pair_lineage(store, pair_id)["document"]
    next((home / "data" / "raw_corpus").rglob("documents-*.parquet")).unlink()
    shutil.rmtree(home / "data" / "catalog.files")
    found = pair_lineage(store, pair_id)
    assert (found["pair_id"], found["document"]) == (pair_id, None)


def test_figures_of_another_release_fail_a_step_with_one_line_that_says_what_makes_them_anew(
    built: Built, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shutil.copytree(built.home, tmp_path / "home")
    monkeypatch.setenv("XINSTR_HOME", str(home))
    path = home / "data" / "evaluator" / "language=sw" / MANIFEST
    manifest = json.loads(path.read_text("utf-8"))
    manifest["figures"]["of_another_release"] = 1
    path.write_text(json.dumps(manifest), "utf-8")
    request = BuildRequest(
        first="refined_pairs", last="refined_pairs", overrides={"curation": {"minimum_top_probability": 0.1}}
    )
    assert build(instance, home, request, "sw").error == (
        "refined_pairs: figures of evaluator are stored otherwise than this release declares them "
        "(of_another_release: Extra inputs are not permitted): `xinstr build sw --from evaluator` makes it anew"
    )


def test_the_catalogue_says_what_is_not_in_it(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = shutil.copytree(built.home, tmp_path / "home")
    monkeypatch.setenv("XINSTR_HOME", str(home))
    (home / "data" / "raw_corpus" / "language=fi").mkdir()
    (home / "data" / "raw_corpus" / "language=fi" / MANIFEST).write_text("{", "utf-8")
    result = dg.materialize([catalogue], resources={"xinstr": XinstrResource()})
    metadata = _materializations(result)["catalogue"].metadata
    assert "raw\\_corpus of fi is not in the catalogue" in str(metadata["left out"].value)
    assert "Finnish" in str(metadata["board"].value)
