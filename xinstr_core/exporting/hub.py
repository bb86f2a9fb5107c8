"""An export as a dataset repository of the Hugging Face hub: private unless told, by the token of the environment alone."""

from __future__ import annotations

import os
from pathlib import Path

from xinstr_core.errors import InputError
from xinstr_core.schemas.export import EXPORTED

TOKEN = "HF_TOKEN"  # of the environment
# What an earlier export left there goes: rows whose licence is no longer accepted are not to stay.
_REPLACED = [f"*/{table.name}/*" for table in EXPORTED]


def require_token(repository: str) -> str:
    """The token of the environment. InputError without one, or for what is no id of a repository."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError:
        raise InputError(f"{repository!r} is no repository's id: write it as name/dataset") from None
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise InputError(f"{TOKEN} is not set: put a token of the hub that may write into the environment")
    return token


def push(folder: Path, repository: str, token: str, *, public: bool = False) -> str:
    """Upload an export and give its address. The repository is made where there is none.

    InputError where the hub refuses or is not reached, and where the repository is public and that was not asked for; the
    folder stays.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HTTPError  # the latter of the client that it uses

    hub = HfApi(token=token)
    try:
        address = hub.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True)
        if not public and not hub.repo_info(repository, repo_type="dataset").private:
            raise InputError(f"{repository} is public on the hub: say --public to publish there, or name another")
        hub.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=folder,
            delete_patterns=_REPLACED,
            commit_message="Export of xinstr",
        )
    except (HfHubHTTPError, HTTPError, OSError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{folder} was written, but the hub did not take it ({said})") from error
    return str(address)
