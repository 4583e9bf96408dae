"""Audio files in the media storage: each under the name that its bytes give it."""

import hashlib
from pathlib import Path
from uuid import uuid4

from django.core.files import File
from django.core.files.storage import default_storage


def store_audio(path: Path) -> tuple[str, str]:
    """Copy a file to the media storage under the name its bytes give it; (name, sha256)."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = f"audio/{digest[:2]}/{digest}{path.suffix.lower()[:6]}"
        # A copy of former versions that was interrupted has the name but not the bytes.
        if not default_storage.exists(name) or default_storage.size(name) != file.tell():
            file.seek(0)
            # It gets its name when all of it is there: another worker may be storing the same bytes at this moment.
            part = default_storage.save(f"{name}.{uuid4().hex}", File(file))
            Path(default_storage.path(part)).replace(default_storage.path(name))
    return name, digest
