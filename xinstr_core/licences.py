"""Names of licences: when two are one, which the hub knows, and what the common ones of texts ask for."""

from __future__ import annotations

import re
from enum import StrEnum

UNKNOWN_LICENCE = "unknown"  # what stands for the licence of a text that names none
# Identifiers that a card may have as `license`, from the hub's own table
# (huggingface/hub-docs, docs/hub/repositories-licenses.md, August 2026), `other` left out: it stands for what is not here.
_HUB = frozenset((
    "apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m", "bigscience-bloom-rail-1.0",
    "bigcode-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd", "bsd-2-clause", "bsd-3-clause",
    "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-sharing-1.0",
    "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1",
    "eupl-1.2", "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "isc", "h-research",
    "intel-research", "lppl-1.3c", "ms-pl", "apple-ascl", "apple-amlr", "mpl-2.0", "odc-by", "odbl", "openmdw-1.0",
    "openmdw-1.1", "openrail++", "osl-3.0", "postgresql", "ofl-1.1", "ncsa", "unlicense", "zlib", "pddl", "lgpl-lr",
    "deepfloyd-if-license", "fair-noncommercial-research-license", "llama2", "llama3", "llama3.1", "llama3.2",
    "llama3.3", "llama4", "grok2-community", "gemma", "unknown",
))  # fmt: skip
_LINKS = {
    "mit": "https://opensource.org/license/mit",
    "cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "gemma": "https://ai.google.dev/gemma/terms",
}
_CREATIVE_COMMONS = re.compile(r"cc-(by(?:-nc)?(?:-nd|-sa)?)(?:-(\d\.\d))?")
_DEED = re.compile(r"https?://creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)/.*")
_WRITTEN_OUT = {
    "creative-commons": "cc", "creativecommons": "cc", "attribution": "by", "non-commercial": "nc", "noncommercial": "nc",
    "share-alike": "sa", "sharealike": "sa", "no-derivatives": "nd", "noderivatives": "nd", "noderivs": "nd",
    "cc-zero": "cc0", "cc-0": "cc0",
}  # fmt: skip
_VERSION = re.compile(r"-v?\d+(\.\d+)*(-[a-z]{2,3})?(-(only|or-later|international|unported|generic))*$")


class Condition(StrEnum):
    """What a licence asks of whoever passes a text on."""

    NAME_THE_AUTHOR = "name the author"
    KEEP_NOTICES = "keep its notices and its text"
    NO_COMMERCIAL_USE = "no commercial use"
    NO_ADAPTATIONS = "no adaptations"
    SAME_LICENCE = "adaptations under the same licence"


RESTRICTING = frozenset({Condition.NO_COMMERCIAL_USE, Condition.NO_ADAPTATIONS})
_OF_PARTS = {
    "by": Condition.NAME_THE_AUTHOR,
    "nc": Condition.NO_COMMERCIAL_USE,
    "nd": Condition.NO_ADAPTATIONS,
    "sa": Condition.SAME_LICENCE,
}
# Of a name as `_family` has it, besides those of Creative Commons, which say it in their parts.
_ASKED: tuple[tuple[str, tuple[Condition, ...]], ...] = (
    (r"cc0|cc-publicdomain|pddl|unlicense|public-domain|pd|wtfpl|0bsd", ()),
    (r"odc-by|ogl|ogl-uk|etalab", (Condition.NAME_THE_AUTHOR,)),
    (r"apache|mit|bsd-[23]-clause|isc|afl|cdla-permissive", (Condition.KEEP_NOTICES,)),
    (r"odbl", (Condition.NAME_THE_AUTHOR, Condition.SAME_LICENCE)),
    (r"gfdl|fdl|gpl|agpl|lgpl", (Condition.KEEP_NOTICES, Condition.SAME_LICENCE)),
)


def plain_name(licence: str) -> str:
    """CC BY-SA 4.0, cc-by-sa-4.0 and CC_BY_SA 4.0 are one licence; what names none is `unknown`."""
    return re.sub(r"[\s_-]+", "-", licence.strip().casefold()) or UNKNOWN_LICENCE


def hub_identifier(licence: str) -> str | None:
    """What the hub calls a licence in the header of a card; None for one that it does not list."""
    name = plain_name(licence)
    return name if name in _HUB else None


def conditions(licence: str) -> tuple[Condition, ...] | None:
    """What a licence asks for, by its name: SPDX identifiers and how people write them, with or without a version.

    Empty for one that asks for nothing, None for one that is not known here. A reading aid, and no legal advice.
    """
    name = _family(licence)
    if found := _CREATIVE_COMMONS.fullmatch(name):
        return tuple(_OF_PARTS[part] for part in found[1].split("-"))
    return next((asked for pattern, asked in _ASKED if re.fullmatch(pattern, name)), None)


def asked_for(licence: str) -> str:
    """The same in words."""
    asked = conditions(licence)
    return "see its text" if asked is None else ", ".join(asked) or "nothing"


def _family(licence: str) -> str:
    """CC BY-SA 4.0, its deed and its name written out are cc-by-sa; ported and "only" versions are what they are versions of."""
    name = plain_name(licence)
    if deed := _DEED.fullmatch(name):
        return {"zero": "cc0", "mark": "public-domain"}.get(deed[1], f"cc-{deed[1]}")
    for written, short in _WRITTEN_OUT.items():
        name = name.replace(written, short)
    return _VERSION.sub("", name)


def licence_link(licence: str) -> str | None:
    """Where a licence is to be read; None for one of which nobody here can say it."""
    name = plain_name(licence)
    if name in _LINKS or _DEED.fullmatch(name):
        return _LINKS.get(name, licence.strip())
    found = _CREATIVE_COMMONS.fullmatch(name)
    return f"https://creativecommons.org/licenses/{found[1]}/{found[2]}/" if found and found[2] else None
