"""The part of `xinstr languages fit` that learns filters: what it reads, and what it says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.filter_fitting import QUALITY, Fit, fit_filters
from xinstr_core.corpus.learned_filter import check_filter_name, write_filter
from xinstr_core.corpus.packs import LanguagePack
from xinstr_core.corpus.personal_data import shown
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.sources import files_of, records_of
from xinstr_core.errors import SettingsError
from xinstr_core.languages import CorpusSource, Language
from xinstr_core.workspace import Workspace
from xinstr_dagster.cli.options import absolute
from xinstr_dagster.cli.output import console, plain

_EXAMPLES = 5
_EXAMPLE_CHARACTERS = 150


def with_filters(
    pack: LanguagePack,
    path: Path,
    workspace: Workspace,
    language: Language,
    crawl: str,
    unwanted: Sequence[str],
    may_lose: float,
) -> LanguagePack:
    """A newly fitted pack with learned filters: those of the pack that it replaces at `path`, and what is learned now."""
    filters = {}
    with suppress(SettingsError):  # a pack that cannot be read has none
        filters = dict(LanguagePack.read(path).filters) if path.is_file() else {}
    if crawl or unwanted:
        judge = DocumentFilter(language, workspace.settings(language).corpus, pack)
        trusted = records_of(workspace.corpus_source(language), language.tag, script=language.script)
        crawled = _records(crawl, language) if crawl else None
        for name, fit in fit_filters(judge, trusted, crawled, _examples(unwanted, language), may_lose):
            filters.pop(name, None)
            if fit:
                filters[name] = write_filter(path, fit.filter)
            for line in _said(name, fit):
                console.print(plain(line), soft_wrap=True, highlight=False)
    return pack.model_copy(update={"filters": filters})


def _examples(unwanted: Sequence[str], language: Language) -> dict[str, Iterator[Record | Reject]]:
    """The records of each class, by its name. SettingsError for what is no NAME=FILE."""
    found: dict[str, Iterator[Record | Reject]] = {}
    for one in unwanted:
        name, separator, file = one.partition("=")
        if not separator or not file:
            raise SettingsError(f"--unwanted {one!r}: write it as NAME=FILE, such as gambling=pages.jsonl")
        if name in (QUALITY, *found):
            raise SettingsError(f"--unwanted {one!r}: {name} is the name of another filter")
        found[check_filter_name(name)] = _records(file, language)
    return found


def _records(file: str, language: Language) -> Iterator[Record | Reject]:
    source = CorpusSource(path=absolute(file))
    files_of(source, language.tag, "text")  # what is not there is said before anything is fitted
    return records_of(source, language.tag, script=language.script)


def _said(name: str, fit: Fit | None) -> Iterator[str]:
    if fit is None:
        yield (
            f"filter {name}: none. Nothing of the crawl stands apart from the trusted text and from the rest of it; "
            "give examples of what you do not want (--unwanted)"
        )
        return
    fitted = fit.filter.fitted
    taken = (
        f"{fitted.unwanted} documents of the crawl that stand apart"
        if name == QUALITY
        else f"{fitted.unwanted} examples"
    )
    yield (
        f"filter {name}: {fitted.trusted} trusted documents against {taken}. Held out: recall {fitted.recall:.3f}, "
        f"precision {fitted.precision:.3f}, {fitted.lost:.3f} of the trusted documents lost"
    )
    worst = max(fit.lost_by_domain, key=fit.lost_by_domain.__getitem__)
    if len(fit.lost_by_domain) > 1:
        yield f"  of {len(fit.lost_by_domain)} sources, each held out whole, {worst} loses most: {fit.lost_by_domain[worst]:.3f}"
    else:
        yield "  all trusted text names one source: what good text of others loses is not known. Give text of several"
    if fit.lost:
        yield "  Read whether these trusted documents deserve it:"
        yield from map(_excerpt, fit.lost[:_EXAMPLES])
    if fit.crawl_refused is not None:
        yield f"  it refuses {fit.crawl_refused:.3f} of the crawl. Read whether that deserves it:"
        yield from map(_excerpt, fit.refused[:_EXAMPLES])


def _excerpt(text: str) -> str:
    return f"  - {shown(text[:_EXAMPLE_CHARACTERS], _EXAMPLE_CHARACTERS)}"
