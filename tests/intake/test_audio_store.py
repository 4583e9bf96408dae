"""Files under the names of their bytes, whoever else stores the same at the same moment."""

from pathlib import Path

import pytest
from django.core.files import File
from django.core.files.storage import default_storage

from annotations.intake.audio_store import store_audio


class Killed(BaseException):
    pass


@pytest.fixture
def song(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path / "media"
    path = tmp_path / "song.mp3"
    path.write_bytes(bytes(range(256)) * 1000)
    return path


def stored(name: str) -> bytes:
    return Path(default_storage.path(name)).read_bytes()


def test_a_worker_that_is_killed_while_it_stores_the_same_bytes_spoils_nothing(song, monkeypatch):
    read, begun = File.chunks, []

    def chunks(file, size=None):
        begun.append(file)
        is_second = len(begun) == 2
        for chunk in read(file, size):
            yield chunk
            if is_second:
                raise Killed
            if len(begun) == 1:
                with pytest.raises(Killed):
                    store_audio(song)

    monkeypatch.setattr(File, "chunks", chunks)
    name, _ = store_audio(song)

    assert len(begun) == 2
    assert stored(name) == song.read_bytes()


def test_half_a_copy_is_replaced(song):
    name, _ = store_audio(song)
    Path(default_storage.path(name)).write_bytes(b"half")

    assert store_audio(song)[0] == name
    assert stored(name) == song.read_bytes()
