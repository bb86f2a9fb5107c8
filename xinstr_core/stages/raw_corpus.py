"""raw_corpus: documents of one language that are what they claim to be, and every reject with its reason."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from xinstr_core.cluster import ordered_map_on_cluster
from xinstr_core.corpus.assembly import Corpus, assemble
from xinstr_core.corpus.batches import BatchJudge, batches
from xinstr_core.corpus.contamination import RunIndex
from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.identification import UNKNOWN
from xinstr_core.corpus.readers import BROKEN_FILE, Record, Reject
from xinstr_core.corpus.sources import files_of, identity_of, records_of
from xinstr_core.corpus.voters import ModelVoter
from xinstr_core.errors import StageError
from xinstr_core.evaluation.gold_pairs import read_gold_pairs
from xinstr_core.files import ShardLog, scan_parquet
from xinstr_core.languages import CorpusSource, Language
from xinstr_core.parallel import ordered_map, processors
from xinstr_core.schemas.raw_corpus import DOCUMENTS, RAW_CORPUS, REJECTED, CorpusFigures, CorpusFunnel
from xinstr_core.stages.stage import StageRun, stage
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace

# What to look at when most records fall for one reason.
_QUESTIONS = {
    "no_text": "has every record a string in the field that holds the text?",
    "not_utf8": "is the file saved as UTF-8?",
    "not_json": "is it one JSON object a line?",
    "line_too_long": "is it one record a line?",
    "no_main_text": "are they pages of HTML with running text?",
    "unknown_encoding": "are the pages of this language? If so, say their encoding or save them as UTF-8.",
    "licence": "does corpus.licences name the licences as the records do?",
}
_TYPES_NAMED = 20
_OF_THE_LANGUAGE = {"wrong_language", "wrong_script", "mixed_language", "no_stop_words"}
_OFTEN = 0.2  # share of documents with the label of one other language from which on somebody should look


def files(workspace: Workspace, language: Language) -> dict[str, Path | str | None]:
    return {
        "corpus": identity_of(workspace.corpus_source(language), language.tag),
        "pack": workspace.pack_file(language),
        "identification model": workspace.identification_model(language),
        **{f"evaluation {number}": path for number, path in enumerate(workspace.evaluation_files(language))},
        **{f"refuse list {number}": path for number, path in enumerate(workspace.refuse_files(language))},
        **{f"filter {name}": path for name, path in workspace.weights_files(language).items()},
    }


@stage(gives=RAW_CORPUS, takes=(), version="11", settings=("corpus",), files=files, uses_model=False)
def clean_corpus(run: StageRun) -> StageOutput:
    source = run.workspace.corpus_source(run.language)
    if gold := run.workspace.gold_pairs_file(run.language):
        read_gold_pairs(gold, run.language)  # what is wrong with it is told here, and not by the last stage
    one = _document_filter(run)
    judge = BatchJudge(one, ShardLog(run.unfinished / "judged"), ShardLog(run.unfinished / "refused"))
    passed_over, sizes = Counter[str](), deque[int]()
    own_words = (*one.pack.stop_words, *one.pack.profile)
    found = records_of(source, run.language.tag, own_words, passed_over, run.language.script)

    def counted(found: Iterable[list[Record | Reject]]) -> Iterator[list[Record | Reject]]:
        for batch in found:
            sizes.append(len(batch))
            yield batch

    keys, records, ready = list[str](), 0, 0
    before = {path.stem for path in judge.rejects.folder.glob("*.parquet")}
    workers = run.settings.corpus.ray_workers
    share = ordered_map_on_cluster if workers else ordered_map
    for key in share(judge, enumerate(counted(batches(found))), workers or processors()):
        keys.append(key)
        size = sizes.popleft()
        records += size
        ready += size if key in before else 0
        run.progress(records, 0, doing="judging", unit="records", found=ready)
    corpus = assemble(
        [judge.documents.path(key) for key in keys],
        [judge.rejects.path(key) for key in keys],
        run.unfinished,
        run.settings.corpus,
    )
    taken_for = _taken_for(corpus, run.language.tag)
    _stop_if_lost(run, source, corpus, taken_for)
    advice = one.identifier.advice if one.voter is None else ""
    return StageOutput(
        tables=corpus.tables,
        figures=CorpusFigures(
            records=records,
            funnel=CorpusFunnel(
                taken=corpus.documents + corpus.reasons.total(),
                lost=dict(corpus.reasons.most_common()),
                kept=corpus.documents,
            ),
            passed_over=_commonest(passed_over),
            identifiers=one.identifier.voters + (one.voter is not None),
            advice="; ".join(filter(None, (advice, taken_for, _cannot_tell(corpus, one)))),
            licences=dict(corpus.licences),
        ),
    )


def _commonest(passed_over: Counter[str]) -> dict[str, int]:
    """The types that are most, and all others together: archives hold whatever servers call their files."""
    named = dict(passed_over.most_common(_TYPES_NAMED))
    others = passed_over.total() - sum(named.values())
    return {**named, "other types": others} if others else named


def _taken_for(corpus: Corpus, tag: str) -> str:
    """As what other language many documents were refused, and what helps; empty where it was not as one."""
    refused = scan_parquet(corpus.tables[REJECTED.name]).filter(pl.col("reason") == "wrong_language")
    found = _counts(refused.select(pl.col("value").str.extract(r"^(\S+) ").alias("label")))
    label, count = max(found.items(), key=lambda item: item[1], default=("", 0))
    documents = corpus.documents + corpus.reasons.total()
    if not count or count < _OFTEN * documents:
        return ""
    said = f"{count} of {documents} documents were refused as {label}"
    if label in ("en", UNKNOWN):
        return said
    return f'{said}: if that is what the identifiers call {tag}, put identified_as = ["{label}"] into its entry of languages.toml'


def _cannot_tell(corpus: Corpus, one: DocumentFilter) -> str:
    """What to do where many kept documents may be in a language that the voters cannot tell from this one."""
    if one.voter is not None or not one.identifier.stand_ins:
        return ""
    found = _counts(scan_parquet(corpus.tables[DOCUMENTS.name]).select(pl.col("lid_label").alias("label")))
    others = sum(count for label, count in found.items() if label not in one.identifier.own)
    if not others or others < _OFTEN * corpus.documents:
        return ""
    return (
        f"{others} of {corpus.documents} documents that were kept may as well be in {', '.join(sorted(one.identifier.stand_ins))}: "
        f"the identifiers cannot tell {one.language.tag} from these. A model that can: corpus.identification_model and identification_label"
    )


def _counts(labels: pl.LazyFrame) -> dict[str, int]:
    """How often each label stands in a column of that name, the empty ones aside."""
    counted = labels.drop_nulls().group_by("label").len().sort("label").collect(engine="streaming")
    return dict(zip(counted["label"].to_list(), counted["len"].to_list(), strict=True))


def _stop_if_lost(run: StageRun, source: CorpusSource, corpus: Corpus, taken_for: str) -> None:
    """StageError, with the numbers, when too many files were broken, too much was refused, or nothing was kept."""
    settings = run.settings.corpus
    files, broken = len(files_of(source, run.language.tag)), corpus.reasons[BROKEN_FILE]
    if files and broken / files > settings.maximum_broken_share:
        rejected = scan_parquet(corpus.tables[REJECTED.name]).filter(pl.col("reason") == BROKEN_FILE)
        place, said = rejected.select("place", "value").head(1).collect(engine="streaming").row(0)
        raise StageError(
            f"{source.path}: {broken} of {files} files end too early or are damaged ({place}: {said}): write them again, "
            "or raise corpus.maximum_broken_share to go on with what could be read"
        )
    lost, total = corpus.reasons.total(), corpus.documents + corpus.reasons.total()
    if not total or (corpus.documents and lost / total <= settings.maximum_lost_share):
        return
    listed = ", ".join(f"{count} {reason}" for reason, count in corpus.reasons.most_common())
    reason = corpus.reasons.most_common(1)[0][0]
    question = f"is it {run.language.name}?" if reason in _OF_THE_LANGUAGE else _QUESTIONS.get(reason, "")
    question += f" {taken_for[:1].upper()}{taken_for[1:]}." if taken_for else ""
    advice = " Raise corpus.maximum_lost_share to go on all the same." if corpus.documents else ""
    said = f"{source.path} lost {lost} of {total} documents ({listed})"
    raise StageError(f"{said}{f': {question}' if question else '.'}{advice}")


def _document_filter(run: StageRun) -> DocumentFilter:
    evaluation = tuple(run.workspace.evaluation_files(run.language))
    model, label = run.workspace.identification_model(run.language), run.language.identification_label
    voter = ModelVoter(model, label) if model and label else None
    if voter:
        voter.check()
    index = RunIndex(evaluation, run.language.script) if evaluation else None
    if index:
        index.check()
    judge = DocumentFilter(
        run.language,
        run.settings.corpus,
        run.workspace.pack(run.language),
        index,
        voter,
        run.workspace.refuse_lists(run.language),
        run.workspace.learned_filters(run.language),
    )
    judge.identifier.check()
    return judge
