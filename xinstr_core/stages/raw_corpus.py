"""raw_corpus: documents of one language that are what they claim to be, and every reject with its reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xinstr_core.corpus.documents import DOCUMENT_SCHEMA, REJECT_SCHEMA, DocumentFilter
from xinstr_core.corpus.readers import Reject, read_records
from xinstr_core.errors import StageError
from xinstr_core.languages import Language
from xinstr_core.schemas import frame
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace

# What to look at when most records fall for one reason that is not their language.
_QUESTIONS = {
    "no_text": "has every record a string in its field `text`?",
    "not_utf8": "is the file saved as UTF-8?",
    "not_json": "is it one JSON object a line?",
    "line_too_long": "is it one record a line?",
}


def run(run: StageRun) -> StageOutput:
    settings = run.settings.corpus
    path = run.workspace.corpus_file(run.language)
    document_filter = DocumentFilter(run.language, settings)
    documents: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    records = 0
    for record in read_records(path):
        records += 1
        for outcome in [record] if isinstance(record, Reject) else document_filter.judge(record):
            (rejects if isinstance(outcome, Reject) else documents).append(_row(outcome, run.language))
        if records % 500 == 0:
            run.progress(records, 0, kept=len(documents), rejected=len(rejects))
    reasons = Counter(str(reject["reason"]) for reject in rejects)
    total = len(documents) + len(rejects)
    if total and len(rejects) / total > settings.maximum_lost_share:
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        question = _QUESTIONS.get(reasons.most_common(1)[0][0], f"is it {run.language.name}?")
        raise StageError(
            f"{path} lost {len(rejects)} of {total} documents ({listed}): {question} "
            "Raise corpus.maximum_lost_share to go on all the same"
        )
    return StageOutput(
        tables={"documents": frame(documents, DOCUMENT_SCHEMA), "rejected": frame(rejects, REJECT_SCHEMA)},
        figures={
            "records": records,
            "funnel": {
                "documents and spans": total,
                **{f"- {r}": n for r, n in reasons.most_common()},
                "kept": len(documents),
            },
            "licences": dict(Counter(str(document["licence"]) for document in documents)),
        },
    )


def _row(outcome: Any, language: Language) -> dict[str, Any]:
    return {"language": language.tag, **asdict(outcome)}


def files(workspace: Workspace, language: Language) -> dict[str, Path | None]:
    return {"corpus": workspace.corpus_file(language)}


STAGE = Stage("raw_corpus", "1", run, settings=("corpus",), files=files, uses_model=False)
