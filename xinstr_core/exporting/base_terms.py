"""Under which licence a base model came, and what the known ones demand of whoever passes on what was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xinstr_core.engines.models import POCKET, folder_at_hand, local_folder
from xinstr_core.licences import UNKNOWN_LICENCE, hub_identifier

_CARD = "README.md"
_NOTICE = "NOTICE"
_TERMS = ("LICENSE", "LICENCE", _NOTICE, "TERMS", "USE_POLICY")  # in names of files
_READ_BYTES = 1 << 20
_LLAMAS = ("llama3.1", "llama3.2", "llama3.3")
# What licence texts say of themselves, by the hub's name for the licence.
_WORDS: dict[str, tuple[str, ...]] = {
    "gemma": ("gemma terms of use", "prohibited use policy"),
    **{llama: (f"{llama[:5]} {llama[5:]} community license agreement",) for llama in _LLAMAS},
    "apache-2.0": ("apache license", "version 2.0, january 2004"),
    "mit": ("permission is hereby granted, free of charge", 'the software is provided "as is"'),
}
_GEMMA_NOTICE = "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms"
NOTICES = {"gemma": _GEMMA_NOTICE}
"""What a file named Notice has to say in every copy of a model, by licence."""


def _llama_demands(llama: str) -> tuple[str, ...]:
    version = llama.removeprefix("llama")
    return (
        "a copy of its licence goes with the model",
        'the name of the model begins with "Llama", also of one that was trained on what such a model wrote',
        '"Built with Llama" is displayed prominently where it is offered',
        f'a file named Notice says "Llama {version} is licensed under the Llama {version} Community License, Copyright © Meta '
        'Platforms, Inc. All Rights Reserved."',
        "use keeps to the Acceptable Use Policy; above 700 million monthly users a licence of Meta is needed",
    )


# Read in the texts themselves (Gemma Terms of Use 3.1 and 3.2; Llama 3.2 Community License 1.b and 2, which 3.1 and 3.3
# repeat; Apache License 4; MIT License). A summary, and no advice of a lawyer.
_DEMANDS: dict[str, tuple[str, ...]] = {
    "gemma": (
        "a copy of the Gemma Terms of Use goes with the model",
        f'a file named Notice says "{_GEMMA_NOTICE}"',
        "files that were changed say so; the weights of this model were",
        "its use restrictions (Gemma Prohibited Use Policy, ai.google.dev/gemma/prohibited_use_policy) stand in the terms "
        "under which it is passed on, and who gets it is told so",
    ),
    **{llama: _llama_demands(llama) for llama in _LLAMAS},
    "apache-2.0": (
        "a copy of the licence goes with the model",
        "files that were changed say so; the weights of this model were",
        "notices of copyright and the text of a NOTICE file are kept",
    ),
    "mit": ("the notice of copyright and the text of the licence go with the model",),
}


@dataclass(frozen=True)
class BaseTerms:
    """Of a base model: its public name, its id on the hub where it has one, and its licence as far as it says one.

    `licence` is what the hub calls it, or what its card says, or `unknown`; `evidence` is where that was read.
    """

    name: str
    hub_id: str | None
    licence: str
    link: str
    evidence: str

    @property
    def is_folder(self) -> bool:
        """Whether its name is that of a folder on the machine of the build, which nobody else can look up."""
        return self.hub_id is None and self.name != POCKET

    @property
    def is_known(self) -> bool:
        return self.licence != UNKNOWN_LICENCE

    @property
    def demands(self) -> tuple[str, ...]:
        """What it asks of whoever passes on a model made of it; empty where nobody here has read its text."""
        return _DEMANDS.get(self.licence, ())

    @property
    def notice(self) -> str:
        """What a file named Notice has to say in every copy; empty where it asks for none."""
        return NOTICES.get(self.licence, "")


def base_terms(name: str, home: Path) -> BaseTerms:
    """The terms of a base model as settings name it; what its folder does not say is unknown. Asks no hub.

    The path of a local model is nobody's affair: it is called by its folder.
    """
    beside = home / name
    folder = local_folder(str(beside)) if name != POCKET else None
    is_local = folder is not None or name == POCKET or Path(name).is_absolute() or local_folder(name) is not None
    folder = folder or folder_at_hand(name)
    public = Path(name).name if is_local else name
    hub_id = None if is_local else name
    if folder is not None and (found := _of_card(folder) or _of_texts(folder)) is not None:
        return BaseTerms(public, hub_id, *found)
    return BaseTerms(public, hub_id, UNKNOWN_LICENCE, "", "")


def terms_files(base: Path) -> list[Path]:
    """The texts of terms that a base came with."""
    found = (path for path in sorted(base.iterdir()) if path.is_file() and path.suffix not in (".safetensors", ".bin"))
    return [path for path in found if any(word in path.name.upper() for word in _TERMS)]


def is_licence_text(name: str, content: bytes, licence: str) -> bool:
    """Whether a file is the text of the licence: it has the words that the text has. A notice speaks of one and is none."""
    if _NOTICE in name.upper() or licence not in _WORDS:
        return False
    text = _plain(content)
    return all(word in text for word in _WORDS[licence])


def _plain(content: bytes) -> str:
    return " ".join(content[:_READ_BYTES].decode("utf-8", "replace").casefold().split())


_Found = tuple[str, str, str]  # licence, link, evidence


def _of_card(folder: Path) -> _Found | None:
    """What the header of its card says. A card that cannot be read says nothing."""
    import yaml
    from huggingface_hub import metadata_load

    try:
        header = (metadata_load(folder / _CARD) if (folder / _CARD).is_file() else None) or {}
    except (ValueError, yaml.YAMLError):
        return None
    licence = header.get("license")
    if not isinstance(licence, str) or not licence.strip():
        return None
    named = header.get("license_name") if licence == "other" else None
    link = header.get("license_link")
    said = named if isinstance(named, str) else licence
    return hub_identifier(said) or said, link if isinstance(link, str) else "", f"as its {_CARD} says"


def _of_texts(folder: Path) -> _Found | None:
    """The licence whose text lies beside it, where it is one that is known here."""
    for path in terms_files(folder):
        with path.open("rb") as stream:
            text = _plain(stream.read(_READ_BYTES))
        for licence, words in _WORDS.items():
            if all(word in text for word in words):
                return licence, "", f"as {path.name} beside it reads"
    return None
