"""Files of terms that go into the folder of a model: those that its base came with, and what is known of them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

from xinstr_core.engines.models import POCKET, folder_at_hand
from xinstr_core.exporting.base_terms import is_licence_text, terms_files

_PACKAGE = "xinstr"
_LICENCE_FILE = "LICENSE"


def terms_beside(base_model: str) -> dict[str, bytes]:
    """Content by name. The base of the embedded world is part of this package, and so under the package's licence."""
    if base_model == POCKET:
        return _of_package()
    base = folder_at_hand(base_model)
    return {path.name: path.read_bytes() for path in terms_files(base)} if base else {}


def licence_texts(files: dict[str, bytes], licence: str) -> list[str]:
    """Names of those that are the text of the licence, as far as its words tell."""
    return [name for name, content in files.items() if is_licence_text(name, content, licence)]


def _of_package() -> dict[str, bytes]:
    try:
        files = distribution(_PACKAGE).files or []
    except PackageNotFoundError:  # it runs from a folder that nobody installed
        return {}
    # Where it stands among them differs between an installed package and a checkout that is run in its own folder.
    return {file.name: file.read_binary() for file in files if file.name == _LICENCE_FILE}
