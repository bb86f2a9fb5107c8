"""What learned filters refuse, and what that costs: `python benchmarks/learned_filter.py [id tr]`, needs ../shared/data.

Trusted text: the largest sources of the corpora. The crawl: paragraphs of an encyclopaedia and the other sources, of which the
filter learns nothing else, the noisy records, and among them pages of spam (spam_text.py) of the first hand. Measured on what it
has not seen: pages of the second hand, the other half of the good crawl, and trusted documents whose source was held out.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from real_text import DATA, document_filter
from spam_text import KINDS, spam

from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.filter_fitting import MAY_LOSE, Fit, fit_filter, sample
from xinstr_core.corpus.filter_sides import Sample
from xinstr_core.corpus.learned_filter import verdict
from xinstr_core.corpus.readers import Record

PAGES = 150  # of each kind and hand
SITES = 20  # over which they are spread
IN_THE_CRAWL = (0, 10, 20, 40, 100, 200)  # pages of spam
TRUSTED_SOURCES = -2  # all but the two smallest

Sets = Mapping[str, Sequence[Sample]]


def drawn(rows: Iterable[Mapping[str, Any]], judge: DocumentFilter) -> list[Sample]:
    """Documents that the other checks keep, in any order."""
    found = sample((Record(str(number), dict(row)) for number, row in enumerate(rows)), judge)
    random.Random(0).shuffle(found)
    return found


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text("utf-8").rstrip("\n").split("\n")]


def pages(language: str, kind: str, hand: str, originals: Sequence[Sample], judge: DocumentFilter) -> list[Sample]:
    count = min(PAGES, len(originals)) if kind == "spun" else PAGES
    written = spam(language, kind, hand, count, [one.text for one in originals])
    return drawn(({"text": text, "source": f"{kind}-{n % SITES}"} for n, text in enumerate(written)), judge)


def refused(fit: Fit, texts: Iterable[str]) -> str:
    found = [verdict(text, [fit.filter]) for text in texts]
    return f"{sum(one is not None and one.is_refused for one in found) / len(found):.2f}"


def row(name: str, fit: Fit | None, unseen: Sets) -> str:
    if fit is None:
        return f"| {name} | none fitted |" + " |" * (2 + len(unseen))
    fitted = fit.filter.fitted
    worst = max(fit.lost_by_domain.values())
    shares = " | ".join(refused(fit, (one.text for one in found)) for found in unseen.values())
    return f"| {name} | {fitted.unwanted} | {fitted.lost:.3f} | {worst:.3f} | {shares} |"


def language_table(language: str) -> None:
    judge = document_filter(language)
    corpus = drawn(({"text": one["text"], "source": one["source"]} for one in lines(f"corpus/{language}.jsonl")), judge)
    domains = [domain for domain, _ in Counter(one.domain for one in corpus).most_common()]
    trusted = [one for one in corpus if one.domain in domains[:TRUSTED_SOURCES]]
    others = [one for one in corpus if one.domain not in domains[:TRUSTED_SOURCES]]
    responses = dict.fromkeys(one["response"] for one in lines(f"seeds/{language}.native.jsonl"))
    articles = drawn(({"text": text, "source": "encyclopaedia"} for text in responses), judge)
    noisy = [one["text"] for one in lines("raw_noisy.jsonl") if one["language"] == language]
    crawl = [*articles[::2], *others[::2], *drawn(({"text": text, "source": "noisy"} for text in noisy), judge)]
    first, second = (
        {kind: pages(language, kind, hand, articles[start::2], judge) for kind in KINDS}
        for start, hand in enumerate(("first", "second"))
    )
    unseen: Sets = {**second, "articles": articles[1::2], "other good": others[1::2]}
    written = [*first["gambling"], *first["seo"]]
    random.Random(1).shuffle(written)

    print(
        f"\n{language}: {len(trusted)} trusted, {len(crawl)} good pages in the crawl, unseen: { {name: len(found) for name, found in unseen.items()} }\n"
    )
    print(
        f"| learned from | unwanted | trusted lost | at worst, of a source | {' | '.join(unseen)} |\n|{'---|' * (4 + len(unseen))}"
    )
    for count in IN_THE_CRAWL:
        fit = fit_filter("quality", trusted, [], [*crawl, *written[:count]], MAY_LOSE)
        print(row(f"crawl with {count} pages of spam", fit, unseen), flush=True)
    fit = fit_filter("quality", trusted, [], [*crawl, *written[:40], *first["spun"]], MAY_LOSE)
    print(row(f"crawl with 40 and {len(first['spun'])} spun", fit, unseen), flush=True)
    for kind in KINDS:
        fit = fit_filter(kind, trusted, first[kind], [], MAY_LOSE)
        print(row(f"examples: {kind}", fit, unseen), flush=True)
        beside = fit_filter(kind, trusted, first[kind], [*crawl, *written[:40]], MAY_LOSE)
        print(row(f"examples: {kind}, and the crawl with 40", beside, unseen), flush=True)
        if fit and kind == "gambling":
            print_cost(judge, fit, corpus)


def print_cost(judge: DocumentFilter, fit: Fit, corpus: Sequence[Sample]) -> None:
    """Time of judging with the filter over that without, and refused documents by length: it must not learn that."""
    by_length = sorted(corpus, key=lambda one: len(one.text))
    third = len(by_length) // 3
    parts = [refused(fit, (one.text for one in by_length[start : start + third])) for start in (0, third, 2 * third)]
    started = time.process_time()
    for one in corpus:
        verdict(one.text, [fit.filter])
    scoring = time.process_time() - started
    started = time.process_time()
    for one in corpus:
        list(judge.judge(Record("", {"text": one.text})))
    judging = time.process_time() - started
    print(
        f"<!-- scoring takes {1e6 * scoring / len(corpus):.0f} µs a document, judging without {1e6 * judging / len(corpus):.0f}; "
        f"refused of the shortest, middle and longest third of the corpus: {', '.join(parts)} -->",
        file=sys.stderr,
    )


def main() -> None:
    if not DATA.is_dir():
        print(f"skipped: there is no {DATA}")
        return
    for language in sys.argv[1:] or ("id", "tr"):
        language_table(language)


if __name__ == "__main__":
    main()
