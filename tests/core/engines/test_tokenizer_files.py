"""What a tokenizer's folder holds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.core.training.conftest import contents
from xinstr_core.engines.encoding import encode_prompt
from xinstr_core.engines.models import load_tokenizer, resolve_model
from xinstr_core.engines.tokenizer_files import as_typed, write_tokenizer


def test_the_files_of_the_base_are_copied_and_nothing_of_its_weights(tiny_model_folder: Path, tmp_path: Path) -> None:
    base = resolve_model(str(shutil.copytree(tiny_model_folder, tmp_path / "base")))
    (base.path / "chat_template.jinja").write_text("{{ messages }}", "utf-8")
    (base.path / "README.md").write_text("words", "utf-8")
    tokenizer = load_tokenizer(base)
    write_tokenizer(base, tokenizer, tmp_path / "tokenizer")
    found = contents(tmp_path / "tokenizer")
    generation = json.loads(found.pop("generation_config.json"))
    assert found == {
        name: (base.path / name).read_bytes()
        for name in ("chat_template.jinja", "tokenizer.json", "tokenizer_config.json")
    }
    assert generation == {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    assert load_tokenizer(resolve_model(str(base.path))).chat_template == "{{ messages }}"


def test_a_base_without_a_chat_template_gives_none(tiny_model_folder: Path, tmp_path: Path) -> None:
    base = resolve_model(str(tiny_model_folder))
    write_tokenizer(base, load_tokenizer(base), tmp_path / "tokenizer")
    assert not (tmp_path / "tokenizer" / "chat_template.jinja").exists()


def test_a_prompt_is_typed_with_the_begin_token_that_a_tokenizer_does_not_write(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    base = resolve_model(str(shutil.copytree(tiny_model_folder, tmp_path / "base")))
    assert as_typed(base.path, "What?\n") == "What?\n"
    configuration = json.loads((base.path / "tokenizer_config.json").read_text("utf-8"))
    begins = {**configuration, "bos_token": configuration["pad_token"]}
    (base.path / "tokenizer_config.json").write_text(json.dumps(begins), "utf-8")
    typed = as_typed(base.path, "What?\n")
    assert typed == configuration["pad_token"] + "What?\n"
    tokenizer = load_tokenizer(base)
    assert tokenizer(typed)["input_ids"] == encode_prompt(tokenizer, "What?\n")
