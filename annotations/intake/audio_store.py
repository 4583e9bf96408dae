"""Audio files in the media storage: each under the name that its bytes give it."""

import hashlib
from pathlib import Path

from django.core.files import File
from django.core.files.storage import default_storage


def store_audio(path: Path) -> tuple[str, str]:
    """Copy a file to the media storage under the name its bytes give it; (name, sha256)."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = f"audio/{digest[:2]}/{digest}{path.suffix.lower()[:6]}"
        # A copy that was interrupted has the name but not the bytes.
        if default_storage.exists(name) and default_storage.size(name) != file.tell():
            default_storage.delete(name)
        if not default_storage.exists(name):
            file.seek(0)
            name = default_storage.save(name, File(file))
    return name, digest
