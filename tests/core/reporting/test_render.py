"""Pages from partitions: whole, the same bytes every time, inert whatever stands in the data, and one line where there is none."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.small_line import DOCUMENTS, FIGURES, PAIRS, SELECTION, WORDS, commit_line, write_home
from xinstr_core.errors import InputError
from xinstr_core.evaluation.agreement import KEPT_ASPECT, PRECISION
from xinstr_core.history import remember
from xinstr_core.reporting.render import render_overview, render_report, reported, write_pages
from xinstr_core.schemas.eval_report import AUDIT, EVAL_REPORT, GAPS, ArmFigures, ReportFigures
from xinstr_core.schemas.metrics import WRONG_LANGUAGE
from xinstr_core.schemas.raw_corpus import CorpusFigures
from xinstr_core.schemas.refined_pairs import AuditFigures, PrecisionFigures
from xinstr_core.store import Store
from xinstr_core.workspace import Workspace

SECTIONS = (
    "Verdict", "From documents to training rows", "Samples", "The evaluator and what it kept", "The selection", "Training",
    "Base against tuned", "Replies, base beside tuned", "Against the gold of the embedded world", "Cost",
    "Licences and provenance", "Settings and versions", "Beside the build before",
)  # fmt: skip


class Page(HTMLParser):
    """What a browser would see of a page: elements with their attributes, the text, headings, and the JSON of charts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.charts, self._open = "", list[Any](), ""
        self.headings: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        if tag in ("h1", "h2", "h3"):
            self.headings.append((tag, ""))

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            if data.startswith("{"):
                self.charts.append(json.loads(data))
        elif self._open != "style":
            self.text += data
        if self._open in ("h1", "h2", "h3") and self.headings:
            tag, said = self.headings[-1]
            self.headings[-1] = (tag, (said + data).strip())

    def handle_endtag(self, tag: str) -> None:
        self._open = ""
        self.text += " " if tag in ("td", "th", "caption", "p", "li") else ""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    write_home(home, "sw", "ur")
    return home


@pytest.fixture(scope="module")
def written(home: Path) -> str:
    return render_report(Workspace(home), "sw")


@pytest.fixture(scope="module")
def page(written: str) -> Page:
    return Page(written)


@pytest.fixture
def own(home: Path, tmp_path: Path) -> Workspace:
    """A home of which a test may change what is stored."""
    shutil.copytree(home, tmp_path / "home")
    return Workspace(tmp_path / "home")


def test_every_section_has_its_heading_and_its_place_in_the_contents(page: Page) -> None:
    assert [said for tag, said in page.headings if tag == "h2"] == list(SECTIONS)
    assert [said for tag, said in page.headings if tag == "h1"] == ["Swahili"]
    links = [found.get("href") for tag, found in page.elements if tag == "a"]
    names = {found.get("id") for _, found in page.elements}
    assert links[0] == "#content"
    assert links[1] == "index.html"
    assert all(link and link[1:] in names for link in links if link != "index.html")


def test_the_verdict_comes_first(page: Page) -> None:
    text = " ".join(page.text.split())
    assert text.index("Yes: it is better on 2 of 4 measures and worse on none; on 2 no difference is shown.") < 1500
    assert "In part: 6 of 6" not in text
    assert "Yes, by the licences of its rows: all 6 rows have one that allows it." in text
    assert "wrong-language rate, prompts in Swahili: 90 % before tuning, 5 % after: better (40 cases)" in text


def test_it_tells_what_no_content_hash_may_know(page: Page) -> None:
    text = " ".join(page.text.split())
    for part in (
        "Built 2026-03-01 12:34 UTC, preset pocket, base model tiny; 4 pairs selected; 18 min, money 13.50.",
        "In all 18 min, 9,000 tokens read and 1,800 written by engines, money 13.50.",
        "tuning.epochs",
        "this run",
        "Each stage was built once",
    ):
        assert part in text, part


def test_a_page_tells_no_path_of_the_machine_of_the_build(own: Workspace) -> None:
    commit_line(own.store, "sw")  # a second build, so that the settings of the first are told too
    rendered = render_report(own, "sw")
    text = " ".join(Page(rendered).text.split())
    assert "/somewhere" not in rendered
    for part in ("transformers tiny", "diversity.encoder encoder", "base model tiny"):
        assert part in text, part


def test_the_same_store_gives_the_same_bytes(home: Path, written: str) -> None:
    assert render_report(Workspace(home), "sw") == written
    assert render_overview(Workspace(home)) == render_overview(Workspace(home))


def test_hostile_text_is_shown_and_nothing_of_it_is_an_element(page: Page, written: str) -> None:
    assert page.text.count("</script><img src=x onerror=alert(1)>") > 10
    assert "{{ 7 * 7 }}" in page.text
    assert [tag for tag, _ in page.elements if tag == "img"] == []
    assert [name for _, found in page.elements for name in found if name.startswith("on")] == []
    assert any("</script><img" in json.dumps(chart) for chart in page.charts)
    assert len([tag for tag, _ in page.elements if tag == "script"]) == len(page.charts) + 1
    assert "\u2028" not in written
    policy = next(found["content"] for tag, found in page.elements if found.get("http-equiv"))
    assert policy
    assert re.fullmatch(
        r"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-[\w+/=]+'; base-uri 'none'; form-action 'none'",
        policy,
    )


def test_nothing_is_fetched(page: Page) -> None:
    fetched = [
        value
        for tag, found in page.elements
        for name, value in found.items()
        if name in ("src", "href") and tag not in ("a", "use")
    ]
    assert fetched == ["data:,"]


def test_native_text_says_its_language_and_finds_its_direction(home: Path) -> None:
    page = Page(render_report(Workspace(home), "ur"))
    native = [found for _, found in page.elements if found.get("lang") == "ur"]
    assert len(native) > 10
    assert {found.get("dir") for found in native} == {"auto"}
    assert WORDS["ur"].split("\n")[0] + "\n" in page.text


def test_every_chart_has_a_picture_its_numbers_and_a_name(page: Page, written: str) -> None:
    figures = [found for tag, found in page.elements if tag == "figure"]
    assert len(figures) == len(page.charts) == written.count('class="picture"') == written.count("<summary>Numbers")
    assert len({found["id"] for found in figures}) == len(figures)
    drawings = [found for _, found in page.elements if found.get("class") == "drawing"]
    assert all(found.get("role") == "img" and found.get("aria-label") for found in drawings)
    assert {chart["width"] for chart in page.charts} == {"container"}


def test_it_is_small(written: str) -> None:
    assert len(written.encode()) < 1_500_000


def test_a_language_that_is_not_built_is_one_line(own: Workspace) -> None:
    with pytest.raises(
        InputError, match=r"^no report of fi: raw_corpus, .*not built; `xinstr build fi` builds what is missing$"
    ):
        render_report(own, "fi")
    shutil.rmtree(own.store.path("tuned_model", "sw"))
    with pytest.raises(InputError, match=r"^no report of sw: tuned_model not built; `xinstr build sw`"):
        render_report(own, "sw")
    with pytest.raises(InputError, match="no language key"):
        render_report(own, "../sw")


def test_what_another_release_stored_or_somebody_deleted_is_one_line(own: Workspace) -> None:
    manifest = own.store.path("tuned_model", "sw") / "manifest.json"
    stored = json.loads(manifest.read_text("utf-8"))
    del stored["figures"]["prompt_format"]
    manifest.write_text(json.dumps(stored), "utf-8")
    with pytest.raises(InputError, match="figures of tuned_model are stored otherwise than this release declares them"):
        render_report(own, "sw")
    pairs = next(own.store.path("refined_pairs", "ur").glob("pairs-*.parquet"))
    pairs.write_bytes(b"x" * pairs.stat().st_size)
    with pytest.raises(
        InputError, match=r"table pairs of refined_pairs of ur cannot be read \(.*`xinstr build ur --from"
    ):
        render_report(own, "ur")
    pairs.unlink()
    with pytest.raises(InputError, match="files of refined_pairs are gone or cut off"):
        render_report(own, "ur")


def test_a_home_without_a_single_row_has_a_page_that_says_so(tmp_path: Path) -> None:
    store = write_home(tmp_path)
    empty = {
        "refined_pairs": {"pairs": PAIRS.clear()},
        "diversified_set": {"rows": SELECTION.clear()},
        "eval_report": {},
    }
    commit_line(store, "sw", tables=empty)
    text = Page(render_report(Workspace(tmp_path), "sw")).text
    for part in (
        "No: there is nothing to publish, no row is left.",
        "Not shown: the two models have no measure in common.",
        "No pair was rated: there is none to show.",
        "No row is left, so there is nothing to trace.",
    ):
        assert part in text, part


def test_rows_without_a_licence_or_with_one_that_restricts_are_told(tmp_path: Path) -> None:
    store = write_home(tmp_path)
    licences = ["", None, "CC-BY-NC-4.0", *["CC-BY-4.0"] * 7]
    documents = {"raw_corpus": {"documents": DOCUMENTS.with_columns(licence=pl.Series(licences))}}
    commit_line(store, "sw", tables=documents)
    text = Page(render_report(Workspace(tmp_path), "sw")).text
    assert (
        "In part: 3 of 6 rows (50 %) have a licence that allows it; 1 of 6 rows (17 %) have one that restricts it and "
        "2 of 6 rows (33 %) have none that is known here."
    ) in text
    assert "licences of the 6 rows: CC-BY-4.0 3 (50 %), unknown 2 (33 %), CC-BY-NC-4.0 1 (17 %)" in text


def audited(precision: float, labelled: int) -> dict[str, Any]:
    """What the report stores of an audit in which people found such a share of the kept pairs right."""
    row = {"language": "sw", "aspect": KEPT_ASPECT, "measure": PRECISION, "value": precision, "low": 0.25, "high": 1.0}
    return {AUDIT.name: AUDIT.frame([{**row, "n": labelled}])}


@pytest.mark.parametrize(
    ("precision", "labelled", "verdict", "overview"),
    [
        (
            0.75,
            50,
            "Yes: people find 75 % (25 % to 100 %) right of 50 kept pairs that they labelled.",
            "yes yes yes 6 4 75 % (25 % to 100 %)",
        ),
        (
            0.5,
            50,
            "No: the ratings decided what is kept, but people find 50 % (25 % to 100 %) right of 50 kept pairs that they "
            "labelled, below 60 %.",
            "yes no yes 6 4 50 % (25 % to 100 %)",
        ),
    ],
)
def test_verdict_overview_and_audit_say_the_same(
    tmp_path: Path, precision: float, labelled: int, verdict: str, overview: str
) -> None:
    """The labels came after the curation, so its own figures know nothing of them."""
    store = write_home(tmp_path, "sw")
    tables = {name: pl.read_parquet(path) for name, path in _tables(store, EVAL_REPORT.asset)}
    commit_line(store, "sw", tables={EVAL_REPORT.asset: {**tables, **audited(precision, labelled)}})
    text = " ".join(Page(render_report(Workspace(tmp_path), "sw")).text.split())
    assert verdict in text
    assert f"precision of the kept pairs: {precision:.0%}".replace("%", " %") in text
    assert f", on {labelled} kept pairs that people labelled" in text
    assert "the labels are newer than the curation" in text
    for part in ("not measured", "audit write"):
        assert part not in text
    assert ("Say with it that it is not curated" in text) == (precision < 0.6)
    assert overview in " ".join(Page(render_overview(Workspace(tmp_path))).text.split())


def test_the_figures_of_the_curation_serve_where_the_report_read_no_labels(tmp_path: Path) -> None:
    store = write_home(tmp_path)
    refined = FIGURES["refined_pairs"]
    told = AuditFigures(labelled=24, precision=0.75, low=0.55, high=0.88, overrules=False, promised="curated")
    commit_line(store, "sw", {"refined_pairs": refined.model_copy(update={"audit": told})})
    text = " ".join(Page(render_report(Workspace(tmp_path), "sw")).text.split())
    assert "Yes: people find 75 % (55 % to 88 %) right of 24 kept pairs that they labelled." in text
    assert "newer than the curation" not in text


def _tables(store: Store, asset: str) -> list[tuple[str, Path]]:
    partition = store.get(asset, "sw")
    assert partition
    return [(name, path) for name in partition.tables if (path := next(partition.path.glob(f"{name}-*.parquet")))]


def test_it_compares_with_the_build_before_and_says_where_it_mixes_two(own: Workspace) -> None:
    before = own.store.get("raw_corpus", "sw")
    assert before
    remember(before)
    corpus = FIGURES["raw_corpus"]
    assert isinstance(corpus, CorpusFigures)
    grown = corpus.model_copy(update={"records": 20, "funnel": corpus.funnel.model_copy(update={"taken": 20})})
    _build_again(own.store, before.made_of, grown)
    text = " ".join(Page(render_report(own, "sw")).text.split())
    assert "raw_corpus records 12 20 +8" in text
    assert "raw_corpus funnel: taken 12 20 +8" in text
    assert "candidate_pairs was made of another build of raw_corpus" in text


def test_the_overview_marks_a_language_that_mixes_two_builds(own: Workspace) -> None:
    assert "two builds" not in Page(render_overview(own)).text
    before = own.store.get("raw_corpus", "sw")
    corpus = FIGURES["raw_corpus"]
    assert before
    assert isinstance(corpus, CorpusFigures)
    _build_again(own.store, before.made_of, corpus)
    text = " ".join(Page(render_overview(own)).text.split())
    assert text.count("2026-03-01 12:34, mixes two builds") == 1
    assert (
        "What is said of these mixes two builds: Swahili (seed_pairs was made of another build of raw_corpus;" in text
    )
    assert "Urdu (" not in text.split("What is said of these")[1].split("brings them")[0]


def test_precision_on_one_instruction_is_told_in_the_singular(tmp_path: Path) -> None:
    store = write_home(tmp_path)
    one = PrecisionFigures(
        wanted=0.8, expected=0.8, limit=0.5, checked=9, checked_kept=1, precision=0.0, low=0.0, high=0.79, wrong=1.0
    )
    commit_line(store, "sw", {"refined_pairs": FIGURES["refined_pairs"].model_copy(update={"precision": one})})
    text = Page(render_report(Workspace(tmp_path), "sw")).text
    assert "precision of the kept pairs: 0 % (0 % to 79 %), on 1 held-out instruction " in text


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        (3, "steps: the same seed pairs, and equally many pairs of each arm's own choice"),
        (0, "steps: no seed pairs, and equally many pairs of each arm's own choice"),
    ],
)
def test_arms_are_told_with_their_sides_and_whether_they_had_seeds(tmp_path: Path, seeds: int, said: str) -> None:
    store = write_home(tmp_path, "sw")
    tables = {name: pl.read_parquet(path) for name, path in _tables(store, EVAL_REPORT.asset)}
    arm = {"reference": "selected", "arm": "random", "difference": -0.25, "low": -0.5, "high": -0.125}
    gaps = (
        tables[GAPS.name]
        .filter(metric=WRONG_LANGUAGE.name, prompts="en")
        .with_columns(**{name: pl.lit(value) for name, value in arm.items()})
    )
    assert gaps["better"].to_list() == ["lower"]
    report = store.get(EVAL_REPORT.asset, "sw")
    assert report
    trained = ArmFigures(pairs=4, seeds=seeds, rows=7, learning_rate=0.1, languages={"sw": 7})
    figures = report.read_figures(ReportFigures).model_copy(update={"arms": {"selected": trained, "random": trained}})
    tables[GAPS.name] = pl.concat([tables[GAPS.name], gaps])
    commit_line(store, "sw", {EVAL_REPORT.asset: figures}, {EVAL_REPORT.asset: tables})
    text = " ".join(Page(render_report(Workspace(tmp_path), "sw")).text.split())
    assert said in text
    assert "Advantage of the first arm over the second, 95 % intervals: share" in text
    assert (
        "To the right of the dashed line the first is better. Where lower is better (wrong-language rate) that is the second "
        "minus the first."
    ) in text
    assert "measure prompts tuned is better difference n base tuned which way" in text, (
        "what is concluded stands in front"
    )


def test_the_funnel_says_why_documents_can_be_more_than_records(page: Page) -> None:
    assert "so documents can be more than the records" in page.text


def test_a_damaged_history_costs_its_section_alone(own: Workspace) -> None:
    (own.store.path("evaluator", "sw") / "history.parquet").write_bytes(b"nothing")
    page = Page(render_report(own, "sw"))
    assert [said for tag, said in page.headings if tag == "h2"] == list(SECTIONS)
    assert "history.parquet cannot be read" in page.text


def _build_again(store: Store, made_of: dict[str, Any], figures: CorpusFigures) -> None:
    from xinstr_core.store import StageOutput

    later = {"time": "2026-04-01T12:00:00+00:00", "preset": "pocket"}
    tables = {"documents": DOCUMENTS.with_columns(source=pl.lit("another"))}
    remember(store.commit("raw_corpus", "sw", "g", made_of, StageOutput(tables, {}, figures, None, later)))


def test_the_overview_has_a_row_a_language_and_says_why_one_has_no_report(own: Workspace) -> None:
    commit_line(own.store, "fi")
    shutil.rmtree(own.store.path("eval_report", "fi"))
    page = Page(render_overview(own, page="/reports/{tag}"))
    text = " ".join(page.text.split())
    assert "Swahili (sw) yes yes yes 6 4 not measured 2 better, 0 worse of 4 " in text
    assert "0.900 → 0.050 CC-BY-SA-4.0 18 min, money 13.50 pocket tiny 2026-03-01 12:34" in text
    assert "fi no report of fi: eval_report not built" in text
    assert [found["href"] for tag, found in page.elements if tag == "a"][1:] == ["/reports/sw", "/reports/ur"]


def test_the_overview_of_an_empty_home_says_what_to_do(tmp_path: Path) -> None:
    assert "No language is built to its report yet" in render_overview(Workspace(tmp_path))


def test_pages_are_written_beside_each_other(own: Workspace, tmp_path: Path) -> None:
    assert reported(own.store) == ["sw", "ur"]
    found = write_pages(own, {"sw": "one page"}, tmp_path / "out")
    assert [path.name for path in found] == ["sw.html", "index.html"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.html", "sw.html"]
    assert (tmp_path / "out" / "sw.html").read_text("utf-8") == "one page"
    overview = Page((tmp_path / "out" / "index.html").read_text("utf-8"))
    links = [found["href"] for tag, found in overview.elements if tag == "a"]
    assert links == ["#content", "sw.html"], "of what has a page there"
