"""Every kind of job: what people call it, who may ask for it, and the page of what it is about. A new kind is a new line here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """The apps that own permissions, pages and rows are above this one: names only."""

    words: str
    # Who may ask for it may cancel it, and have it done again.
    permission: str
    # The name of a URL; "" where there is no such page.
    page: str = ""
    # Where that page's id is: "key" (the job's own), or the one-to-one row that points to the job; "" for a page without one.
    # A row that points to another job by now cannot be retried: it has been asked for anew.
    subject: str = ""
    # On the button that has it done again.
    again: str = "Try again"
    # A list of tracks, handed out by beat (energyapp.jobs.waves).
    is_wave: bool = False


KINDS = {
    "train": Kind("Training", "modeling.add_trainingrun", page="run", subject="training_run"),
    "experiment": Kind("Experiment", "modeling.add_experiment", page="experiment", subject="experiment"),
    "import": Kind("Import", "intake.add_upload", page="upload", subject="upload"),
    "score": Kind("Scoring", "scoring.add_scoring", page="scoring", subject="scoring"),
    "curve": Kind("Energy curve", "modeling.view_prediction", page="energy", subject="key"),
    "predict": Kind("Predicting all tracks", "modeling.add_promotion", page="run", subject="key"),
    "rank": Kind("Ranking open tracks", "annotations.add_labellingrules", page="next_tracks"),
    "export": Kind("Export", "exports.add_export", page="exports"),
    "fetch": Kind("Fetching previews", "intake.add_upload", page="imports", again="Go on", is_wave=True),
    "features": Kind("Computing features", "intake.add_upload", page="imports", again="Go on", is_wave=True),
}


def kind_of(name: str) -> Kind:
    """Of a kind that is not listed, whatever can be said; nobody may cancel it."""
    return KINDS.get(name) or Kind(name.capitalize(), "jobs.change_job")
