"""The card of a model says what its base's licence demands, on what it was trained and how it did; or that nobody knows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from tests.core.exporting.conftest import BuiltHome, Pair
from tests.core.publishing.conftest import random_adapter, with_tuned_model
from xinstr_core.engines.models import ModelReference, resolve_model
from xinstr_core.errors import InputError
from xinstr_core.publishing.model_card import model_card
from xinstr_core.publishing.model_folder import write_trained, write_whole
from xinstr_core.publishing.terms_beside import licence_texts, terms_beside
from xinstr_core.publishing.tuned import TunedModel
from xinstr_core.schemas.tuned_model import TUNED_MODEL
from xinstr_core.store import StageOutput

GEMMA = "<html>Gemma  Terms of\nUse ... the Gemma Prohibited Use Policy ...</html>"


def licences_of(card: ModelCard) -> dict[str, str]:
    """What the header says of its licence."""
    return {name: value for name, value in card.data.to_dict().items() if name.startswith("license")}


@pytest.fixture
def base(tiny_model_folder: Path, tmp_path: Path) -> ModelReference:
    return resolve_model(str(shutil.copytree(tiny_model_folder, tmp_path / "base-1b")))


@pytest.fixture
def tuned(base: ModelReference, tmp_path: Path) -> TunedModel:
    return TunedModel.find(with_tuned_model(tmp_path / "home", base, random_adapter(base, tmp_path / "adapter")), "sw")


def test_a_card_stands_beside_an_adapter_and_a_whole_model(tuned: TunedModel, tmp_path: Path) -> None:
    write_trained(tuned, tmp_path / "adapter-folder")
    write_whole(tuned, tmp_path / "whole-folder", "float32")
    adapter, whole = (ModelCard.load(tmp_path / f"{kind}-folder" / "README.md") for kind in ("adapter", "whole"))
    assert (adapter.data.library_name, whole.data.library_name) == ("peft", "transformers")
    assert adapter.data.to_dict() == {
        "language": ["sw", "en"],
        "license": "other",
        "license_name": "fill-in",
        "license_link": "README.md",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["instruction-tuning", "cross-lingual", "x-instruction"],
    }
    assert adapter.text.strip().startswith(
        "# base-1b tuned for Swahili\n\nAn adapter (LoRA) on base-1b, tuned to answer "
    )
    assert "How often it does was not measured." in adapter.text
    assert "How it answers those in Swahili itself was not measured." in adapter.text
    assert "of the 2 pairs that it learned, 2 have an instruction that a model wrote for a text." in adapter.text
    assert "Its licence: **unknown here**: its folder names none. Find out before you pass this on." in adapter.text
    assert "Where its rows are from is not told" in adapter.text
    assert str(tmp_path) not in adapter.content + whole.content


def test_what_a_licence_demands_is_told_and_done(tuned: TunedModel, tmp_path: Path) -> None:
    (tuned.base.path / "GEMMA_TERMS.html").write_text(GEMMA, "utf-8")
    write_trained(tuned, tmp_path / "folder")
    assert (tmp_path / "folder" / "GEMMA_TERMS.html").read_text("utf-8") == GEMMA
    assert (tmp_path / "folder" / "Notice.txt").read_text("utf-8") == (
        "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms\n"
    )
    card = ModelCard.load(tmp_path / "folder" / "README.md")
    written = (tmp_path / "folder" / "README.md").read_text("utf-8")
    assert "\n# license: FILL IN. The base's is gemma; the licences of the rows" in written
    assert "- a copy of the Gemma Terms of Use goes with the model\n" in card.text


def test_a_text_of_a_licence_is_claimed_only_where_there_is_one(tuned: TunedModel, tmp_path: Path) -> None:
    notice = "# NOTICE\nPut together by somebody under the Gemma Terms of Use and the Prohibited Use Policy."
    (tuned.base.path / "NOTICE.md").write_text(notice, "utf-8")
    (tuned.base.path / "README.md").write_text("---\nlicense: gemma\n---\n", "utf-8")
    without = model_card(tuned, is_merged=False)
    assert (
        "**The text of that licence does not lie beside this card**, as the base came without one that is recognised here: add it "
        "(https://ai.google.dev/gemma/terms) before"
    ) in without
    (tuned.base.path / "GEMMA_TERMS.html").write_text(GEMMA, "utf-8")
    card = model_card(tuned, is_merged=False)
    assert "The text of that licence lies beside this card: GEMMA\\_TERMS.html.\n" in card
    assert "not known to be terms of the licence: NOTICE.md.\n" in card


def test_the_licence_of_the_embedded_base_goes_with_what_was_made_of_it() -> None:
    found = terms_beside("pocket")
    assert [*found] == ["LICENSE"]
    assert licence_texts(found, "apache-2.0") == ["LICENSE"] and licence_texts(found, "mit") == []


@pytest.mark.parametrize(
    ("header", "licence", "told"),
    [
        ("license: llama3.2", {"license": "llama3.2"}, '- the name of the model begins with "Llama"'),
        (
            "license: other\nlicense_name: my-terms\nlicense_link: https://example.org/terms",
            {"license": "other", "license_name": "my-terms", "license_link": "https://example.org/terms"},
            "What it demands of whoever passes on a model made of it was not read here",
        ),
        ("license: 'unfinished", {"license": "unknown"}, "**unknown here**"),
        ("title: a card without a licence", {"license": "unknown"}, "**unknown here**"),
    ],
)
def test_the_licence_is_what_the_card_of_the_base_says(
    base: ModelReference, tmp_path: Path, header: str, licence: dict[str, str], told: str
) -> None:
    (base.path / "README.md").write_text(f"---\n{header}\n---\n", "utf-8")
    card = ModelCard(model_card(of_set(base, tmp_path, BuiltHome(tmp_path)), is_merged=False))
    assert licences_of(card) == licence
    assert told in card.text


def test_a_base_of_the_hub_is_named_by_its_id(tuned: TunedModel) -> None:
    figures = tuned.figures.model_copy(update={"base_model": "org/base-1b", "seed_rows": 0})
    card = ModelCard(model_card(replace(tuned, figures=figures), is_merged=False))
    assert card.data.base_model == "org/base-1b"
    assert "org/base-1b ([hub](https://huggingface.co/org/base-1b))" in card.text


def of_set(base: ModelReference, tmp_path: Path, home: BuiltHome) -> TunedModel:
    """A model that was tuned on a set which a home knows, and measured."""
    home = replace(home, home=tmp_path / "of-set", base_model=str(base.path), up_to="tuned_model", made={})
    workspace = home.build()
    part = home.made["tuned_model"]
    folders = {"adapter": random_adapter(base, tmp_path / "learned"), "tokenizer": tmp_path / "tokenizer"}
    shutil.copytree(base.path, folders["tokenizer"])
    tables = {name: part.read(name) for name in part.tables}
    output = StageOutput(tables, folders, part.read_figures(TUNED_MODEL.figures), built=part.built)
    home.made["tuned_model"] = workspace.store.commit("tuned_model", "sw", "f", part.made_of, output)
    home.commit("eval_report", *home._report())
    return TunedModel.find(workspace, "sw")


@pytest.mark.parametrize(
    ("curated", "told"), [(True, ", curated: an evaluator"), (False, ", **not curated**: the evaluator")]
)
def test_rows_and_measures_of_the_set_it_was_tuned_on_are_told(
    base: ModelReference, tmp_path: Path, curated: bool, told: str
) -> None:
    pairs = (Pair(), Pair("CC-BY-SA-4.0"), Pair("CC-BY-SA-4.0"))
    text = model_card(of_set(base, tmp_path, BuiltHome(tmp_path, pairs=pairs, curated=curated)), is_merged=False)
    assert told in text
    assert "| 2 | corpus | CC-BY-SA-4.0 | name the author, adaptations under the same licence |\n" in text
    assert "| 1 | corpus | CC-BY-4.0 | name the author |\n" in text
    assert "| 1 | seeds | Apache-2.0 | keep its notices and its text |\n" in text
    assert (
        "tuned to answer English instructions in Swahili. Of 96 replies to English instructions 25.0% are not in Swahili "
        "(wrong-language rate 0.250; of its base 0.750)."
    ) in text
    assert (
        "of the 4 pairs that it learned, 3 have an instruction that a model wrote for a text, which is natural text of the "
        "language; the other 1 the build was given as seed pairs."
    ) in text
    assert "better than the base model? Yes: it is better on 1 of 1 measure and worse on none.\n" in text
    assert "The cases were not in the tuning; what the base had seen before is not known here:\n" in text
    assert "How it answers those in Swahili itself was not measured.\n" in text
    assert (
        "| wrong-language rate | en | 0.750 | 0.250 | -0.500 (-0.600 to -0.400) | lower | 96 | share | yes, case by case |\n"
        in text
    )


def test_generated_text_is_not_called_natural(base: ModelReference, tmp_path: Path) -> None:
    text = model_card(of_set(base, tmp_path, BuiltHome(tmp_path, corpus="pocket")), is_merged=False)
    assert "wrote for a text, and the texts are generated; the other 1 the build" in text
    assert "**It was tuned on generated text**" in text and "natural text" not in text


@pytest.mark.parametrize("licence", ["CC-BY-NC-4.0", "cc by nd", "all rights reserved", "", " "])
def test_where_rows_restrict_it_the_licence_of_the_base_does_not_stand(
    base: ModelReference, tmp_path: Path, licence: str
) -> None:
    (base.path / "README.md").write_text("---\nlicense: apache-2.0\n---\n", "utf-8")
    home = BuiltHome(tmp_path, pairs=(Pair(), Pair(licence)))
    written = model_card(of_set(base, tmp_path, home), is_merged=False)
    card = ModelCard(written)
    assert licences_of(card) == {"license": "other", "license_name": "fill-in", "license_link": "README.md"}
    named = licence.strip() or "unknown"
    [line] = [one for one in written.splitlines() if one.startswith("# license: FILL IN")]
    assert line.endswith(
        f"The base's is apache-2.0; rows that it learned are under {named}, which restrict its use or are not known"
    )
    assert f"**Rows that it learned restrict what may be done with it, or may**: 1 of {named} (" in card.text


@pytest.mark.parametrize("licence", ["CC-BY-4.0", "CC0 1.0", "CC-BY-SA-4.0", "Apache-2.0"])
def test_where_rows_do_not_restrict_it_it_stands(base: ModelReference, tmp_path: Path, licence: str) -> None:
    (base.path / "README.md").write_text("---\nlicense: gemma\n---\n", "utf-8")
    home = BuiltHome(tmp_path, pairs=(Pair(licence),))
    written = model_card(of_set(base, tmp_path, home), is_merged=False)
    card = ModelCard(written)
    assert licences_of(card) == {"license": "gemma"}
    assert "# license:" not in written and "restrict what may be done" not in card.text


def test_a_model_whose_files_are_gone_is_refused(tuned: TunedModel, tmp_path: Path) -> None:
    (tuned.trained / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"^files of tuned_model are gone or cut off .* makes it anew$"):
        TunedModel.find(tuned.workspace, "sw")


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("trained", "adapter_model.safetensors"),
        ("trained", "adapter_config.json"),
        ("tokenizer", "tokenizer.json"),
        ("tokenizer", "tokenizer_config.json"),
    ],
)
@pytest.mark.parametrize("size", [0, 100])
def test_a_model_that_is_cut_off_is_refused(tuned: TunedModel, folder: str, name: str, size: int) -> None:
    path = getattr(tuned, folder) / name
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(
        InputError, match=rf"with .*{name}.* of tuned_model in .* is no longer what was stored \(cut off"
    ):
        TunedModel.find(tuned.workspace, "sw")


def test_weights_that_were_stored_damaged_are_refused(base: ModelReference, tmp_path: Path) -> None:
    adapter = random_adapter(base, tmp_path / "adapter")
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    workspace = with_tuned_model(tmp_path / "home", base, adapter)
    with pytest.raises(InputError, match=r"^tuned model of sw: adapter_model.safetensors is (damaged|cut off)"):
        TunedModel.find(workspace, "sw")
