"""What kind of audio a file is, by its first bytes. Its name says nothing, and the decoder is no part of the web process."""

_SUFFIX_OF = {
    b"OggS": ".ogg",
    b"fLaC": ".flac",
    b"caff": ".caf",
    b".snd": ".au",
    b"riff": ".w64",
    b"\x1a\x45\xdf\xa3": ".webm",
}
# What lies in folders of music, or is taken for it.
_OTHERS = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip archive, or a document of an office program",
}


def audio_suffix(head: bytes) -> str | None:
    """The extension that fits a file's first 12 bytes; None for what is no audio at all.

    Everything that `modeling.core.decoding` opens has one. Whether it can be decoded is for the worker to find out.

    >>> audio_suffix(b"ID3\\x04........"), audio_suffix(b"RIFF\\0\\0\\0\\0WAVE"), audio_suffix(b"PK\\x03\\x04........")
    ('.mp3', '.wav', None)
    """
    if head[:4] in {b"RIFF", b"RF64"}:
        return ".wav" if head[8:12] == b"WAVE" else None
    if head[:4] == b"FORM":
        return ".aiff" if head[8:12] in {b"AIFF", b"AIFC"} else None
    if head[4:8] == b"ftyp":
        return ".m4a"
    if head[:3] == b"ID3":
        return ".mp3"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # The layer bits are zero in AAC's frame header and never in MP3's.
        return ".mp3" if head[1] & 0x06 else ".aac"
    return _SUFFIX_OF.get(head[:4])


def describe(head: bytes) -> str:
    """What a file is that is no audio, for people.

    >>> describe(b"\\xff\\xd8\\xff\\xe0........"), describe(b"Some words in"), describe(b"\\0\\1\\2\\3")
    ('a JPEG picture', "text: 'Some words in'", 'something unknown')
    """
    for beginning, words in _OTHERS.items():
        if head.startswith(beginning):
            return words
    text = head.decode("utf-8", errors="ignore").strip()
    return f"text: {text!r}" if len(text) > 3 and text.isprintable() else "something unknown"
