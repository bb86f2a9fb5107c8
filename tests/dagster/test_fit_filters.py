"""`xinstr languages fit` with a crawl and examples: what it says, what it writes, what it refuses."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xinstr_core.corpus.packs import LanguagePack
from xinstr_core.workspace import Workspace
from xinstr_dagster.cli import main

Run = Callable[..., int]
DRAW = random.Random(2)


def words(count: int) -> list[str]:
    return ["".join(DRAW.choice("bdfgklmnprst" if n % 2 else "aeiou") for n in range(6)) for _ in range(count)]


COMMON = words(30)


def write(path: Path, kinds: dict[str, int]) -> None:
    """Pages of made-up words, of each kind so many; pages of one kind share words of their own, `articles` have each its own."""
    pages = []
    for kind, count in kinds.items():
        rng = random.Random(kind)
        own = [*COMMON, *rng.choices(["".join(rng.sample(kind * 3, 6)) for _ in range(30)], k=30)]
        for number in range(count):
            found = [*COMMON, *words(30)] if kind == "articles" else own
            pages.append({"text": " ".join(DRAW.choices(found, k=60)), "url": f"https://{kind}.example/{number}"})
    path.write_text("".join(f"{json.dumps(page)}\n" for page in pages), "utf-8")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`xinstr` in a home with one language that no voter knows; gives the exit code."""
    (tmp_path / "languages.toml").write_text('[wo]\nname = "Wolof"\nscript = "Latn"\ncorpus = "good.jsonl"\n', "utf-8")
    write(tmp_path / "good.jsonl", {"newspaper": 40, "storyteller": 40})
    write(tmp_path / "crawl.jsonl", {"articles": 60, "jackpotslot": 12})
    write(tmp_path / "casino.jsonl", {"casinoroyal": 60})
    monkeypatch.setenv("XINSTR_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["xinstr", "languages", "fit", "wo", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


def test_filters_are_fitted_said_written_and_kept(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--crawl", "crawl.jsonl", "--unwanted", "gambling=casino.jsonl") == 0
    said = capsys.readouterr().out
    assert (
        "filter quality: 80 trusted documents against 12 documents of the crawl that stand apart. Held out: recall 1.000"
        in said
    )
    assert "filter gambling: 80 trusted documents against 60 examples. Held out: recall 1.000" in said
    assert "of 2 sources, each held out whole" in said and "Read whether that deserves it" in said
    pack = LanguagePack.read(tmp_path / "packs" / "wo.toml")
    assert sorted(pack.filters) == ["gambling", "quality"]
    assert sorted(path.name for path in (tmp_path / "packs").iterdir()) == [
        "wo.gambling.npy",
        "wo.quality.npy",
        "wo.toml",
    ]
    workspace = Workspace(tmp_path)
    assert [one.name for one in workspace.learned_filters(workspace.language("wo"))] == [*pack.filters]

    assert run() == 0  # limits alone: what was learned stays
    assert LanguagePack.read(tmp_path / "packs" / "wo.toml").filters == pack.filters


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--unwanted", "gambling"), "write it as NAME=FILE"),
        (("--unwanted", "../x=casino.jsonl"), "cannot name a filter"),
        (("--unwanted", "quality=casino.jsonl"), "quality is the name of another filter"),
        (("--unwanted", "adult=nowhere.jsonl"), "looked for"),
        (("--crawl", "nowhere.jsonl"), "looked for"),
    ],
)
def test_what_cannot_be_learned_from_is_one_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run(*arguments) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "packs").exists()
