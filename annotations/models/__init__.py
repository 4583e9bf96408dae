"""People, tracks, labels, flags, decisions, rules. Facts only: consensus, agreement and counts are computed when asked for."""

from annotations.models.base import LEVELS, MAX_LEVEL, MIN_LEVEL, AppendOnly, AppendOnlyViolation
from annotations.models.flags import Decision, DecisionQuerySet, Flag, FlagQuerySet
from annotations.models.guidance import Assignment, Comparison, LabellingRules, NearTrack, RankedTrack, Reference
from annotations.models.labels import LIMITED_STREAMS, Annotation, AnnotationQuerySet, Lease, Skip, Stream
from annotations.models.people import User
from annotations.models.reviewing import AnnotatorExclusion, AnnotatorReport, ReviewRules
from annotations.models.tracks import Genre, Track, TrackQuerySet, random_order

__all__ = [
    "LEVELS",
    "LIMITED_STREAMS",
    "MAX_LEVEL",
    "MIN_LEVEL",
    "Annotation",
    "AnnotationQuerySet",
    "AnnotatorExclusion",
    "AnnotatorReport",
    "AppendOnly",
    "AppendOnlyViolation",
    "Assignment",
    "Comparison",
    "Decision",
    "DecisionQuerySet",
    "Flag",
    "FlagQuerySet",
    "Genre",
    "LabellingRules",
    "Lease",
    "NearTrack",
    "RankedTrack",
    "Reference",
    "ReviewRules",
    "Skip",
    "Stream",
    "Track",
    "TrackQuerySet",
    "User",
    "random_order",
]
