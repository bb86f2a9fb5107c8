"""raw_corpus: documents of one language that are what they claim to be, and every reject with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from xinstr_core.corpus.assembly import Corpus, assemble
from xinstr_core.corpus.batches import BatchJudge, batches
from xinstr_core.corpus.contamination import RunIndex
from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.identification import ModelVoter
from xinstr_core.corpus.readers import BROKEN_FILE, Record, Reject
from xinstr_core.corpus.sources import files_of, identity_of, records_of
from xinstr_core.errors import StageError
from xinstr_core.languages import CorpusSource, Language
from xinstr_core.parallel import ordered_map, processors
from xinstr_core.schemas.raw_corpus import RAW_CORPUS, CorpusFigures, CorpusFunnel
from xinstr_core.stages.stage import StageRun, stage
from xinstr_core.store import ShardLog, StageOutput
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
_OF_THE_LANGUAGE = {"wrong_language", "wrong_script", "mixed_language", "no_stop_words", "unlike_profile"}


def files(workspace: Workspace, language: Language) -> dict[str, Path | str | None]:
    return {
        "corpus": identity_of(workspace.corpus_source(language), language.tag),
        "pack": workspace.pack_file(language),
        "identification model": workspace.identification_model(language),
        **{f"evaluation {number}": path for number, path in enumerate(workspace.evaluation_files(language))},
        **{f"refuse list {number}": path for number, path in enumerate(workspace.refuse_files(language))},
        **{f"filter {name}": path for name, path in workspace.weights_files(language).items()},
    }


@stage(gives=RAW_CORPUS, takes=(), version="7", settings=("corpus",), files=files, uses_model=False)
def clean_corpus(run: StageRun) -> StageOutput:
    source = run.workspace.corpus_source(run.language)
    judge = BatchJudge(_document_filter(run), ShardLog(run.unfinished / "judged"), ShardLog(run.unfinished / "refused"))
    pack = run.workspace.pack(run.language)
    records, passed_over = 0, Counter[str]()
    found = records_of(source, run.language.tag, (*pack.stop_words, *pack.profile), passed_over)

    def counted(found: Iterable[Record | Reject]) -> Iterator[Record | Reject]:
        nonlocal records
        for one in found:
            records += 1
            yield one

    keys = []
    for key in ordered_map(judge, enumerate(batches(counted(found))), processors()):
        keys.append(key)
        run.progress(records, 0)
    corpus = assemble(
        [judge.documents.path(key) for key in keys],
        [judge.rejects.path(key) for key in keys],
        run.unfinished,
        run.settings.corpus,
    )
    _stop_if_lost(run, source, corpus)
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
            licences=dict(corpus.licences),
        ),
    )


def _commonest(passed_over: Counter[str]) -> dict[str, int]:
    """The types that are most, and all others together: archives hold whatever servers call their files."""
    named = dict(passed_over.most_common(_TYPES_NAMED))
    others = passed_over.total() - sum(named.values())
    return {**named, "other types": others} if others else named


def _stop_if_lost(run: StageRun, source: CorpusSource, corpus: Corpus) -> None:
    """StageError, with the numbers, when too many files were broken, too much was refused, or nothing was kept."""
    settings = run.settings.corpus
    files, broken = len(files_of(source, run.language.tag)), corpus.reasons[BROKEN_FILE]
    if files and broken / files > settings.maximum_broken_share:
        raise StageError(
            f"{source.path}: {broken} of {files} files end too early or are damaged: write them again, "
            "or raise corpus.maximum_broken_share to go on with what could be read"
        )
    lost, total = corpus.reasons.total(), corpus.documents + corpus.reasons.total()
    if not total or (corpus.documents and lost / total <= settings.maximum_lost_share):
        return
    listed = ", ".join(f"{count} {reason}" for reason, count in corpus.reasons.most_common())
    reason = corpus.reasons.most_common(1)[0][0]
    question = f"is it {run.language.name}?" if reason in _OF_THE_LANGUAGE else _QUESTIONS.get(reason, "")
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
    return DocumentFilter(
        run.language,
        run.settings.corpus,
        run.workspace.pack(run.language),
        index,
        voter,
        run.workspace.refuse_lists(run.language),
        run.workspace.learned_filters(run.language),
    )
