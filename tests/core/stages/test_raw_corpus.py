"""The stage from a file to its committed partition: counts, kills, workers, and files of impossible lines."""

from __future__ import annotations

import io
import json
import multiprocessing
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from tests.core.conftest import Killed
from xinstr_core.corpus import batches
from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.learned_filter import BUCKET_BITS, FittedFilter, LearnedFilter, buckets, write_filter
from xinstr_core.corpus.packs import LanguagePack, bundled_pack
from xinstr_core.corpus.readers import MAXIMUM_LINE_BYTES, Record, Reject
from xinstr_core.corpus.rows import Document
from xinstr_core.errors import InputError, StageError
from xinstr_core.pocket.world import write_world
from xinstr_core.progress import silent
from xinstr_core.schemas.raw_corpus import CorpusFigures, CorpusFunnel
from xinstr_core.stages import raw_corpus
from xinstr_core.stages.stage import run_stage
from xinstr_core.store import Partition
from xinstr_core.workspace import Workspace

TABLES = ("documents", "rejected", "duplicates")
TEXT = (
    "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa. Wote wamejaliwa akili na dhamiri, hivyo yapasa watendeane "
    "kindugu. Kila mtu ana haki ya kuishi, uhuru na usalama wa nafsi yake. Hakuna mtu atakayefanywa mtumwa."
)
RECORDS, BATCH = 120, 25
Build = Callable[..., Partition]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Pocket pages of every kind, a repeated one and lines that are no records among them."""
    folder = tmp_path_factory.mktemp("pocket")
    write_world(folder, "sw")
    pages = (folder / "corpus" / "sw.jsonl").read_bytes().splitlines()[: RECORDS - 3]
    return [*pages[:30], b"{", *pages[30:80], b'{"title": "Habari"}', *pages[80:], pages[7]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of a workspace: one language, whose corpus is a file of the test's own."""
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\ncorpus = "sw.jsonl"\n', "utf-8")
    return tmp_path


@pytest.fixture
def build(home: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    monkeypatch.setattr(batches, "BATCH_RECORDS", BATCH)

    def built(name: str = "", workers: int = 1, progress: Any = silent, **settings: Any) -> Partition:
        monkeypatch.setenv("OMP_NUM_THREADS", str(workers))
        workspace = Workspace(home, corpus=name or None, overrides=settings)
        return run_stage(workspace, raw_corpus.clean_corpus, "sw", {}, progress).partition

    return built


def contents(partition: Partition) -> dict[str, bytes]:
    return {name: partition.table_path(name).read_bytes() for name in TABLES}


def shards(home: Path) -> dict[str, tuple[int, int]]:
    """Files of judged batches that a run left, with what changes when one is written again."""
    paths = (home / "data" / "raw_corpus").rglob("0*.parquet")
    return {f"{path.parent.name}/{path.name}": (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def test_every_record_is_kept_or_rejected_and_the_figures_add_up(build: Build, home: Path, lines: list[bytes]) -> None:
    (home / "sw.jsonl").write_bytes(b"\n".join(lines))
    partition = build()
    kept, rejected = partition.read("documents"), partition.read("rejected")
    assert sorted([*kept["place"], *rejected["place"]]) == sorted(f"sw.jsonl:{n}" for n in range(1, RECORDS + 1))
    funnel = partition.figures["funnel"]
    reasons = Counter(rejected["reason"])
    assert funnel == {"taken": RECORDS, "lost": reasons, "kept": kept.height}
    assert reasons["not_json"] == reasons["no_text"] == 1
    repeats = Counter(partition.read("duplicates").filter("refused")["kind"])
    assert repeats["exact_duplicate"] == 2
    assert all(repeats[kind] == reasons[kind] for kind in ("exact_duplicate", "near_duplicate", "overlap"))
    assert partition.figures["records"] == RECORDS
    assert partition.figures["licences"] == {"Apache-2.0": kept.height}
    assert kept.height > 90
    assert set(kept["text"]) <= {json.loads(line).get("text") for line in lines if line != b"{"}


def test_duplicates_name_kept_documents(build: Build, home: Path, lines: list[bytes]) -> None:
    (home / "sw.jsonl").write_bytes(b"\n".join(lines))
    partition = build()
    kept, duplicates = partition.read("documents"), partition.read("duplicates")
    assert set(duplicates["kept"]) <= set(kept["doc_id"])
    repeated = duplicates.filter(place=f"sw.jsonl:{RECORDS}")
    assert repeated.select("duplicate_of", "kept", "similarity").rows() == [(repeated["doc_id"][0],) * 2 + (1.0,)]
    assert kept["doc_id"].is_unique().all()


def test_the_bytes_are_the_same_whatever_the_number_of_workers(build: Build, home: Path, lines: list[bytes]) -> None:
    (home / "sw.jsonl").write_bytes(b"\n".join(lines))
    one = build(workers=1)
    before = contents(one)
    (one.path / "manifest.json").unlink()
    assert contents(build(workers=2)) == before
    assert multiprocessing.active_children() == []


def test_a_learned_filter_is_part_of_what_a_corpus_depends_on(build: Build, home: Path, lines: list[bytes]) -> None:
    (home / "sw.jsonl").write_bytes(b"\n".join(lines))
    before = build()
    assert before.read("documents")["learned_score"].is_null().all()
    unwanted = before.read("documents")["text"][0]
    weights = np.zeros(1 << BUCKET_BITS, dtype=np.int16)
    weights[buckets(unwanted)] = 1000
    told = {"threshold": 0.5, "intercept": -1, "scale": 0.002, "weights": "", "may_lose": 0.02}
    fitted = FittedFilter(**told, trusted=1, unwanted=1, lost=0, precision=1, recall=1)
    pack = home / "packs" / "sw.toml"
    known = LanguagePack.read(bundled_pack("sw") or pack)
    filters = {"gambling": write_filter(pack, LearnedFilter("gambling", fitted, weights))}
    known.model_copy(update={"filters": filters}).write(pack)

    one = build()
    rejected = one.read("rejected").filter(reason="learned_gambling")
    assert one.fingerprint != before.fingerprint
    assert unwanted.startswith(tuple(rejected["excerpt"])) and set(rejected["learned_filter"]) == {"gambling"}
    assert rejected["learned_score"].min() > 0.5 >= one.read("documents")["learned_score"].max()


def test_lists_of_sites_and_words_are_part_of_what_a_corpus_depends_on(
    build: Build, home: Path, lines: list[bytes]
) -> None:
    pages = [{"text": TEXT, "url": f"https://{site}/1"} for site in ("a.example", "b.example", "m.c.example")]
    (home / "sw.jsonl").write_text("".join(f"{json.dumps(page)}\n" for page in pages), "utf-8")
    (home / "sites.txt").write_text("a.example\n", "utf-8")
    lists = {"corpus": {"refuse_domains": ["@sites.txt", "c.example"], "near_duplicate_similarity": 1.0}}
    first = build(**lists)
    refused = first.read("rejected").filter(reason="refused_domain")
    assert refused.select("place", "value").rows() == [("sw.jsonl:1", "a.example"), ("sw.jsonl:3", "c.example")]
    (home / "sites.txt").write_text("b.example\n", "utf-8")
    second = build(**lists)
    assert second.read("rejected").filter(reason="refused_domain")["place"].to_list() == ["sw.jsonl:2", "sw.jsonl:3"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_goes_on_behind_its_last_batch_and_ends_with_the_same_bytes(
    build: Build, home: Path, lines: list[bytes], workers: int
) -> None:
    (home / "sw.jsonl").write_bytes(b"\n".join(lines))
    whole = build()
    uninterrupted = contents(whole)
    (whole.path / "manifest.json").unlink()
    told: list[int] = []

    def killed(done: int, total: int, **_: object) -> None:
        told.append(done)
        if len(told) == 3:
            raise Killed

    with pytest.raises(Killed):
        build(workers=workers, progress=killed)
    before = shards(home)
    assert len(before) >= 6
    assert multiprocessing.active_children() == []

    seen: dict[str, tuple[int, int]] = {}
    again = build(workers=workers, progress=lambda done, total, **_: seen.update(shards(home)))
    assert contents(again) == uninterrupted
    assert len(seen) == 10
    assert {name: seen[name] for name in before} == before
    assert shards(home) == {}


def test_a_file_that_is_read_otherwise_is_another_corpus(build: Build, home: Path, lines: list[bytes]) -> None:
    content = b"\n".join(lines[:30])
    (home / "pages.jsonl.gz").write_bytes(content)
    with pytest.raises(StageError, match=r"1 of 1 files end too early or are damaged \(.+:\d+: .+\): write"):
        build("pages.jsonl.gz")
    (home / "pages.jsonl").write_bytes(content)
    assert build("pages.jsonl").figures["records"] == 30
    (home / "pages.txt").write_bytes(content)
    assert build("pages.txt").figures["records"] == 1  # one block of lines


def test_what_a_record_holds_beside_its_text_reaches_no_worker(build: Build, home: Path, lines: list[bytes]) -> None:
    deep = b'{"meta": ' + b"[" * 495 + b"]" * 495 + b', "text": '
    pages = [json.dumps(json.loads(line)["text"]).encode() for line in lines[:30] * 2]
    (home / "sw.jsonl").write_bytes(b"\n".join(deep + page + b"}" for page in pages))
    assert build(workers=2).figures["records"] == 60


def test_records_of_an_archive_that_hold_no_page_are_counted(build: Build, home: Path) -> None:
    types = ["text/plain", *(f"image/x{number:02}" for number in range(30)), "image/x00", "image/x01"]
    with (home / "crawl.warc").open("wb") as stream:
        writer = WARCWriter(stream, gzip=False)
        for kind in types:
            sent = StatusAndHeaders("200 OK", [("Content-Type", kind)], protocol="HTTP/1.1")
            body = io.BytesIO(TEXT.encode())
            writer.write_record(writer.create_warc_record("https://x.org", "response", body, http_headers=sent))
    figures = build("crawl.warc").figures
    assert (figures["records"], figures["funnel"]["kept"]) == (1, 1)
    passed_over = figures["passed_over"]
    assert list(passed_over.values()) == [2, 2, *[1] * 18, 10]
    assert [*passed_over][:2] == ["image/x00", "image/x01"]
    assert passed_over["other types"] == 10


def test_a_run_killed_in_the_middle_of_a_batch_keeps_the_batches_before(
    build: Build, home: Path, lines: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "sw.jsonl").write_bytes(b"\n".join(lines))
    judge = DocumentFilter.judge

    def killed(one: DocumentFilter, record: Record) -> Iterator[Document | Reject]:
        if record.place == f"sw.jsonl:{4 * BATCH - 1}":
            raise Killed
        return judge(one, record)

    with monkeypatch.context() as patched:
        patched.setattr(DocumentFilter, "judge", killed)
        with pytest.raises(Killed):
            build()
    numbered = [f"{Path(name).parent}/{Path(name).name.partition('-')[0]}" for name in sorted(shards(home))]
    assert numbered == [f"{kind}/{n:08}" for kind in ("judged", "refused") for n in range(3)]
    assert build().figures["records"] == RECORDS


def test_progress_counts_records_up_to_all_of_them(build: Build, home: Path, lines: list[bytes]) -> None:
    (home / "sw.jsonl").write_bytes(b"\n".join(lines))
    told: list[int] = []
    build(progress=lambda done, total, **_: told.append(done))
    assert told == sorted(told)
    assert (len(told), told[-1]) == (5, RECORDS)


def test_a_corpus_without_any_record_is_an_empty_partition(build: Build, home: Path) -> None:
    pl.DataFrame({"text": []}, schema={"text": pl.String}).write_parquet(home / "none.parquet")
    partition = build("none.parquet")
    assert [partition.read(name).height for name in TABLES] == [0, 0, 0]
    assert partition.read_figures(CorpusFigures) == CorpusFigures(
        records=0, funnel=CorpusFunnel(taken=0, lost={}, kept=0), passed_over={}, identifiers=2, licences={}
    )


def test_a_lost_corpus_stops_with_its_numbers_and_goes_on_where_that_is_allowed(build: Build, home: Path) -> None:
    (home / "sw.jsonl").write_text(f"{json.dumps({'text': TEXT})}\n" + '{"body": 1}\n' * 60 + "{\n" * 3, "utf-8")
    with pytest.raises(StageError, match=r"lost 63 of 64 documents \(60 no_text, 3 not_json\): has every record a "):
        build()
    partition = build(corpus={"maximum_lost_share": 1.0})
    assert partition.figures["funnel"]["kept"] == 1


def test_a_line_of_100_megabytes_is_refused_without_being_held(build: Build, home: Path) -> None:
    with (home / "sw.jsonl").open("wb") as stream:
        stream.writelines([b'{"text": "', *[b"x" * (1 << 20)] * 100, b'"}\n', json.dumps({"text": TEXT}).encode()])
    tracemalloc.start()
    try:
        partition = build()
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()
    assert partition.read("documents")["place"].to_list() == ["sw.jsonl:2"]
    assert partition.read("rejected").drop("learned_filter", "learned_score").rows() == [
        ("sw", "sw.jsonl:1", "line_too_long", f"{(100 << 20) + 13} bytes", f"{MAXIMUM_LINE_BYTES} bytes", "")
    ]


def test_a_million_empty_lines_are_no_records(build: Build, home: Path) -> None:
    (home / "sw.jsonl").write_bytes(b"\n" * 1_000_000 + json.dumps({"text": TEXT}).encode())
    assert build().read("documents")["place"].to_list() == ["sw.jsonl:1000001"]


SWAHILI = [
    f"{TEXT} Sehemu ya {n}: {word} {word}." for n, word in enumerate(("ardhi", "maji", "moto", "hewa", "mbingu"))
]


def register(home: Path, tag: str, texts: list[str], more: str = "") -> None:
    entry = f'[{tag}]\nname = "Ours"\nscript = "Latn"\ncorpus = "{tag}.jsonl"\n{more}\n'
    (home / "languages.toml").write_text(entry, "utf-8")
    (home / f"{tag}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")


def figures_of(home: Path, tag: str) -> CorpusFigures:
    settings = {"corpus": {"near_duplicate_similarity": 1.0, "maximum_overlap": 1.0}}
    partition = run_stage(Workspace(home, overrides=settings), raw_corpus.clean_corpus, tag, {}).partition
    return partition.read_figures(CorpusFigures)


def test_of_a_language_that_nobody_knows_the_figures_say_so_and_what_to_do(home: Path) -> None:
    register(home, "bem", SWAHILI)
    figures = figures_of(home, "bem")
    assert (figures.identifiers, figures.funnel.kept) == (0, 5)
    assert figures.advice.startswith(
        "no identifier knows bem: any text of its script that is not English passes. Teach it"
    )
    register(home, "sw", SWAHILI)
    figures = figures_of(home, "sw")
    assert (figures.identifiers, figures.funnel.kept, figures.advice) == (2, 5, "")


def test_text_that_is_refused_as_another_language_names_that_and_the_setting_that_helps(home: Path) -> None:
    register(home, "zu", SWAHILI)
    with pytest.raises(
        StageError, match=r'is it Ours\? 5 of 5 documents were refused as sw: .*put identified_as = \["sw"\]'
    ):
        figures_of(home, "zu")
    register(home, "zu", SWAHILI, 'identified_as = ["sw"]')
    assert figures_of(home, "zu").funnel.kept == 5
    register(home, "zu", SWAHILI, 'identified_as = ["swa"]')
    with pytest.raises(InputError, match="identified_as of zu: no identifier has the label swa; they have ace, "):
        figures_of(home, "zu")


def test_what_the_identifiers_cannot_tell_a_language_from_is_named(home: Path) -> None:
    indonesian = (
        "Semua orang dilahirkan merdeka dan mempunyai martabat dan hak-hak yang sama. Mereka dikaruniai akal dan hati nurani "
        "dan hendaknya bergaul satu sama lain dalam semangat persaudaraan. Setiap orang berhak atas kebebasan."
    )
    register(
        home, "ms", [f"{indonesian} Bagian ke-{n}: {word}." for n, word in enumerate(("tanah", "air", "api", "udara"))]
    )
    figures = figures_of(home, "ms")
    kept = figures.funnel.kept
    assert figures.advice == (
        f"{kept} of {kept} documents that were kept may as well be in id: the identifiers cannot tell ms from these. A model "
        "that can: corpus.identification_model and identification_label"
    )


def test_gold_pairs_that_are_none_are_told_by_the_first_stage(build: Build, home: Path, lines: list[bytes]) -> None:
    (home / "sw.jsonl").write_bytes(b"\n".join(lines))
    with (home / "languages.toml").open("a", encoding="utf-8") as registry:
        registry.write('gold = "gold.jsonl"\n')
    (home / "gold.jsonl").write_text('{"asked": "What?", "response": "Ndiyo."}\n', "utf-8")
    with pytest.raises(InputError, match=r"gold.jsonl:1: .* needs? instruction and response"):
        build()
