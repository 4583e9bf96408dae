"""Do annotators who label alike make a model that does better on their labels than one of everybody's?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotations.clusters import MIN_SHARED_TRACKS, Clusters, cluster_annotators
from modeling.core.annotations import Annotations
from modeling.core.lab import catalogue
from modeling.core.lab.comparison import OnProgress, Protocol, check_enough, contender
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.labels import LabelErrors, labels_a_track, people_by_labels, said_of_single_labels
from modeling.core.lab.report import Cell, Column, Findings, Table
from modeling.core.lab.votes import MIN_LABELS, Judged, Votes
from modeling.core.lab.words import difference_in_words, in_words, verdict
from modeling.core.metrics import Floats

NO_CLUSTER = "in no cluster"
MAX_NAMES = 5


def answer(
    asked: catalogue.AnnotatorClusters, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """A model of each cluster's labels, and beside each a common model of as many labels of anybody's."""
    used = data.development().using(asked.sets)
    check_enough(used.dataset, by_artist=asked.by_artist)
    people = _People.of(used.annotations, asked.seed)
    on_progress(0.0, f"{people.clusters.n_clusters} clusters of annotators")
    if people.clusters.n_clusters == 1:
        return Findings((_one_cluster(people),), (_people_table(people),), notes=(*used.notes, *_notes(people)))
    names, too_few = _with_models(people)
    by_cluster = replace(used, annotations=people.as_clusters)
    votes = Votes(by_cluster, names, contender(asked.recipe), Protocol.of(asked))
    votes.fill(on_progress)
    judged = {name: _judged(votes, name) for name in names}
    return Findings(
        conclusions=tuple(_conclusions(people, judged)),
        tables=(_table(asked.recipe, people, judged), *_crossed(votes), _people_table(people)),
        notes=(*used.notes, *too_few, *_notes(people), *_notes_on_models(), *_of_single_labels(judged), *votes.notes),
    )


# ---- Who labels alike


@dataclass(frozen=True, eq=False)
class _People:
    """Annotators and their clusters; `name` and `cluster` are (n_annotators,), those with the most labels first."""

    labels: Annotations
    name: NDArray[np.str_]
    cluster: NDArray[np.str_]
    clusters: Clusters

    @classmethod
    def of(cls, labels: Annotations, seed: int) -> _People:
        n_labels = people_by_labels(labels)
        if not n_labels:
            raise TooLittleData(
                "Nobody is known to have labelled: label tracks, or import labels with their annotators."
            )
        name = np.array(list(n_labels))
        number = {each: at for at, each in enumerate(n_labels)}
        clusters = cluster_annotators(
            labels.track, [number[each] for each in labels.annotator], labels.level, seed=seed
        )
        if not clusters.n_clusters:
            raise TooLittleData(
                f"Who labels alike cannot be told: none of {len(name)} people labelled {MIN_SHARED_TRACKS} tracks that others"
                " labelled too. Let several people label the same tracks."
            )
        cluster = np.where(
            clusters.label < 0, NO_CLUSTER, np.char.add("cluster ", (clusters.label + 1).astype(np.str_))
        )
        return cls(labels, name, cluster, clusters)

    @property
    def cluster_names(self) -> list[str]:
        return [f"cluster {number + 1}" for number in range(self.clusters.n_clusters)]

    @property
    def as_clusters(self) -> Annotations:
        """The labels, as if each cluster were a person."""
        cluster = dict(zip(self.name.tolist(), self.cluster.tolist(), strict=True))
        return replace(self.labels, annotator=np.array([cluster[each] for each in self.labels.annotator.tolist()]))

    def members(self, cluster: str) -> str:
        names = self.name[self.cluster == cluster].tolist()
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        return ", ".join(names[:MAX_NAMES]) + more

    def likeness(self, person: int) -> tuple[float | None, float | None]:
        """The person's mean similarity to the others of the cluster, and to people of other clusters."""
        others = (np.arange(len(self.name)) != person) & (self.clusters.label >= 0)
        own = others & (self.clusters.label == self.clusters.label[person])
        return self._mean_likeness(person, own), self._mean_likeness(person, others & ~own)

    def _mean_likeness(self, person: int, to: NDArray[np.bool_]) -> float | None:
        similarity: Floats = self.clusters.similarity[person, to]
        known = similarity[~np.isnan(similarity)]
        return float(known.mean()) if len(known) else None


def _with_models(people: _People) -> tuple[list[str], tuple[str, ...]]:
    """The clusters that gave enough labels, and what there is to say of the others."""
    labels = people.as_clusters
    given = {name: labels.level[labels.annotator == name] for name in people.cluster_names}
    names = [name for name, level in given.items() if len(level) >= MIN_LABELS and len(np.unique(level)) > 1]
    if not names:
        raise TooLittleData(
            f"A model of a cluster needs {MIN_LABELS} labels of several levels, and none of {len(given)} clusters gave that many:"
            " let people label more."
        )
    few = [f"{name} ({len(level)} labels)" for name, level in given.items() if name not in names]
    said = f"fewer than {MIN_LABELS} labels of several levels: no model of {', '.join(few)}"
    return names, (said,) if few else ()


# ---- Judging


def _judged(votes: Votes, name: str) -> Judged:
    own = votes.labels_of(name)
    return Judged.of(votes, name, int(own.sum()), own, ~own)


def _together(errors: list[LabelErrors]) -> LabelErrors:
    parts = ((each.truth, each.error, each.artist) for each in errors)
    return LabelErrors(*(np.concatenate(part) for part in zip(*parts, strict=True)))


# ---- In words


def _one_cluster(people: _People) -> str:
    n = int(np.sum(people.clusters.label == 0))
    return (
        f"{n} people share enough tracks to compare, and nothing speaks for more than one cluster: a model of it would be the"
        " common model, so there is nothing to compare."
    )


def _conclusions(people: _People, judged: Mapping[str, Judged]) -> Iterator[str]:
    gains = {name: gain for name, one in judged.items() if (gain := one.gain_on_own)}
    better = sum(verdict(gain) == "better" for gain in gains.values())
    yield (
        f"On their own labels, {better} of {len(gains)} clusters are predicted clearly better by a model of their labels than by"
        " one of as many labels of anybody's."
    )
    own = _together([one.own for one in judged.values() if one.own])
    common = _together([one.common_on_own for one in judged.values() if one.common_on_own])
    yield (
        f"All clusters together, each on its own labels: {in_words(own.macro_mae)} by models of clusters,"
        f" {in_words(common.macro_mae)} by common ones of as many labels; difference {difference_in_words(own.less(common))}."
    )
    for name, one in judged.items():
        yield from _on(f"{name.capitalize()} ({people.members(name)}), own labels", one.own, one.common_on_own)
        yield from _on(f"{name.capitalize()}, everybody else's labels", one.rest, one.common_on_rest)


def _on(labels: str, own: LabelErrors | None, common: LabelErrors | None) -> Iterator[str]:
    if own and common:
        yield (
            f"{labels}: {in_words(own.macro_mae)}; the common model {in_words(common.macro_mae)}; difference"
            f" {difference_in_words(own.less(common))}."
        )


def _table(recipe: str, people: _People, judged: Mapping[str, Judged]) -> Table:
    columns = (
        Column("Cluster", "text"),
        Column("people", "text"),
        Column("labels", "count", help="Of the tracks that experiments may use."),
        Column("own", help="macro-MAE of the cluster's model against its own labels of held-out tracks."),
        Column("common, own", help="A model of as many labels, drawn from everybody's, against the same labels."),
        Column("own less common", help="Paired difference; below 0 the cluster's model is better."),
        Column("others", help="macro-MAE of the cluster's model against everybody else's labels of held-out tracks."),
        Column("common, others", help="A model of as many labels, drawn from everybody's, against the same labels."),
        Column("others less common", help="Paired difference; below 0 the cluster's model is better."),
    )
    caption = "macro-MAE in levels, against single labels. No model knows the artist of a track it is judged by."
    rows = tuple(_row(one, people.members(name)) for name, one in judged.items())
    return Table(f"{recipe} of one cluster's labels", columns, rows, caption)


def _row(one: Judged, members: str) -> tuple[Cell, ...]:
    errors = (one.own, one.common_on_own, one.rest, one.common_on_rest)
    own, common, rest, common_on_rest = (each.macro_mae if each else None for each in errors)
    return (one.name, members, one.n_labels, own, common, one.gain_on_own, rest, common_on_rest, one.gain_on_rest)


def _crossed(votes: Votes) -> tuple[Table, ...]:
    """Each cluster's model on each cluster's labels."""
    if len(votes.people) < 2:
        return ()
    rows: list[tuple[Cell, ...]] = []
    for model in votes.people:
        on = [votes.errors(votes.own[model], votes.labels_of(name)).macro_mae for name in votes.people]
        rows.append((model, *on))
    columns = (
        Column("Model of", "text"),
        *(Column(f"on {name}", help=f"macro-MAE against the labels of {name}.") for name in votes.people),
    )
    return (Table("Each cluster's model on each cluster's labels", columns, tuple(rows), "macro-MAE in levels."),)


def _people_table(people: _People) -> Table:
    n_labels = people_by_labels(people.labels)
    several = labels_a_track(people.labels, int(people.labels.track.max()) + 1)[people.labels.track] > 1
    rows: list[tuple[Cell, ...]] = []
    for person, name in enumerate(people.name.tolist()):
        n_shared = int(np.sum(several & (people.labels.annotator == name)))
        rows.append((name, str(people.cluster[person]), n_labels[name], n_shared, *people.likeness(person)))
    columns = (
        Column("Annotator", "text"),
        Column("cluster", "text"),
        Column("labels", "count", help="Of the tracks that experiments may use."),
        Column("shared labels", "count", help="Of tracks that somebody else labelled too."),
        Column(
            "like the cluster",
            "number",
            help="Mean similarity to the others of the cluster: 1 alike, 0 as any two are.",
        ),
        Column("like others", "number", help="Mean similarity to people of other clusters."),
    )
    caption = (
        "Similar are people who deviate from everybody in the same way on the tracks they share, once each one's bias and use of"
        " the scale are taken out."
    )
    return Table("Who labels alike", columns, tuple(rows), caption)


def _of_single_labels(judged: Mapping[str, Judged]) -> tuple[str, ...]:
    on_own = {f"{one.name}, own": one.own for one in judged.values() if one.own}
    return said_of_single_labels(on_own | {f"{one.name}, others": one.rest for one in judged.values() if one.rest})


def _notes(people: _People) -> Iterator[str]:
    if n := int(np.sum(people.clusters.label < 0)):
        yield (
            f"{n} {'person' if n == 1 else 'people'} labelled fewer than {MIN_SHARED_TRACKS} tracks that others labelled too:"
            f" {NO_CLUSTER}; their labels are among everybody's"
        )


def _notes_on_models() -> Iterator[str]:
    yield "who labels alike is told from all these labels, those of held-out tracks too: a little of a cluster's gain may be that"
    yield "labels are learnt as they were given: a cluster's gain may be its people's taste, or that their biases happen to be alike"
    yield "labels of an artist's tracks err together, and standard errors know that; they do not know which labels happened to be drawn"
