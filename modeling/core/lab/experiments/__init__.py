"""How each experiment of the catalogue is answered. A new one is one file and one line here."""

from pathlib import Path
from typing import Any, Protocol

from modeling.core.lab.comparison import OnProgress
from modeling.core.lab.data import LabData
from modeling.core.lab.experiments import (
    active_learning,
    annotator_clusters,
    annotators,
    class_dependence,
    coarser_scale,
    data_understanding,
    decisions,
    feature_sets,
    final,
    genre_models,
    label_noise_ceiling,
    learning_curve,
    network_resampling,
    resampling,
    search,
    windows_maximum,
    without_annotator,
)
from modeling.core.lab.report import Findings


class Answer(Protocol):
    """See `running.run_experiment`. `asked` is the experiment of that name in the catalogue, with its options."""

    def __call__(self, asked: Any, data: LabData, *, on_progress: OnProgress, folder: Path | None) -> Findings: ...


ANSWERS: dict[str, Answer] = {
    "active_learning": active_learning.answer,
    "annotator_clusters": annotator_clusters.answer,
    "annotators": annotators.answer,
    "class_dependence": class_dependence.answer,
    "coarser_scale": coarser_scale.answer,
    "data_understanding": data_understanding.answer,
    "decisions": decisions.answer,
    "feature_sets": feature_sets.answer,
    "final": final.answer,
    "genre_models": genre_models.answer,
    "label_noise_ceiling": label_noise_ceiling.answer,
    "learning_curve": learning_curve.answer,
    "network_resampling": network_resampling.answer,
    "resampling": resampling.answer,
    "search": search.answer,
    "windows_maximum": windows_maximum.answer,
    "without_annotator": without_annotator.answer,
}
