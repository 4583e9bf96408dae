"""What a worker does with a ranking: read what is known, let the strategy choose, put its places into the order."""

from __future__ import annotations

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from annotations.models import NearTrack, RankedTrack, Track
from energyapp.jobs.claims import Claim, NotClaimed
from modeling.core.acquisition import STRATEGIES
from modeling.models import TrainingRun
from modeling.ranking.candidates import Candidates, askable_tracks, open_tracks, read_candidates
from modeling.ranking.findings import findings
from modeling.ranking.models import Ranking
from modeling.ranking.nearness import near_rows
from modeling.ranking.services import NO_STRATEGY, request_ranking

# Trainings come every few hundred labels at most, and each asks anew; what is not named comes after it, at random. Strategies
# take a step through all tracks for each place.
N_RANKED = 1_000
BATCH_ROWS = 2_000


def rank(job_id: int) -> None:
    """Rank by the strategy of this job's ranking. All of it is written at the end or nothing: it can be begun again."""
    try:
        with Claim(job_id) as claim:
            _rank(Ranking.objects.get(job=job_id), claim)
    except NotClaimed:
        return  # delivered twice, or taken over


def _rank(ranking: Ranking, claim: Claim) -> None:
    claim.report(0, "Reading labels and features")
    run = TrainingRun.objects.live()
    candidates = read_candidates()
    n_open = int(candidates.pool.is_open.sum())
    claim.report(0.3, f"Ranking {n_open:,} open tracks by {ranking.strategy}")
    chosen = _chosen(candidates, ranking.strategy, run)
    claim.report(0.55, "Looking for tracks that are alike")
    near = _near(candidates, chosen)
    found = findings(candidates.data, on_progress=lambda share, said: claim.report(0.6 + 0.3 * share, said))
    with transaction.atomic():
        # First: where this attempt was given up for dead meanwhile, nothing is written.
        claim.report(0.9, "Putting them in order")
        n_ranked = _store(ranking.strategy, candidates, chosen, near)
        Ranking.objects.filter(pk=ranking.pk).update(run=run, n_open=n_open, n_ranked=n_ranked, found=found)
        claim.succeed(_sentence(ranking, n_open, n_ranked, candidates.n_without))
        if TrainingRun.objects.live() != run:  # put to use meanwhile: what it asked for was this very job
            request_ranking(requested_by=ranking.requested_by, strategy=ranking.strategy)


def _sentence(ranking: Ranking, n_open: int, n_ranked: int, n_without: int) -> str:
    left_out = f"; {n_without:,} left out, as features of them are lacking" if n_without else ""
    if ranking.strategy == NO_STRATEGY:
        return f"{n_open:,} open tracks, which come at random{left_out}."
    return f"{n_ranked:,} tracks ranked by {ranking.strategy}, of {n_open:,} open ones{left_out}."


def _chosen(candidates: Candidates, strategy: str, run: TrainingRun | None) -> NDArray[np.intp]:
    """Rows of the pool, the first place first; none where chance is the order."""
    if strategy == NO_STRATEGY:
        return np.empty(0, np.intp)
    # As long as nothing else is known chance falls the same way: asked again it gives the same places.
    seed = run.pk if run else 0
    return STRATEGIES[strategy](candidates.pool, N_RANKED, seed)


def _near(candidates: Candidates, chosen: NDArray[np.intp]) -> list[tuple[int, list[int]]]:
    """Of each new track that was chosen, the other new ones so like it that a label of one tells much of it; ids."""
    new = np.flatnonzero(candidates.pool.is_open)
    ids = candidates.track_ids
    found = near_rows(candidates.pool.X, chosen[candidates.pool.is_open[chosen]], new)
    return [(int(ids[row]), ids[near].tolist()) for row, near in found]


# ---- Rows


def _store(order: str, candidates: Candidates, chosen: NDArray[np.intp], near: list[tuple[int, list[int]]]) -> int:
    """Put these tracks in place of those that the order had; how many there are."""
    is_new, ids = candidates.pool.is_open[chosen], candidates.track_ids[chosen]
    NearTrack.objects.filter(order=order).delete()
    alike = (NearTrack(order=order, track_id=track_id, near_id=other) for track_id, others in near for other in others)
    NearTrack.objects.bulk_create(alike, batch_size=BATCH_ROWS)
    # As late as may be: from here on nobody is handed one of these tracks.
    wanted = _still_wanted(new=ids[is_new].tolist(), labelled=ids[~is_new].tolist())
    kept = [track_id for track_id in ids.tolist() if track_id in wanted]
    RankedTrack.objects.filter(order=order).delete()
    places = (RankedTrack(order=order, position=at, track_id=track_id) for at, track_id in enumerate(kept))
    RankedTrack.objects.bulk_create(places, batch_size=BATCH_ROWS)
    return len(kept)


def _still_wanted(*, new: list[int], labelled: list[int]) -> set[int]:
    """Those that may be chosen as before. Locked: a label that is given now comes after, and takes its track out again."""
    listed = Track.objects.select_for_update(no_key=True).filter(pk__in=[*new, *labelled]).order_by("pk")
    list(listed.values_list("pk", flat=True))
    still = (open_tracks().filter(pk__in=new), askable_tracks().filter(pk__in=labelled))
    return {track_id for tracks in still for track_id in tracks.values_list("pk", flat=True)}
