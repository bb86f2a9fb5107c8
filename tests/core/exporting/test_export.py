"""An export is what was built, in the bytes that follow from it, and reads the same wherever it is loaded."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tests.core.conftest import Killed
from tests.core.exporting.conftest import BuiltHome, Pair, exported
from tests.core.training.conftest import contents
from xinstr_core.catalogue import CATALOGUE, build_catalogue
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.exporting import export, stored_rows
from xinstr_core.exporting.built_set import BuiltSet
from xinstr_core.exporting.export import export_dataset
from xinstr_core.exporting.licensing import LicencesNotAcceptedError
from xinstr_core.exporting.split_files import SplitFiles
from xinstr_core.exporting.stored_rows import StoredRows
from xinstr_core.workspace import Workspace

NASTY = 'Mstari "wa kwanza"\n\\ wa pili\u2028 | </s> 👩🏽\u200d🌾 \t `` <b>'
TRIPLES = [
    ("other_text", "p000", "p001"),
    ("other_text", "p001", "s1"),
    ("cut_off", "s1", "s1"),
    ("weaker", "p000", "p000"),
]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def written(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def loaded(folder: Path, *config: str, split: str = "train") -> list[dict[str, Any]]:
    """As `datasets` loads it, with a cache of its own."""
    from datasets import load_dataset

    rows = load_dataset(str(folder), *config, cache_dir=str(folder.parent / "cache"))
    return list(rows[split])


def test_a_set_is_written_in_every_format(home: BuiltHome, tmp_path: Path) -> None:
    pairs = (Pair(response=NASTY), Pair(split="heldout"))
    exported(replace(home, pairs=pairs).build(), tmp_path / "out")
    assert written(tmp_path / "out") == {
        "README.md",
        "LICENSE.md",
        "dataset_info.json",
        "sw/build.json",
        *(
            f"sw/{of}/{split}.{kind}"
            for of in ("chat", "alpaca")
            for split in ("train", "heldout")
            for kind in ("parquet", "jsonl")
        ),
    }
    [chat] = lines(tmp_path / "out" / "sw" / "chat" / "train.jsonl")
    [alpaca] = lines(tmp_path / "out" / "sw" / "alpaca" / "train.jsonl")
    assert chat["messages"] == [
        {"role": "user", "content": "What is thing 0?"},
        {"role": "assistant", "content": NASTY},
    ]
    assert (alpaca["instruction"], alpaca["input"], alpaca["output"]) == ("What is thing 0?", "", NASTY)
    of_row = {name: value for name, value in chat.items() if name != "messages"}
    assert of_row == {name: value for name, value in alpaca.items() if name not in ("instruction", "input", "output")}
    assert of_row == {
        "pair_id": "p000",
        "language": "sw",
        "split": "train",
        "source_tag": "web",
        "doc_id": "d000",
        "source": "wiki",
        "url": "https://example.org/0",
        "licence": "CC-BY-4.0",
        "p_level_1": 0.1,
        "p_level_2": 0.2,
        "p_level_3": 0.7,
        "rating": 2.6,
        "instruction_quality": 0.9,
        "pair_fit": 0.8,
        "right_instruction": None,
        "gain": 1.5,
        "verdict": "kept",
        "round": 1,
        "evaluator": "x",
        "topic": None,
        "cluster_id": 0,
        "distance_to_centre": 0.25,
        "rank_in_cluster": None,
        "sample": 1,
        "opening": None,
        "prompt_version": "reverse-1",
        "reverse_model": "x",
        "sampling_seed": 1,
        "origin": "web",
        "base_model": "pocket",
        "base_model_fingerprint": "fingerprint-of-base",
        "xinstr_version": "0.1.0",
        **{
            f"{asset}_version": home.made[asset].version
            for asset in ("raw_corpus", "candidate_pairs", "refined_pairs", "diversified_set")
        },
    }


def test_datasets_loads_the_rows_of_the_catalogue(home: BuiltHome, tmp_path: Path) -> None:
    workspace = replace(
        home, pairs=(Pair(response=NASTY), Pair("CC0-1.0"), Pair(split="heldout")), triples=TRIPLES
    ).build()
    out = tmp_path / "out"
    exported(workspace, out, "cc-by-4.0", "cc0-1.0", "apache-2.0", with_seeds=True)
    build_catalogue(workspace.store)
    columns = "pair_id, doc_id, instruction, response, source, url, licence, rating, p_level_3, cluster_id, split"
    with duckdb.connect(str(workspace.store.root / CATALOGUE), read_only=True) as connection:
        stored = {
            split: connection.execute(
                f"SELECT {columns}, document FROM lineage JOIN (SELECT pair_id, response FROM diversified_set) USING (pair_id) "
                f"WHERE split = '{split}' ORDER BY pair_id"
            ).fetchall()
            for split in ("train", "heldout")
        }
        triples = connection.execute(
            "SELECT triple_id, instruction, chosen, rejected FROM preferences ORDER BY ALL"
        ).fetchall()
    names = columns.split(", ")
    for split, rows in stored.items():
        wanted = [dict(zip(names, row[:-1], strict=True)) for row in rows]
        assert all(row[3] == row[-1] for row in rows)
        chat, alpaca = loaded(out, split=split), loaded(out, "alpaca", split=split)
        assert chat == loaded(out, "chat", split=split) == lines(out / "sw" / "chat" / f"{split}.jsonl")
        assert alpaca == lines(out / "sw" / "alpaca" / f"{split}.jsonl")
        assert [{name: {**row, "response": row["output"]}[name] for name in names} for row in alpaca] == wanted
        assert [[turn["content"] for turn in row["messages"]] for row in chat] == [
            [row["instruction"], row["response"]] for row in wanted
        ]
    preferences = loaded(out, "preferences")
    assert [
        (row["triple_id"], *(row[side][0]["content"] for side in ("prompt", "chosen", "rejected")))
        for row in preferences
    ] == triples
    assert preferences == lines(out / "sw" / "preferences" / "train.jsonl")
    assert loaded(out, "alpaca_preferences") == lines(out / "sw" / "alpaca_preferences" / "train.jsonl")
    [seed] = loaded(out, "seeds")
    assert (seed["origin"], seed["messages"][1]["content"]) == ("native", "Mama anapika.")


def test_several_languages_have_configs_of_their_own_and_one_over_all(home: BuiltHome, tmp_path: Path) -> None:
    home.build()
    workspace = replace(home, tag="zh-hant", made={}, optional=("right_instruction",)).build()
    out = tmp_path / "out"
    export_dataset(workspace, ["zh-hant", "sw", "sw"], out, accepted_licences=["cc-by-4.0"])
    assert [row["language"] for row in loaded(out)] == ["sw", "sw", "zh-hant", "zh-hant"]
    assert [row["right_instruction"] for row in loaded(out)] == [None, None, 0.5, 0.5]
    assert [row["language"] for row in loaded(out, "alpaca-zh-hant", split="heldout")] == ["zh-hant"]


def test_equal_builds_give_equal_bytes(home: BuiltHome, tmp_path: Path) -> None:
    first = replace(home, triples=TRIPLES)
    exported(first.build(), tmp_path / "one")
    exported(Workspace(first.home), tmp_path / "two")
    later = replace(first, home=tmp_path / "another home", time="2027-07-07T07:07:07+00:00", made={})
    exported(later.build(), tmp_path / "three")
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two") == contents(tmp_path / "three")
    assert not any(str(tmp_path).encode() in content or b"2026-01-01" in content for content in one.values())


def test_batches_change_neither_rows_nor_json_lines(
    home: BuiltHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = replace(home, pairs=[Pair() for _ in range(5)]).build()
    exported(workspace, tmp_path / "whole")
    monkeypatch.setattr(stored_rows, "BATCH_ROWS", 2)
    exported(workspace, tmp_path / "batches")
    name = Path("sw") / "chat" / "train"
    whole, batches = ((tmp_path / of / name) for of in ("whole", "batches"))
    assert whole.with_suffix(".jsonl").read_bytes() == batches.with_suffix(".jsonl").read_bytes()
    import pyarrow.parquet

    groups = pyarrow.parquet.ParquetFile(batches.with_suffix(".parquet")).metadata
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [2, 2, 1]


def test_triples_of_seeds_need_the_seeds_and_both_sides_an_accepted_licence(home: BuiltHome, tmp_path: Path) -> None:
    pairs = (Pair(), Pair("CC-BY-SA-4.0"))
    workspace = replace(home, pairs=pairs, triples=TRIPLES).build()

    def keys(out: str, *licences: str, **options: Any) -> tuple[list[str], int]:
        [one] = exported(workspace, tmp_path / out, *licences, **options).languages
        path = tmp_path / out / "sw" / "preferences" / "train.jsonl"
        return [row["triple_id"] for row in lines(path)], one.triples_left_out

    assert keys("one licence", "cc-by-4.0") == (["t3"], 3)
    assert keys("two licences", "cc-by-4.0", "cc-by-sa-4.0") == (["t0", "t3"], 2)
    assert keys("seeds", "cc-by-4.0", "cc-by-sa-4.0", with_seeds=True) == (["t0", "t3"], 2)
    assert keys("all", "cc-by-4.0", "cc-by-sa-4.0", "apache-2.0", with_seeds=True) == (["t0", "t1", "t2", "t3"], 0)
    sides = {
        row["triple_id"]: row["rejected_licence"]
        for row in lines(tmp_path / "all" / "sw" / "preferences" / "train.jsonl")
    }
    assert sides == {"t0": "CC-BY-SA-4.0", "t1": "Apache-2.0", "t2": "Apache-2.0", "t3": None}


def test_rows_of_licences_that_were_not_accepted_are_left_out_and_named(home: BuiltHome, tmp_path: Path) -> None:
    pairs = (Pair(), Pair("CC BY 4.0"), Pair("CC-BY-NC-4.0"), Pair(""), Pair("unknown"))
    workspace = replace(home, pairs=pairs).build()
    [one] = exported(workspace, tmp_path / "out", "cc-by-4.0").languages
    assert [(total.name, total.rows, total.accepted) for total in one.licences] == [
        ("CC BY 4.0", 2, True),
        ("unknown", 2, False),
        ("CC-BY-NC-4.0", 1, False),
    ]
    assert [row["pair_id"] for row in lines(tmp_path / "out" / "sw" / "chat" / "train.jsonl")] == ["p000", "p001"]
    exported(workspace, tmp_path / "unknown", "Unknown")
    assert [row["licence"] for row in lines(tmp_path / "unknown" / "sw" / "chat" / "train.jsonl")] == ["unknown"] * 2


@pytest.mark.parametrize("accepted", [[], ["Apache-2.0"]])
def test_without_an_accepted_licence_nothing_is_written(home: BuiltHome, tmp_path: Path, accepted: list[str]) -> None:
    workspace = replace(home, pairs=(Pair(), Pair("all rights reserved"), Pair(split="heldout"))).build()
    with pytest.raises(LicencesNotAcceptedError) as caught:
        export_dataset(workspace, ["sw"], tmp_path / "new" / "out", accepted_licences=accepted)
    assert str(caught.value) == (
        "no row to train on has a licence that was accepted, and nothing was written (sw has 2 of CC-BY-4.0, 1 of all rights "
        "reserved): accept those whose terms you can keep, as by --accept-licence CC-BY-4.0 --accept-licence 'all rights reserved'"
    )
    assert [*(tmp_path / "new").iterdir()] == []


def test_one_row_is_a_set(home: BuiltHome, tmp_path: Path) -> None:
    exported(replace(home, pairs=(Pair(),)).build(), tmp_path / "out")
    assert [row["pair_id"] for row in loaded(tmp_path / "out")] == ["p000"]
    assert not (tmp_path / "out" / "sw" / "chat" / "heldout.parquet").exists()


def test_a_set_without_rows_is_none(home: BuiltHome, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^the set of sw has no rows: "):
        exported(replace(home, pairs=()).build(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_set_without_a_tuned_model_is_exported_too(home: BuiltHome, tmp_path: Path) -> None:
    exported(replace(home, up_to="diversified_set").build(), tmp_path / "out")
    assert "No model that this release knows was tuned on this set" in (tmp_path / "out" / "README.md").read_text(
        "utf-8"
    )


@pytest.mark.parametrize(
    ("tag", "error", "said"),
    [
        ("xx", SettingsError, r"^unknown language 'xx'; known: sw, zh-hant; add it with: "),
        ("../sw", SettingsError, r"^'../sw' is no language key"),
        ("zh-hant", InputError, r"^zh-hant has no raw_corpus yet: xinstr build zh-hant --to diversified_set$"),
    ],
)
def test_a_language_that_is_not_there_is_told(
    home: BuiltHome, tmp_path: Path, tag: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        export_dataset(home.build(), ["sw", tag], tmp_path / "out", accepted_licences=["CC-BY-4.0"])
    assert not (tmp_path / "out").exists()


def test_no_language_is_told(home: BuiltHome, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^name a language to export$"):
        export_dataset(home.build(), [], tmp_path / "out")


def test_parts_that_do_not_belong_together_are_told(home: BuiltHome, tmp_path: Path) -> None:
    workspace = home.build()
    replace(home, pairs=(Pair("CC0-1.0"),), up_to="candidate_pairs", made={}).build()
    with pytest.raises(
        InputError,
        match=r"^candidate_pairs of sw was built anew since refined_pairs was made of it: xinstr build sw --to",
    ):
        exported(workspace, tmp_path / "out")


def test_partitions_of_another_release_or_cut_off_are_told(home: BuiltHome, tmp_path: Path) -> None:
    workspace = home.build()
    corpus = workspace.store.path("raw_corpus", "sw")
    manifest = corpus / "manifest.json"
    before = manifest.read_text("utf-8")

    def refused(said: str) -> None:
        with pytest.raises(InputError, match=said):
            exported(workspace, tmp_path / "out")

    manifest.write_text(before.replace('"licence": "String",', ""), "utf-8")
    refused(r"^table documents of raw_corpus is of another release: xinstr build sw --from raw_corpus makes it anew$")
    manifest.write_text(before.replace('"records"', '"recordings"'), "utf-8")
    refused(r"^figures of raw_corpus are stored otherwise than this release declares them ")
    manifest.write_text(before, "utf-8")
    [table] = corpus.glob("documents-*.parquet")
    table.write_bytes(table.read_bytes()[:100])
    refused(r"^files of raw_corpus are gone or cut off ")


@pytest.mark.parametrize(
    ("asset", "table"), [("refined_pairs", "pairs"), ("tuned_model", "preferences"), ("eval_report", "measures")]
)
def test_tables_that_are_not_what_was_stored_are_told(home: BuiltHome, tmp_path: Path, asset: str, table: str) -> None:
    workspace = home.build()
    path = home.made[asset].table_path(table)
    content = path.read_bytes()
    path.write_bytes(content[:20] + bytes(20) + content[40:])  # of the same size, as a disk that lost a block has it
    with pytest.raises(InputError, match=rf"^table {table} of {asset} in .* is no longer what was stored"):
        exported(workspace, tmp_path / "out")
    path.write_bytes(content[:40])
    with pytest.raises(InputError, match=rf"^files of {asset} are gone or cut off"):
        exported(workspace, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_partition_that_goes_meanwhile_is_told(
    home: BuiltHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = home.build()
    licensing = export._licensing

    def replaced(*given: Any) -> Any:
        found = licensing(*given)
        shutil.rmtree(workspace.store.path("raw_corpus", "sw"))
        return found

    monkeypatch.setattr(export, "_licensing", replaced)
    with pytest.raises(
        InputError, match=r"^files of sw went or could not be read meanwhile .* export again when that is done$"
    ):
        exported(workspace, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("there", ["file", "folder"])
def test_a_target_that_is_there_is_not_written_over(home: BuiltHome, tmp_path: Path, there: str) -> None:
    workspace, out = home.build(), tmp_path / "out"
    if there == "file":
        out.write_text("mine", "utf-8")
    else:
        out.mkdir()
        (out / "mine.txt").write_text("mine", "utf-8")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(
        InputError, match=rf"^{out} (is a file|exists and is not empty): give the name of a new folder$"
    ):
        exported(workspace, out)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("error", [Killed(), OSError(28, "No space left on device")])
def test_what_ends_in_the_middle_leaves_nothing(
    home: BuiltHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    workspace, write, left = home.build(), SplitFiles.write, [2]

    def failing(files: SplitFiles, rows: pl.DataFrame) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise error
        write(files, rows)

    with monkeypatch.context() as patch:
        patch.setattr(SplitFiles, "write", failing)
        with pytest.raises(
            (Killed, InputError), match=None if isinstance(error, Killed) else "no room is left on the disk"
        ):
            exported(workspace, tmp_path / "new" / "out")
    assert [*(tmp_path / "new").iterdir()] == []
    (tmp_path / "new" / ".out.xinstr-unfinished" / "sw").mkdir(parents=True)  # as a kill by the kernel leaves it
    exported(workspace, tmp_path / "new" / "out")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def test_a_base_model_is_called_by_its_folder_alone(home: BuiltHome, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "base-1b"
    folder.mkdir(parents=True)
    exported(replace(home, base_model=str(folder)).build(), tmp_path / "out")
    found = contents(tmp_path / "out")
    assert lines(tmp_path / "out" / "sw" / "chat" / "train.jsonl")[0]["base_model"] == "base-1b"
    assert not any(str(tmp_path).encode() in content for content in found.values())


def test_ctrl_c_in_a_query_is_ctrl_c(home: BuiltHome, tmp_path: Path) -> None:
    home.build()
    built = BuiltSet.find(Workspace(home.home), "sw")
    threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT)).start()
    with StoredRows(built, tmp_path / "spill", {}) as rows, pytest.raises(KeyboardInterrupt):
        rows._run("SELECT count(*) FROM range(1_000_000_000) a, range(1_000) b WHERE a.range % 7 = b.range").fetchall()
