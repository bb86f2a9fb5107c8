"""The pages of an export for people: the dataset card, and the page of licences."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from xinstr_core.exporting.facts import SetFacts
from xinstr_core.exporting.header import LICENCES_FILE, Written, config_names, dataset_header
from xinstr_core.exporting.markdown import Markdown, code, code_block, escaped, render, table
from xinstr_core.exporting.told import Told, seed_origins
from xinstr_core.licences import asked_for, licence_link, plain_name
from xinstr_core.schemas.declaration import Column
from xinstr_core.schemas.diversified_set import HELD_OUT, TRAIN
from xinstr_core.schemas.export import ALPACA, CHAT, EXPORTED, PREFERENCES, SEED_CHAT

CARD_FILE = "README.md"
_SOURCES_SHOWN = 10  # of a licence; all others that are named are on the page of licences
_SHOWN_CHARACTERS = 300  # of a text of the example


@dataclass(frozen=True)
class LicenceRow:
    """A licence over all languages: rows by language, and what it asks for."""

    name: str
    rows: Mapping[str, int]
    seeds: int  # of them, seed pairs

    @property
    def asks(self) -> str:
        return asked_for(self.name)

    @property
    def link(self) -> str:
        return licence_link(self.name) or ""

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def dataset_card(
    facts: Sequence[SetFacts],
    written: Written,
    sources: Mapping[str, pl.DataFrame],
    examples: Sequence[Mapping[str, Any]],
    seeds: Mapping[str, Mapping[str, int]] | None,
) -> str:
    """README.md: the header between its lines, and the card. `seeds` has seed pairs by language and origin, None for without."""
    names = [one.name for one in facts]
    licences = _licences(facts, accepted=True)
    title = f"{_listed(names)} instruction pairs"
    header = dataset_header([one.built.language for one in facts], written, [one.name for one in licences], title)
    card = render(
        __package__,
        "dataset_card.md.jinja",
        {
            "title": title,
            "languages": names,
            "facts": facts,
            "all_generated": all(one.is_generated for one in facts),
            "of": {one.tag: Told(one) for one in facts},
            "rows_table": _rows_table(facts, written),
            "configs": config_names(written),
            "has_preferences": any(of is PREFERENCES for splits in written.values() for of, _ in splits),
            "with_seeds": seeds is not None,
            "seeds_told": {fact.name: seed_origins((seeds or {}).get(fact.tag, {})) for fact in facts},
            "columns": _columns(written),
            "licence_table": _licence_table(licences, facts),
            "left_out_table": _licence_table(_licences(facts, accepted=False), facts),
            "has_left_out": any(one.licensing.left_out for one in facts),
            "source_table": _source_table(facts, sources),
            "sources_shown": _SOURCES_SHOWN,
            "licences_file": LICENCES_FILE,
            "bases": list({one.base.name: one.base for one in facts}.values()),
            "examples": [_example(row) for row in examples],
            "train": TRAIN,
            "held_out": HELD_OUT,
            "build_commands": code_block(
                "\n".join(_commands(facts, [one.name for one in licences], seeds is not None)), "sh"
            ),
            "folders": Markdown(
                ", ".join(code(name) for name in sorted({name for one in facts for name in one.folders}))
            ),
            "loading": code_block("\n".join(_loading(written)), "python"),
            "bibtex": code_block(_bibtex(title), "bibtex"),
        },
    )
    return f"---\n{header}\n---\n\n{card}"


def licences_page(facts: Sequence[SetFacts], sources: Mapping[str, pl.DataFrame]) -> str:
    """LICENSE.md: every licence with its rows, what it asks for, and whom it has named."""
    rows = pl.concat([frame.with_columns(language=pl.lit(tag)) for tag, frame in sources.items()])
    licences = _licences(facts, accepted=True)
    return render(
        __package__,
        "licences.md.jinja",
        {
            "licences": licences,
            "sources": {
                one.name: [
                    (source, language, count)
                    for licence, source, count, language in rows.select(
                        "licence", "source", "rows", "language"
                    ).iter_rows()
                    if plain_name(licence) == plain_name(one.name)
                ]
                for one in licences
            },
            "named": {one.name: sum(_different(fact, one.name) for fact in facts) for one in licences},
        },
    )


def _licences(facts: Sequence[SetFacts], *, accepted: bool) -> list[LicenceRow]:
    """Licences over all languages that were accepted, or were not, the one of most rows first."""
    found: dict[str, dict[str, int]] = {}
    names: dict[str, str] = {}
    seeds: dict[str, int] = {}
    for one in facts:
        for total in one.licensing.totals:
            if total.accepted is accepted:
                key = plain_name(total.name)
                names.setdefault(key, total.name)
                found.setdefault(key, {})[one.tag] = total.rows
                seeds[key] = seeds.get(key, 0) + total.seeds
    rows = [LicenceRow(names[key], counts, seeds[key]) for key, counts in found.items()]
    return sorted(rows, key=lambda row: (-row.total, row.name))


def _licence_table(licences: Sequence[LicenceRow], facts: Sequence[SetFacts]) -> Markdown:
    header = ["licence", *([one.name for one in facts] if len(facts) > 1 else []), "rows"]
    with_seeds = any(one.seeds for one in licences)
    header += [*(["of them seed pairs"] if with_seeds else []), "asks for"]
    return table(
        header,
        [
            [
                Markdown(f"[{escaped(one.name)}]({one.link})") if one.link else one.name,
                *([one.rows.get(fact.tag, 0) for fact in facts] if len(facts) > 1 else []),
                one.total,
                *([one.seeds] if with_seeds else []),
                one.asks,
            ]
            for one in licences
        ],
    )


def _source_table(facts: Sequence[SetFacts], sources: Mapping[str, pl.DataFrame]) -> Markdown:
    rows: list[list[Any]] = []
    for fact in facts:
        for one in fact.licensing.totals:
            of_licence = [
                (source, count)
                for licence, source, count in sources[fact.tag].select("licence", "source", "rows").iter_rows()
                if plain_name(licence) == plain_name(one.name)
            ]
            rows += [
                [fact.name, one.name, source or "not named", count] for source, count in of_licence[:_SOURCES_SHOWN]
            ]
            if (more := _different(fact, one.name) - _SOURCES_SHOWN) > 0 and one.accepted:
                rows.append([fact.name, one.name, f"and {more} more", sum(c for _, c in of_licence[_SOURCES_SHOWN:])])
    return table(["language", "licence", "source", "rows"], rows)


def _different(fact: SetFacts, licence: str) -> int:
    """How many sources of a language have a licence."""
    return sum(one.sources for one in fact.licensing.totals if plain_name(one.name) == plain_name(licence))


def _rows_table(facts: Sequence[SetFacts], written: Written) -> Markdown:
    rows = []
    for fact in facts:
        for of in (CHAT, PREFERENCES, SEED_CHAT):
            counts = {one.split: one.rows for table_of, one in written[fact.tag] if table_of is of}
            if counts:
                also = f" ({code(ALPACA.name)} too)" if of is CHAT else ""
                rows.append(
                    [
                        fact.name,
                        Markdown(f"{code(of.name)}{also}"),
                        of.meaning,
                        counts.get(TRAIN, 0),
                        counts.get(HELD_OUT, 0),
                    ]
                )
    return table(["language", "config", "what it holds", "to train on", "held out"], rows)


def _columns(written: Written) -> Markdown:
    """Every column that is in any table, with the tables that have it."""
    there = {of.name for splits in written.values() for of, _ in splits}
    tables = [of for of in EXPORTED if of.name in there]
    columns: dict[tuple[str, str], tuple[Column, list[str]]] = {}
    for of in tables:
        for column in of.columns:
            columns.setdefault((column.name, column.meaning), (column, []))[1].append(of.name)
    rows = [
        [
            code(column.name),
            column.meaning,
            ", ".join(filter(None, (column.unit, column.constraint))),
            "all" if len(names) == len(tables) else Markdown(", ".join(map(code, names))),
        ]
        for column, names in columns.values()
    ]
    return table(["column", "meaning", "unit, and what holds of it", "in"], rows)


def _example(row: Mapping[str, Any]) -> Markdown:
    """The row with the first key, long texts cut."""
    shown = ("pair_id", "language", "instruction", "response", "licence", "source", "rating", "cluster_id")
    return code_block(json.dumps({name: _cut(row[name]) for name in shown}, ensure_ascii=False, indent=1), "json")


def _cut(value: Any) -> Any:
    return f"{value[:_SHOWN_CHARACTERS]} ..." if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS else value


def _loading(written: Written) -> Iterator[str]:
    yield "from datasets import load_dataset"
    yield ""
    yield 'chat = load_dataset("DIR")                # this folder, or its id on the hub: chat messages'
    yield 'alpaca = load_dataset("DIR", "alpaca")    # instruction, input, output'
    if len(written) > 1:
        tag = next(iter(written))
        yield f'one = load_dataset("DIR", "{CHAT.name}-{tag}")       # of one language'


def _commands(facts: Sequence[SetFacts], accepted: Sequence[str], with_seeds: bool) -> Iterator[str]:
    for one in facts:
        base, settings = shlex.quote(one.base.name), "".join(f" --set {shlex.quote(s)}" for s in one.changed_settings)
        yield f"xinstr build {one.tag} --preset {one.preset} --base-model {base}{settings}"
    licences = "".join(f" --accept-licence {shlex.quote(licence)}" for licence in sorted(accepted))
    seeds = " --with-seeds" if with_seeds else ""
    yield f"xinstr export {' '.join(one.tag for one in facts)} --to DIR{licences}{seeds}"


def _bibtex(title: str) -> str:
    return "\n".join(
        (
            "@misc{FILL-IN-a-key,",
            f"  title = {{{title}}},",
            "  author = {FILL IN: who publishes it},",
            "  year = {FILL IN},",
            "  url = {FILL IN},",
            "  note = {Made with xinstr by the method of arXiv:2405.19744}",
            "}",
            "",
            "@inproceedings{li2024xinstruction,",
            "  title = {X-Instruction: Aligning Language Model in Low-resource Languages with Self-curated Cross-lingual Instructions},",
            "  author = {Li, Chong and Yang, Wen and Zhang, Jiajun and Lu, Jinliang and Wang, Shaonan and Zong, Chengqing},",
            "  booktitle = {Findings of the Association for Computational Linguistics: ACL 2024},",
            "  pages = {546--566},",
            "  year = {2024},",
            "  url = {https://aclanthology.org/2024.findings-acl.30}",
            "}",
        )
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
