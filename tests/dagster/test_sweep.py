"""`xinstr sweep`: rates that are none are refused before anything is read, and what came of them is printed with the line to take."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.evaluation.measures import Measure
from xinstr_core.stages import sweep as core
from xinstr_core.stages.sweep import Sweep, Swept
from xinstr_core.workspace import Workspace
from xinstr_dagster.cli import main
from xinstr_dagster.cli.exit_codes import ExitCode


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`xinstr sweep` with these arguments; gives the exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["xinstr", "sweep", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


def measure(value: float, low: float | None, high: float | None) -> Measure:
    return Measure("sw", "m", "x", "en", value, low, high, 40, "higher")


@pytest.mark.parametrize("rates", ["", "a", "1e-4,1e-4", "0", "3", "-1e-4", "1e-4,,1e-3", "nan", "1e-4;1e-3"])
def test_what_is_no_list_of_rates_is_one_line(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], rates: str
) -> None:
    assert run("sw", "--rates", rates) == ExitCode.FAILED
    assert "write different learning rates between 0 and 1" in capsys.readouterr().err


def test_a_language_without_a_selection_is_one_line(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("sw") == ExitCode.FAILED
    assert "sw has no selection yet: xinstr build sw --to diversified_set" in capsys.readouterr().err


def test_every_rate_has_a_line_and_the_best_one_is_what_to_take(
    run: Callable[..., int], home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[float]] = []

    def swept(workspace: Workspace, tag: str, rates: Sequence[float], progress: Any) -> Sweep:
        asked.append(rates)
        assert (tag, workspace.settings(workspace.language(tag)).tuning.epochs) == ("sw", 2)
        low = Swept(1e-4, measure(-2.0, -2.25, -1.75), measure(0.0, 0.0, 0.09))
        return Sweep([low, Swept(1e-3, measure(-1.5, None, None), measure(0.5, 0.4, 0.6))], home / "kept")

    monkeypatch.setattr(core, "sweep", swept)
    assert run("sw", "--rates", "1e-3, 1e-4", "--set", "tuning.epochs=2") == ExitCode.DONE
    assert asked == [[1e-3, 1e-4]]
    printed = capsys.readouterr().out
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if "│" in line]
    assert lines == [
        ["0.0001 *", "2.000 (1.750 to 2.250)", "0.000 (0.000 to 0.090)"],
        ["0.001", "1.500", "0.500 (0.400 to 0.600)"],
    ]
    assert "learning_rate = 0.0001  # in xinstr.toml, under [tuning]\n" in printed
    assert str(home / "kept") in printed.replace("\n", "")
