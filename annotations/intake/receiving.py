"""How files get from a request onto the disk: in pieces, into the folder of uploads, and never more than may be."""

from collections.abc import Callable
from functools import wraps
from tempfile import NamedTemporaryFile
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from annotations.http import Request
from annotations.intake.uploads import MAX_TABLE_BYTES, MB, PART_SUFFIX

# A plain form sends all its files in one request, which nginx holds in memory until it has come: deploy/nginx.conf has
# the same limit. The megabyte is for what is around the files.
MAX_FORM_BYTES = MAX_TABLE_BYTES
MAX_REQUEST_BYTES = MAX_FORM_BYTES + MB
MAX_REQUEST_FILES = settings.DATA_UPLOAD_MAX_NUMBER_FILES

View = Callable[..., HttpResponse]


def receives_files(view: View, *, back_to: str = "imports") -> View:
    """Let a view take files as big as they may be. A request that is too long is turned away unread.

    Where files go must be settled before anybody reads the form, and the first who does is the check against forged
    requests. So that check is put off, and made here.
    """
    checked = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    def prepared(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_REQUEST_BYTES:
            return _too_much(request, back_to)
        request.upload_handlers = [ToUploadsFolder(request)]
        try:
            return checked(request, *args, **kwargs)
        except TooManyFilesSent:
            return _too_much(request, back_to)

    return prepared


def _too_much(request: Request, back_to: str) -> HttpResponse:
    messages.error(
        request,
        f"Nothing was taken: without JavaScript at most {MAX_REQUEST_FILES} files and {MAX_FORM_BYTES // MB} MB "
        "are taken at once. Send fewer, or switch JavaScript on.",
    )
    return redirect(back_to)


class ToUploadsFolder(FileUploadHandler):
    """Writes files beside the uploads, as /tmp may be memory. Of one that is too large anyway only the size is kept."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        settings.UPLOADS_DIR.mkdir(parents=True, exist_ok=True)
        self.part = NamedTemporaryFile(dir=settings.UPLOADS_DIR, suffix=PART_SUFFIX)  # noqa: SIM115 (lives as long as the request)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start <= MAX_TABLE_BYTES:
            self.part.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile:
        self.part.seek(0)
        return UploadedFile(self.part, name=self.file_name, size=file_size)
