"""A translator is told its languages as its family is, writes what greedy decoding of the bare model writes, and a
fault costs its own row."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.core.conftest import Killed
from xinstr_core.engines.translators import (
    ENGLISH,
    Translation,
    Translator,
    language_codes,
    load_translator,
    translate_texts,
    translator_identity,
)
from xinstr_core.errors import InputError
from xinstr_core.files import ShardLog
from xinstr_core.languages import Language
from xinstr_core.pocket.pages import pages
from xinstr_core.pocket.phases import PHASES
from xinstr_core.progress import silent
from xinstr_core.settings import SeedSettings

SWAHILI = Language.model_validate({"tag": "sw", "name": "Swahili", "script": "Latn"})
URDU = Language.model_validate({"tag": "ur", "name": "Urdu", "script": "Arab"})
AMHARIC = Language.model_validate({"tag": "am", "name": "Amharic", "script": "Ethi"})
TEXTS = ["Habari", "Ugali ni chakula cha unga wa mahindi na maji ya moto sana.", "Mji", "</s> na <pad>"]
NEW_TOKENS = 6

# family: its codes, and those that tell it to go from Swahili to English: before the text, and first written
FAMILIES: dict[str, tuple[list[str], list[str], str | None]] = {
    "nllb": (["eng_Latn", "swh_Latn", "urd_Arab"], ["swh_Latn"], "eng_Latn"),
    "m2m": (["__en__", "__sw__", "__ur__"], ["__sw__"], "__en__"),
    "madlad": (["<2en>", "<2sw>", "<2ur>"], ["<2en>"], None),
    "marian": ([], [], None),
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random model of every family (width 16), with a byte-level BPE that holds the family's codes."""
    import torch

    torch.set_num_threads(1)
    made = {}
    for family, (codes, _, _) in FAMILIES.items():
        made[family] = tmp_path_factory.mktemp("translators") / family
        tokenizer = trained_tokenizer(codes)
        torch.manual_seed(0)
        random_model(family, tokenizer).save_pretrained(made[family])
        tokenizer.save_pretrained(made[family])
    return made


def trained_tokenizer(codes: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "</s>", "<unk>", *codes]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(islice(pages(3, PHASES[0].mix), 20), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )


def random_model(family: str, tokenizer: Any) -> Any:
    """Weights large enough that rounding decides no greedy token."""
    from transformers import (
        M2M100Config,
        M2M100ForConditionalGeneration,
        MarianConfig,
        MarianMTModel,
        T5Config,
        T5ForConditionalGeneration,
    )

    size: dict[str, Any] = {"vocab_size": len(tokenizer), "d_model": 16, "pad_token_id": 0, "eos_token_id": 1}
    if family == "madlad":
        shape = {"d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
        return T5ForConditionalGeneration(T5Config(**size, **shape, decoder_start_token_id=0, initializer_factor=3.0))
    layers: dict[str, Any] = {
        f"{side}_{what}": value
        for side in ("encoder", "decoder")
        for what, value in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 32))
    }
    size |= layers | {"max_position_embeddings": 64, "init_std": 0.4, "decoder_start_token_id": 1}
    if family == "marian":
        return MarianMTModel(MarianConfig(**size | {"decoder_start_token_id": 0}, decoder_vocab_size=len(tokenizer)))
    return M2M100ForConditionalGeneration(M2M100Config(**size))


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def greedy(folder: Path, before: Sequence[str], first: str | None, text: str) -> Translation:
    """Greedy decoding by its definition, one row, no cache, never a pad token."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    plain = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    source = [*tokenizer.convert_tokens_to_ids(list(before)), *plain, tokenizer.eos_token_id]
    written = [model.config.decoder_start_token_id]
    if first is not None:
        written.append(tokenizer.convert_tokens_to_ids(first))
    begun = len(written)
    while len(written) <= NEW_TOKENS:
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([written])).logits[0, -1]
            logits[tokenizer.pad_token_id] = -torch.inf
        written.append(int(logits.argmax()))
        if written[-1] == tokenizer.eos_token_id:
            return Translation(tokenizer.decode(written[begun:-1], skip_special_tokens=True).strip())
    return Translation(tokenizer.decode(written[begun:], skip_special_tokens=True).strip(), finished=False)


def test_a_batch_is_the_bare_models_greedy_text_row_by_row(folders: dict[str, Path], family: str) -> None:
    _, before, first = FAMILIES[family]
    translations = load_translator(str(folders[family]), SWAHILI, ENGLISH).translate(TEXTS, NEW_TOKENS)
    assert translations == [greedy(folders[family], before, first, text) for text in TEXTS]
    assert len({translation.text for translation in translations}) > 1


def test_a_batch_is_what_its_rows_are_one_by_one(folders: dict[str, Path], family: str) -> None:
    translator = load_translator(str(folders[family]), SWAHILI, ENGLISH)
    together = translator.translate(TEXTS, NEW_TOKENS)
    assert [translator.translate([text], NEW_TOKENS)[0] for text in TEXTS] == together
    assert translator.translate(TEXTS[::-1], NEW_TOKENS) == together[::-1]


@pytest.mark.parametrize("family", ["nllb", "m2m", "madlad"])
def test_another_direction_is_another_translation(folders: dict[str, Path], family: str) -> None:
    to_english, to_urdu = (
        load_translator(str(folders[family]), SWAHILI, target).translate(TEXTS, NEW_TOKENS)
        for target in (ENGLISH, URDU)
    )
    assert to_english != to_urdu


@pytest.mark.parametrize(("family", "tried"), [("nllb", "am_Ethi"), ("m2m", "__am__"), ("madlad", "<2am>")])
def test_a_language_that_the_model_does_not_know_is_an_input_error(
    folders: dict[str, Path], family: str, tried: str
) -> None:
    with pytest.raises(
        InputError, match=f"has no code for Amharic \\(looked for {tried}\\): take a model that knows it"
    ):
        load_translator(str(folders[family]), ENGLISH, AMHARIC)


def test_a_code_may_be_named_in_the_registry(folders: dict[str, Path]) -> None:
    named = Language.model_validate(
        {"tag": "x-coast", "name": "Coastal", "script": "Latn", "identification_label": "swh_Latn"}
    )
    one, other = (load_translator(str(folders["nllb"]), source, ENGLISH) for source in (named, SWAHILI))
    assert one.translate(TEXTS, NEW_TOKENS) == other.translate(TEXTS, NEW_TOKENS)


def test_the_script_belongs_to_the_code(folders: dict[str, Path]) -> None:
    ajami = SWAHILI.model_copy(update={"script": "Arab"})
    with pytest.raises(InputError, match=r"looked for sw_Arab, swh_Arab, swa_Arab"):
        load_translator(str(folders["nllb"]), ajami, ENGLISH)


def test_codes_of_a_language_are_its_tag_its_iso_codes_and_its_label() -> None:
    assert language_codes(SWAHILI) == ("sw", "swh", "swa")
    assert language_codes(ENGLISH) == ("en", "eng")
    assert language_codes(SWAHILI.model_copy(update={"tag": "sw-ke", "identification_label": "swc_Latn"})) == (
        "sw-ke", "sw", "swh", "swa", "swc",
    )  # fmt: skip


def test_a_marian_model_for_another_direction_is_an_input_error(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["marian"], tmp_path / "copy"))
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"source_lang": "en", "target_lang": "sw"}))
    load_translator(str(folder), ENGLISH, SWAHILI)
    with pytest.raises(InputError, match="translates en to sw, and sw to en is needed"):
        load_translator(str(folder), SWAHILI, ENGLISH)
    with pytest.raises(InputError, match="translates en to sw, and en to ur is needed"):
        load_translator(str(folder), ENGLISH, URDU)


def test_a_marian_model_of_several_targets_reads_the_target_before_the_text(tmp_path: Path) -> None:
    import torch

    tokenizer = trained_tokenizer([">>swh<<", ">>urd<<"])
    torch.manual_seed(0)
    random_model("marian", tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    translations = load_translator(str(tmp_path), ENGLISH, SWAHILI).translate(TEXTS, NEW_TOKENS)
    assert translations == [greedy(tmp_path, [">>swh<<"], None, text) for text in TEXTS]
    with pytest.raises(InputError, match=r"has no code for Amharic \(looked for >>am<<, >>am_Ethi<<\)"):
        load_translator(str(tmp_path), ENGLISH, AMHARIC)


def test_padding_is_never_written(tmp_path: Path) -> None:
    """Marian models give it a high score: those that made them take it out."""
    import torch

    tokenizer = trained_tokenizer([])
    torch.manual_seed(0)
    model = random_model("marian", tokenizer)
    for name, bias in (("plain", 0.0), ("padding", 1e4)):
        model.final_logits_bias[0, tokenizer.pad_token_id] = bias
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    plain, padding = (
        load_translator(str(tmp_path / name), SWAHILI, ENGLISH).translate(TEXTS, NEW_TOKENS)
        for name in ("plain", "padding")
    )
    assert padding == plain


def test_codes_of_no_known_family_are_an_input_error(tmp_path: Path) -> None:
    tokenizer = trained_tokenizer(["en_XX", "sw_KE"])
    random_model("m2m", tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="no language codes that are known here: take an NLLB, M2M-100"):
        load_translator(str(tmp_path), SWAHILI, ENGLISH)


def test_what_is_no_translation_model_is_an_input_error(tiny_model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"seeds\.translator .* cannot be loaded \(Unrecognized configuration class"):
        load_translator(str(tiny_model_folder), SWAHILI, ENGLISH)
    with pytest.raises(InputError, match=r"seeds\.translator: there is no folder /no/such/model"):
        load_translator("/no/such/model", SWAHILI, ENGLISH)


def test_pickled_weights_are_not_loaded(folders: dict[str, Path], tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    folder = Path(shutil.copytree(folders["madlad"], tmp_path / "pickled"))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="cannot be loaded"):
        load_translator(str(folder), SWAHILI, ENGLISH)


def test_greedy_stays_greedy_whatever_defaults_come_with_the_model(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["m2m"], tmp_path / "copy"))
    path = folder / "generation_config.json"
    defaults = {"num_beams": 5, "length_penalty": 3.0, "no_repeat_ngram_size": 1, "max_length": 3}
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | defaults))
    one, other = (load_translator(str(name), SWAHILI, ENGLISH) for name in (folder, folders["m2m"]))
    assert one.translate(TEXTS, NEW_TOKENS) == other.translate(TEXTS, NEW_TOKENS)


def test_a_text_beyond_the_models_places_is_told_and_costs_its_own_row(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    name = str(folders["marian"])
    settings = SeedSettings(batch_rows=3, maximum_new_tokens=NEW_TOKENS)
    texts = ["Habari", "ugali wa moto " * 40, "Mji"]
    found = translate_texts(
        texts, lambda: load_translator(name, SWAHILI, ENGLISH), ShardLog(tmp_path), settings, silent
    )
    bare = load_translator(name, SWAHILI, ENGLISH)
    assert [found[0], found[2]] == [bare.translate([text], NEW_TOKENS)[0] for text in (texts[0], texts[2])]
    assert found[1].error.startswith("ValueError: ")
    assert found[1].error.endswith("tokens, and the model takes 64")


def test_the_identity_of_a_folder_is_its_name_and_content(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folders["m2m"], tmp_path / "m2m"))
    assert translator_identity(str(copy)) == translator_identity(str(folders["m2m"])) != str(copy)
    assert translator_identity(str(copy)).startswith("m2m@")
    (copy / "tokenizer.json").write_text("{}")
    assert translator_identity(str(copy)) != translator_identity(str(folders["m2m"]))
    assert translator_identity("facebook/nllb-200-distilled-600M") == "facebook/nllb-200-distilled-600M"


class Shouter:
    """Translates by upper case; remembers batches, dies or fails on the texts it is told to."""

    def __init__(self, fails: dict[str, BaseException | Translation] | None = None) -> None:
        self.fails = fails or {}
        self.batches: list[list[str]] = []
        self.loads = 0

    def load(self) -> Translator:
        self.loads += 1
        return self

    def translate(self, texts: Sequence[str], maximum_new_tokens: int) -> list[Translation]:
        self.batches.append(list(texts))
        translations = []
        for text in texts:
            made = self.fails.get(text, Translation(text.upper()))
            if isinstance(made, BaseException):
                raise made
            translations.append(made)
        return translations

    def run(self, folder: Path, texts: Sequence[str], rows: int = 2) -> list[Translation]:
        return translate_texts(texts, self.load, ShardLog(folder), SeedSettings(batch_rows=rows), silent)


def test_lines_are_translated_one_by_one_each_once_and_what_has_no_letters_stays(tmp_path: Path) -> None:
    shouter = Shouter()
    assert shouter.run(tmp_path, ["a\n\n1.\nbb", "bb", "--"], rows=9) == [
        Translation("A\n\n1.\nBB"),
        Translation("BB"),
        Translation("--"),
    ]
    assert shouter.batches == [["a", "bb"]]


@pytest.mark.parametrize("error", [ValueError("bad"), RuntimeError("bad"), IndexError("bad")])
def test_a_fault_of_one_text_costs_that_text_only(tmp_path: Path, error: Exception) -> None:
    shouter = Shouter({"bb": error})
    found = shouter.run(tmp_path, ["a", "bb", "ccc", "x\nbb\ny"], rows=3)
    assert found[0] == Translation("A")
    assert found[1] == Translation("", False, f"{type(error).__name__}: bad")
    assert found[2] == Translation("CCC")
    assert found[3].error == found[1].error


@pytest.mark.parametrize("bad", ["\x00", "\ud800"])
def test_invalid_unicode_of_an_engine_costs_that_text_only(tmp_path: Path, bad: str) -> None:
    shouter = Shouter({"bb": Translation(f"B{bad}")})
    assert shouter.run(tmp_path, ["a", "bb"]) == [Translation("A"), Translation("", False, "NUL or lone surrogate")]


def test_an_engine_that_loses_a_row_of_a_batch_is_asked_for_each_alone(tmp_path: Path) -> None:
    class Loser(Shouter):
        def translate(self, texts: Sequence[str], maximum_new_tokens: int) -> list[Translation]:
            return super().translate(texts, maximum_new_tokens)[:1]

    loser = Loser()
    assert loser.run(tmp_path, ["a", "bb"]) == [Translation("A"), Translation("BB")]
    assert loser.batches == [["a", "bb"], ["a"], ["bb"]]


def test_a_fault_that_no_row_can_have_is_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        Shouter({"bb": AttributeError("a mistake of ours")}).run(tmp_path, ["a", "bb"])


def test_a_killed_run_repeats_no_batch_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    texts = ["a", "bb", "ccc", "dddd", "eeeee"]
    with pytest.raises(Killed):
        Shouter({"ccc": Killed()}).run(tmp_path / "killed", texts)
    again = Shouter()
    assert again.run(tmp_path / "killed", texts) == Shouter().run(tmp_path / "whole", texts)
    assert (again.loads, again.batches) == (1, [["ccc", "dddd"], ["eeeee"]])
    whole, killed = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("whole", "killed"))
    assert killed == whole
    last = Shouter()
    last.run(tmp_path / "whole", texts)
    assert last.loads == 0
