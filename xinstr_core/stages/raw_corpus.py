"""raw_corpus: documents of one language that are what they claim to be, and every reject with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from xinstr_core.corpus.assembly import Corpus, assemble
from xinstr_core.corpus.batches import BatchJudge, batches
from xinstr_core.corpus.contamination import RunIndex
from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.identification import ModelVoter
from xinstr_core.corpus.packs import NO_PACK, LanguagePack
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.sources import identity_of, records_of
from xinstr_core.errors import StageError
from xinstr_core.languages import Language
from xinstr_core.parallel import ordered_map, processors
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import ShardLog, StageOutput
from xinstr_core.workspace import Workspace

# What to look at when most records fall for one reason that is not their language.
_QUESTIONS = {
    "no_text": "has every record a string in its field `text`?",
    "not_utf8": "is the file saved as UTF-8?",
    "not_json": "is it one JSON object a line?",
    "line_too_long": "is it one record a line?",
    "broken_file": "is it whole? Write it again",
}


def run(run: StageRun) -> StageOutput:
    source = run.workspace.corpus_source(run.language)
    judge = BatchJudge(_document_filter(run), ShardLog(run.unfinished / "judged"), ShardLog(run.unfinished / "refused"))
    records = 0

    def counted(found: Iterable[Record | Reject]) -> Iterator[Record | Reject]:
        nonlocal records
        for one in found:
            records += 1
            yield one

    keys = []
    for key in ordered_map(judge, enumerate(batches(counted(records_of(source, run.language.tag)))), processors()):
        keys.append(key)
        run.progress(records, 0)
    corpus = assemble(
        [judge.documents.path(key) for key in keys],
        [judge.rejects.path(key) for key in keys],
        run.unfinished,
        run.settings.corpus,
    )
    _stop_if_lost(run, source.path, corpus)
    return StageOutput(
        tables=corpus.tables,
        figures={
            "records": records,
            "funnel": {
                "documents and spans": corpus.documents + corpus.reasons.total(),
                **{f"- {reason}": count for reason, count in corpus.reasons.most_common()},
                "kept": corpus.documents,
            },
            "licences": dict(corpus.licences),
        },
    )


def _stop_if_lost(run: StageRun, path: str, corpus: Corpus) -> None:
    lost, total = corpus.reasons.total(), corpus.documents + corpus.reasons.total()
    if not total or lost / total <= run.settings.corpus.maximum_lost_share:
        return
    listed = ", ".join(f"{count} {reason}" for reason, count in corpus.reasons.most_common())
    question = _QUESTIONS.get(corpus.reasons.most_common(1)[0][0], f"is it {run.language.name}?")
    raise StageError(
        f"{path} lost {lost} of {total} documents ({listed}): {question} "
        "Raise corpus.maximum_lost_share to go on all the same"
    )


def _document_filter(run: StageRun) -> DocumentFilter:
    pack = run.workspace.pack_file(run.language)
    evaluation = tuple(run.workspace.evaluation_files(run.language))
    model, label = run.workspace.identification_model(run.language), run.language.identification_label
    voter = ModelVoter(model, label) if model and label else None
    if voter:
        voter.check()
    return DocumentFilter(
        run.language,
        run.settings.corpus,
        LanguagePack.read(pack) if pack else NO_PACK,
        RunIndex(evaluation, run.language.script) if evaluation else None,
        voter,
    )


def files(workspace: Workspace, language: Language) -> dict[str, Path | str | None]:
    return {
        "corpus": identity_of(workspace.corpus_source(language), language.tag),
        "pack": workspace.pack_file(language),
        "identification model": workspace.identification_model(language),
        **{f"evaluation {number}": path for number, path in enumerate(workspace.evaluation_files(language))},
    }


STAGE = Stage("raw_corpus", "2", run, settings=("corpus",), files=files, uses_model=False)
