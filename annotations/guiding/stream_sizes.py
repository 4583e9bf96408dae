"""How many tracks each stream of the queue could hand out now, to whomever: what a share of it is worth."""

from datetime import timedelta

from django.utils import timezone

from annotations.models import Annotation, LabellingRules, RankedTrack, Reference, Stream, Track
from annotations.queue import strategy_of


def stream_sizes(rules: LabellingRules) -> dict[Stream, int]:
    """As the streams in `queue` look for them, but for everybody: of `REPEAT` the labels that are old enough."""
    playable = Track.objects.playable()
    new = playable.filter(n_annotators=0, reference=None)
    plain = playable.in_training().filter(reference=None)
    incomplete = plain.filter(n_annotators__gte=1, n_annotators__lt=rules.labels_per_track)
    places = RankedTrack.objects.filter(order=strategy_of(rules))
    repeatable = Annotation.objects.current().filter(
        source=Annotation.Source.LABEL,
        created_at__lt=timezone.now() - timedelta(days=rules.repeat_after_days),
        track__in=plain,
    )
    return {
        Stream.NEW: new.count(),
        Stream.RANKED: places.filter(track__in=plain.filter(n_annotators__lt=rules.labels_per_track)).count(),
        Stream.SECOND: incomplete.count(),
        Stream.REPEAT: repeatable.count(),
        Stream.GOLD: playable.in_training().filter(reference__use=Reference.Use.GOLD).count(),
        Stream.EVALUATION: new.in_evaluation_slice().count(),
    }
