"""What Spotify's audio features are, and what our estimates of some of them are. Imports nothing heavy."""

from __future__ import annotations

from modeling.core.columns import Column, Limits

_API = "Spotify Web API, audio features"
_ESTIMATE = "modeling.core.spotify_like"

_SHARE = Limits(0, 1)
# Where Spotify's documentation names no limits, ample ones: 20,000 real tracks have -56 to 4 dB and 0 to 241 BPM.
_DECIBELS, _BPM = Limits(-100, 20), Limits(0, 400)
# -1: no key was found. 0 beats a bar: nothing was found to count.
_TONIC, _IS_MAJOR, _BEATS = Limits(-1, 11, whole=True), Limits(0, 1, whole=True), Limits(0, 7, whole=True)

SPOTIFY: tuple[Column, ...] = (
    Column(
        "danceability", "How well it suits dancing: tempo, steadiness of rhythm, strength of beat", "0..1", _API, _SHARE
    ),
    Column("energy", "Perceived intensity and activity: fast, loud and noisy is high", "0..1", _API, _SHARE),
    Column("key", "Tonic of the key, 0 for C to 11 for B; -1 when none was found", "pitch class", _API, _TONIC),
    Column("loudness", "Average over the whole track, usually -60 to 0", "dB", _API, _DECIBELS),
    Column("mode", "1 in a major key, 0 in a minor key", "0 or 1", _API, _IS_MAJOR),
    Column(
        "speechiness", "Share of spoken words: talk is over 0.66, rap between, music under 0.33", "0..1", _API, _SHARE
    ),
    Column("acousticness", "Confidence that it is acoustic", "0..1", _API, _SHARE),
    Column("instrumentalness", "Confidence that nobody sings or speaks words", "0..1", _API, _SHARE),
    Column("liveness", "Confidence that an audience was there; live is over 0.8", "0..1", _API, _SHARE),
    Column("valence", "How positive it sounds: sad or angry is low, cheerful is high", "0..1", _API, _SHARE),
    Column("tempo", "Estimated average tempo", "BPM", _API, _BPM),
    Column("time_signature", "Estimated beats in a bar, 3 to 7", "beats", _API, _BEATS),
)

SPOTIFY_LIKE: tuple[Column, ...] = (
    Column("loudness_db_estimate", "Integrated loudness of the loudest 30 s", "LUFS", "ITU-R BS.1770-4"),
    Column(
        "tempo_bpm_estimate",
        "Tempo from 50 to 210 at which the next four beats come back, preferring 120",
        "BPM",
        "modeling.core.rhythm.estimate_tempo_bpm",
    ),
    Column(
        "key_estimate",
        "Tonic of the key, 0 for C to 11 for B",
        "pitch class",
        "Albrecht and Shanahan 2013, key profiles",
    ),
    Column("mode_estimate", "1 in a major key, 0 in a minor key", "0 or 1", "Albrecht and Shanahan 2013, key profiles"),
    Column(
        "key_confidence",
        "By how much the key's profile correlates better than the next best key's",
        "0..1",
        "modeling.core.tonality.estimate_key",
    ),
    Column(
        "danceability_proxy",
        "0.5 onsets that come back after a beat, 0.3 bass that comes back after a beat, 0.2 tempo near 120",
        "0..1",
        _ESTIMATE,
    ),
    Column(
        "energy_proxy",
        "0.5 loudness from -40 to -5 LUFS, 0.25 onset strength, 0.15 brightness from 250 to 4,000 Hz, 0.1 steady level",
        "0..1",
        _ESTIMATE,
    ),
)
