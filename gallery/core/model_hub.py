"""The hub of models: whether it answers, what of it is on this disk, and downloads."""

import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from django.utils.translation import gettext as _

from gallery.core.errors import ModelError

HUB_TIMEOUT = 3.0  # seconds; by default, the hub's client retries a dead hub for over 15 minutes


def is_folder(name: str) -> bool:
    """Return whether the name of a model is a folder, not the id of one on the hub."""
    return name.startswith((".", "/", "~")) or Path(name).is_dir()


def cached_folder(hub_id: str, files: Sequence[str]) -> Path | None:
    """Return the local copy of a model, if it has all these files; else None.

    Raises ModelError if no model can have this id.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = [try_to_load_from_cache(hub_id, file) for file in files]
    except HFValidationError as error:
        raise ModelError(
            _("%(model)s is neither a folder nor the id of a model on the hub.") % {"model": hub_id}
        ) from error
    paths = [path for path in found if isinstance(path, str)]
    return Path(paths[0]).parent if len(paths) == len(files) else None


def is_reachable() -> bool:
    """Return whether the hub answers within HUB_TIMEOUT seconds."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=HUB_TIMEOUT):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def download(hub_id: str, choose: Callable[[Sequence[str]], Sequence[str]]) -> Path:
    """Download a model into the local cache, with progress bars on the terminal.

    `choose` returns patterns of the files that are needed, given the names of all; none if the
    model cannot be used. Raises ModelError then, and when the download fails.
    """
    from huggingface_hub import HfApi, snapshot_download

    try:
        patterns = choose(HfApi().list_repo_files(hub_id))
        if not patterns:
            raise ModelError(_("%(model)s has no usable weights.") % {"model": hub_id})
        return Path(snapshot_download(hub_id, allow_patterns=list(patterns)))
    except ModelError:
        raise
    except Exception as error:  # the hub's client raises many unrelated errors
        raise ModelError(
            _("Could not download %(model)s: %(reason)s")
            % {"model": hub_id, "reason": str(error).partition("\n")[0]}
        ) from error
