"""Names of licences: when two are one, which the hub knows, and what the common ones of texts ask for."""

from __future__ import annotations

import re

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
    "cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "gemma": "https://ai.google.dev/gemma/terms",
}
_CREATIVE_COMMONS = re.compile(r"cc-(by(?:-nc)?(?:-nd|-sa)?)(?:-(\d\.\d))?")
_ASKED = {
    "by": "name the author",
    "nc": "no commercial use",
    "nd": "no adaptations",
    "sa": "adaptations under the same licence",
}


def plain_name(licence: str) -> str:
    """CC BY-SA 4.0, cc-by-sa-4.0 and CC_BY_SA 4.0 are one licence; what names none is `unknown`."""
    return re.sub(r"[\s_-]+", "-", licence.strip().casefold()) or UNKNOWN_LICENCE


def hub_identifier(licence: str) -> str | None:
    """What the hub calls a licence in the header of a card; None for one that it does not list."""
    name = plain_name(licence)
    return name if name in _HUB else None


def conditions(licence: str) -> tuple[str, ...]:
    """What a Creative Commons licence asks of whoever passes a text on, by the parts of its name; empty for all others."""
    name = plain_name(licence)
    if name.startswith("cc0"):
        return ("nothing",)
    found = _CREATIVE_COMMONS.fullmatch(name)
    return tuple(_ASKED[part] for part in found[1].split("-")) if found else ()


def licence_link(licence: str) -> str | None:
    """Where a licence is to be read; None for one of which nobody here can say it."""
    name = plain_name(licence)
    if name in _LINKS:
        return _LINKS[name]
    found = _CREATIVE_COMMONS.fullmatch(name)
    return f"https://creativecommons.org/licenses/{found[1]}/{found[2]}/" if found and found[2] else None
