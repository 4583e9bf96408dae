"""Which tracks models are judged on: known from a track's uri alone, so that the queue may draw them too."""

import hashlib


def in_evaluation_slice(uri: str, *, share: float = 0.2) -> bool:
    """Whether a track belongs to the evaluation slice, by the sha256 of its uri: for ever, on every machine, uniformly.

    The hash is of the track, not of its artist, so the slice is a uniform draw of tracks, and an artist may be on
    both sides: a model fitted on the rest knows the artist of some slice tracks. `evaluation.cross_validate`
    therefore gives the slice two predictions, one of which never saw the artist.

    Raises
    ------
    ValueError
        If the share is not between 0 and 1.

    Examples
    --------
    >>> sum(in_evaluation_slice(f"track:{number}") for number in range(1000))
    188
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; expected 0..1")
    return int.from_bytes(hashlib.sha256(uri.encode()).digest()[:8], "big") < share * 2**64


# The same for a database that knows sha256 in hexadecimal digits: below this.
HASHES_END = f"{int(0.2 * 2**64):016x}"
