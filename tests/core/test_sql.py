"""What people ask the catalogue: answered, pointed at where it is wrong, and never a way to change what was built."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from tests.core.small_world import NOON, ONE, write_small_world
from xinstr_core.catalogue import VIEWS, build_catalogue
from xinstr_core.errors import InputError
from xinstr_core.schemas.tuned_model import TRAINING_ROWS
from xinstr_core.sql import QueryError, Reader, Shape, explain, reader
from xinstr_core.store import StageOutput, Store

WIDE = Shape(200, 40)
QUESTIONS = Path(__file__).parents[2] / "docs" / "questions.md"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write_small_world(tmp_path_factory.mktemp("home") / "data")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What a shell starts in the background inherits that interrupts are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def catalogue(world: Store) -> Iterator[Reader]:
    with reader(world, world.root.parent) as opened:
        yield opened


def rows_of(catalogue: Reader, query: str, tmp_path: Path) -> list[dict[str, object]]:
    catalogue.write(query, tmp_path / "rows.json", "json", overwrite=True)
    rows: list[dict[str, object]] = json.loads((tmp_path / "rows.json").read_text("utf-8"))
    return rows


def state_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '{place}'",
        "COPY (PIVOT lineage ON split USING count(*)) TO '{place}'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{place}'",
        "EXPLAIN ANALYZE COPY (PIVOT lineage ON split USING count(*)) TO '{place}'",
        "EXPLAIN /* a */ ANALYZE COPY (SELECT 1) TO '{place}'",
        "EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{place}'",
        "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
        "PREPARE p AS COPY (SELECT 1) TO '{place}'",
        "SELECT 1; COPY (SELECT 1) TO '{place}'",
        "EXPORT DATABASE '{place}'",
        "ATTACH '{place}'",
        "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW lineage",
        "COMMENT ON VIEW lineage IS 'mine'",
        "SET profiling_output = '{place}'",
        "CALL enable_logging(storage_path = '{place}')",
        "INSTALL httpfs",
        "CHECKPOINT",
    ],
)
def test_what_writes_is_refused_in_a_line_and_changes_nothing(world: Store, catalogue: Reader, statement: str) -> None:
    before = state_of(world.root)
    with pytest.raises(QueryError, match=r"^only queries are taken here, and CREATE TEMP TABLE, VIEW or MACRO: \w"):
        catalogue.statements(statement.format(place=world.root / "raw_corpus" / "new"))
    assert state_of(world.root) == before


def test_what_a_query_cannot_say_it_cannot_do_either(world: Store, catalogue: Reader, tmp_path: Path) -> None:
    """Should a statement come through, DuckDB refuses what is not of a connection that only reads."""
    for statement in ("CREATE TABLE t AS SELECT 1", "SET allow_persistent_secrets = true", "DROP VIEW lineage"):
        with pytest.raises(QueryError, match=r"read-only|configuration"):
            catalogue.shown(statement, WIDE)
    with pytest.raises(InputError, match=r"/data/x\.csv is among what was built, where nothing but a build writes"):
        catalogue.write("SELECT 1", world.root / "x.csv", "csv")
    with pytest.raises(QueryError):
        catalogue.write("SELECT nothing FROM lineage", tmp_path / "x.csv", "csv")
    assert not [*tmp_path.iterdir()], "neither the file nor a part of it"


@pytest.mark.parametrize(
    "query",
    ["FROM lineage", "DESCRIBE lineage", "SUMMARIZE lineage", "SHOW TABLES", "PIVOT lineage ON split USING count(*)",
     "WITH a AS (SELECT 1) FROM a -- the end", "/* first */ VALUES (1);", "(SELECT 1)",
     "EXPLAIN FROM lineage", "explain analyze SELECT count(*) FROM lineage;"],
)  # fmt: skip
def test_every_kind_of_query_is_taken(catalogue: Reader, query: str) -> None:
    [statement] = catalogue.statements(query)
    assert catalogue.shown(statement, WIDE).startswith("┌")


def test_steps_can_be_kept_for_the_next_query(catalogue: Reader) -> None:
    first, second = catalogue.statements(
        "CREATE TEMP TABLE kept AS FROM refined_pairs WHERE kept; SELECT count(*) AS n FROM kept"
    )
    assert catalogue.shown(first, WIDE) == "done"
    assert "│     2 │" in catalogue.shown(second, WIDE)


@pytest.mark.parametrize(
    ("query", "message", "place"),
    [
        ("SELECT rating, instruktion\nFROM lineage",
         'Binder Error: Referenced column "instruktion" not found in FROM clause! Candidate bindings: "instruction"',
         ("LINE 1: SELECT rating, instruktion", " " * 23 + "^" * 11)),
        ("SELECT 1 +", 'Parser Error: syntax error at or near "+"', ("LINE 1: SELECT 1 +", " " * 17 + "^")),
        ("FROM lineag", 'Catalog Error: Table with name lineag does not exist! Did you mean "lineage"?',
         ("LINE 1: FROM lineag", " " * 13 + "^^^^^^")),
    ],
)  # fmt: skip
def test_a_wrong_query_is_a_line_and_duckdbs_pointer(
    catalogue: Reader, tmp_path: Path, query: str, message: str, place: tuple[str, ...]
) -> None:
    for ask in (lambda: catalogue.shown(query, WIDE), lambda: catalogue.write(query, tmp_path / "x.csv", "csv")):
        with pytest.raises(QueryError) as raised:
            catalogue.statements(query)
            ask()
        assert str(raised.value).startswith(message)
        assert raised.value.place == place


def test_text_from_outside_is_shown_inert(catalogue: Reader) -> None:
    shown = catalogue.shown("SELECT 'a' || chr(27) || '[31mred' || chr(10) || chr(8238) || 'b' AS x", WIDE)
    assert "a\\e[31mred\\nb" in shown
    assert not re.search("[\x1b\u202e]", shown)


def test_neither_variables_of_this_program_nor_the_network_are_read(catalogue: Reader) -> None:
    WIDE_TABLE = pl.DataFrame({"a": [1]})
    assert len(WIDE_TABLE) == 1
    for query in ("FROM WIDE_TABLE", "FROM 'https://evil.example/a.parquet'"):
        with pytest.raises(QueryError, match=r"does not exist|httpfs"):
            catalogue.shown(query, WIDE)


def test_files_of_the_home_folder_can_be_joined(world: Store, catalogue: Reader, tmp_path: Path) -> None:
    (world.root.parent / "mine.csv").write_text("pair_id,note\np2,look again\n", "utf-8")
    query = "SELECT instruction, note FROM lineage JOIN 'mine.csv' USING (pair_id)"
    assert rows_of(catalogue, query, tmp_path) == [{"instruction": "How do I reach Moshi?", "note": "look again"}]


def test_rows_are_the_same_in_every_format(catalogue: Reader, tmp_path: Path) -> None:
    query = "SELECT pair_id, p_level_3 FROM refined_pairs ORDER BY pair_id LIMIT 2"
    for kind in ("csv", "jsonl", "parquet"):
        catalogue.write(query, tmp_path / f"x.{kind}", kind)
    assert (tmp_path / "x.csv").read_text("utf-8") == "pair_id,p_level_3\np1,0.99\np2,0.95\n"
    expected = [{"pair_id": "p1", "p_level_3": 0.99}, {"pair_id": "p2", "p_level_3": 0.95}]
    assert [json.loads(line) for line in (tmp_path / "x.jsonl").read_text("utf-8").splitlines()] == expected
    assert pl.read_parquet(tmp_path / "x.parquet").to_dicts() == rows_of(catalogue, query, tmp_path) == expected


def test_an_open_catalogue_goes_on_while_a_build_replaces_it_and_says_that_it_is_old(tmp_path: Path) -> None:
    store = write_small_world(tmp_path / "data")
    with reader(store, tmp_path) as catalogue:
        assert not catalogue.is_old
        store.commit("diversified_set", "sw", "g", {}, StageOutput())
        for _ in range(3):
            build_catalogue(store)
        assert catalogue.is_old
        assert "│     2 │" in catalogue.shown("SELECT count(*) AS n FROM diversified_set", WIDE)
    with reader(store, tmp_path) as catalogue:
        assert "│     0 │" in catalogue.shown("SELECT count(*) AS n FROM diversified_set", WIDE)


def test_a_long_query_ends_with_an_interrupt(catalogue: Reader, interruptible: None) -> None:
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    began = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        catalogue.shown("SELECT count(*) FROM range(20000000000)", WIDE)
    assert time.monotonic() - began < 8


def test_nothing_built_is_a_line(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"^no catalogue at .*: build a language first$"),
        reader(Store(tmp_path), tmp_path),
    ):
        pass


def test_a_view_is_explained_and_another_name_is_told_the_views() -> None:
    table, columns = explain("role_costs")
    assert table.meaning.startswith("What the engine of each role did")
    tokens = next(column for column in columns if column.name == "prompt_tokens")
    assert (tokens.type, tokens.unit) == ("BIGINT", "tokens")
    with pytest.raises(InputError, match=r"^no view 'lineag': there are audit, builds, candidate_pairs, "):
        explain("lineag")


def test_builds_and_what_changed_between_them(catalogue: Reader, tmp_path: Path) -> None:
    builds = "SELECT epoch(time) AS at, latest, fingerprint, seconds, peak_memory FROM builds ORDER BY time"
    assert [[*row.values()] for row in rows_of(catalogue, builds, tmp_path)] == [
        [NOON.timestamp(), False, "f12", 9, None],
        [ONE.timestamp(), True, "f13", 8, 100],
    ]
    changes = (
        "SELECT figure, before, value, settings_before AS old, changed_settings AS new FROM changes ORDER BY figure"
    )
    assert [[*row.values()] for row in rows_of(catalogue, changes, tmp_path)] == [
        ["funnel.kept", 4, 2, "", "diversity.target_rows=2"],
        ["funnel.lost.unread", 1, None, "", "diversity.target_rows=2"],
    ]


def test_a_reply_has_the_scores_of_replies_alone(catalogue: Reader, tmp_path: Path) -> None:
    query = "SELECT model, metric, value, reply FROM reply_scores ORDER BY model"
    assert [[*row.values()] for row in rows_of(catalogue, query, tmp_path)] == [
        ["base", "wrong-language rate", 0, "No Swahili."],
        ["tuned", "wrong-language rate", 1, "No Swahili."],
    ]


# What each question of docs/questions.md gives of the small world, in the order of the page.
ANSWERS = (
    [["sw", "CC BY 4.0", 2]],
    [["sw.jsonl:128", "near_duplicate", "d1 0.865", "0.741"]],
    [["p3", 0.89, "How is ugali cooked?"]],
    [[7, 2, "How do I reach Moshi?", "How is ugali cooked?"]],
    [["encoder", 40, 0, 2, 0.25]],
    [["funnel.kept", 4, 2, "diversity.target_rows=2"], ["funnel.lost.unread", 1, None, "diversity.target_rows=2"]],
    [["x", "https://a.example/d1", "CC BY 4.0", "sw.jsonl:1", "How is ugali cooked?", "kept", "train"]],
    [["sw", "How is ugali cooked?", 2, 2]],
    [["level", "same level", 0.75, 0.5, 0.9, 20]],
    [["sw", "en", "Hi?", "No Swahili."]],
)
ASKED = re.findall(r"```sql\n(.*?)```\n\n```text\n(.*?)```", QUESTIONS.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize(("asked", "answer"), [*zip(ASKED, ANSWERS, strict=True)], ids=range(1, 11))
def test_every_question_of_the_docs_is_answered(
    catalogue: Reader, tmp_path: Path, asked: tuple[str, str], answer: list[list[object]]
) -> None:
    """Of the small world exactly; of the demo's world, whose rows the page shows, the columns are the same."""
    query, shown = asked
    query = query.replace("'fi'", "'sw'")
    [statement] = catalogue.statements(query)
    rows = rows_of(catalogue, statement, tmp_path)
    assert [[*row.values()] for row in rows] == answer
    names = [name.strip() for name in shown.splitlines()[1].strip("│").split("│")]
    assert [*rows[0]] == names
    assert re.search(r"^├.*\n│", shown, re.MULTILINE), "the page shows a row"


def test_every_view_says_the_language_also_of_a_table_that_does_not_store_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    for language in ("sw", "fi"):
        rows = TRAINING_ROWS.frame([{"pair_id": "p1", "source_tag": "<web>", "origin": "web"}])
        store.commit("tuned_model", language, "f", {}, StageOutput(tables={"training_rows": rows}))
    build_catalogue(store)
    with reader(store, tmp_path) as catalogue:
        query = "SELECT language, pair_id FROM training_rows ORDER BY language"
        expected = [{"language": "fi", "pair_id": "p1"}, {"language": "sw", "pair_id": "p1"}]
        assert rows_of(catalogue, query, tmp_path) == expected
    assert [table.view for table in VIEWS if "language" not in {column.name for column in table.columns}] == []
