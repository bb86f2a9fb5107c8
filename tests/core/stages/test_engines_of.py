"""A stage knows which engines its roles have, as far as rows depend on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xinstr_core.stages.candidate_pairs import write_instructions
from xinstr_core.stages.diversified_set import select
from xinstr_core.stages.stage import Stage, engines_of, fingerprint_parts
from xinstr_core.workspace import Workspace

ADDRESS = "http://127.0.0.1:8000/v1"
SERVED = {"kind": "openai", "address": ADDRESS}


@pytest.fixture(autouse=True)
def registry(tmp_path: Path) -> None:
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")


def engines(home: Path, stage: Stage, **said: Any) -> dict[str, dict[str, str]]:
    workspace = Workspace(home, overrides={"engines": said})
    return engines_of(workspace, stage, workspace.language("sw"))


def test_the_model_in_this_process_is_nothing_to_know(tmp_path: Path) -> None:
    assert engines(tmp_path, write_instructions) == {}
    assert engines(tmp_path, write_instructions, writer=SERVED) == {}, "a role that this stage has not"


def test_kind_and_model_are_known_and_neither_address_nor_key_nor_price(tmp_path: Path) -> None:
    found = engines(tmp_path, write_instructions, reverse={**SERVED, "model": "base", "price_prompt": 2})
    assert found == {"reverse": {"kind": "openai", "model": "base"}}
    assert found == engines(
        tmp_path, write_instructions, default={**SERVED, "address": f"{ADDRESS}/x", "model": "base"}
    )
    assert engines(tmp_path, select, reverse=SERVED) == {}


def test_a_fingerprint_is_what_it_was_where_nothing_runs_elsewhere(tmp_path: Path) -> None:
    class Stored:
        version = "one"

    def parts(**said: Any) -> dict[str, Any]:
        workspace = Workspace(tmp_path, overrides={"engines": said})
        inputs: Any = dict.fromkeys(write_instructions.upstream, Stored)
        return fingerprint_parts(workspace, write_instructions, "sw", inputs)

    assert "engines" not in parts()
    assert parts() == parts(reverse={"requests_at_once": 3}) == parts(tuned=SERVED)
    assert parts(reverse=SERVED)["engines"] == {"reverse": {"kind": "openai", "model": ""}}
