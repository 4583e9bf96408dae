"""A file that no browser but Safari plays can be heard all the same, once the features worker has read it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import expect

from modeling import feature_extraction
from tests.factories import TrackFactory
from tests.processes import wait_until

pytestmark = pytest.mark.browser


def test_an_aiff_file_plays_and_can_be_sought_in(open_page, annotator, server):
    track = TrackFactory(audio="audio/playable.aiff", audio_state="waiting", sha256="a1f" + 61 * "f", duration_s=None)
    Path(track.audio.path).parent.mkdir(parents=True, exist_ok=True)
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(20 * 44_100) / 44_100)
    soundfile.write(track.audio.path, np.stack([tone, tone], axis=1), 44_100, format="AIFF")
    assert feature_extraction.compute_features(track.pk, []) == ""

    page = open_page(annotator, "/label/")
    expect(page.locator("[data-total]")).to_have_text("0:20")
    audio = page.locator("[data-player] audio").first
    page.keyboard.press("Space")
    wait_until(lambda: audio.evaluate("audio => audio.currentTime") > 0.2, what="the sound's beginning")
    page.keyboard.press("ArrowRight")
    wait_until(lambda: audio.evaluate("audio => audio.currentTime") > 5.3, what="the sound behind the leap")

    assert audio.evaluate("audio => audio.error") is None
    assert audio.evaluate("audio => audio.duration") == pytest.approx(20, abs=0.01)
