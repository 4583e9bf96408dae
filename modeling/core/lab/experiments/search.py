"""Which settings does the thesis's network do best with?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modeling.core.dataset import Dataset, grouped_stratified_folds
from modeling.core.decisions import round_to_level
from modeling.core.estimates import Estimate, mean_over_strata
from modeling.core.lab import catalogue, thesis
from modeling.core.lab.comparison import HeldOut, OnProgress, Protocol, check_enough, check_left, fit
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.report import Cell, Chart, Column, Findings, Series, Table
from modeling.core.lab.words import best_constant, difference_in_words, in_words
from modeling.core.metrics import Floats
from modeling.core.recipes.network import Network

if TYPE_CHECKING:
    import optuna

# The thesis's table 3.8.
LAYERS, NEURONS, BATCHES, RATES = (1, 2, 3), (32, 64, 128, 256), (10, 50, 100, 150), (5e-6, 5e-4)
# One part in five of the tracks (whole artists) does not take part in the search: the winner is judged by it.
N_JUDGE_PARTS = 5
# Learning at random before the sampler has seen enough to learn from, as Optuna does.
N_RANDOM_TRIALS = 10


def answer(asked: catalogue.Search, data: LabData, *, on_progress: OnProgress, folder: Path | None = None) -> Findings:
    """Settings are tried on most tracks; the best of them and the thesis's are then judged by the rest."""
    used = data.development().using(asked.sets)
    check_enough(used.dataset, by_artist=asked.by_artist, min_tracks=4 * N_JUDGE_PARTS)
    judged = _judged(used, asked)
    search = _Search(used.tracks(~judged), asked, on_progress)
    study = search.run(folder, used.digest())
    trials = [_Trial.of(trial) for trial in study.trials if trial.value is not None][: asked.n_trials]
    best = min(trials, key=lambda trial: trial.error.value)
    on_judged = _judge(used, judged, best, asked, on_progress)
    importances = _importances(study)
    on_progress(1.0, "done")
    return Findings(
        conclusions=tuple(_conclusions(trials, best, on_judged, importances, search.data.dataset, asked.n_epochs)),
        tables=(
            _summary(trials),
            _judged_table(on_judged),
            _importance_table(importances),
            _trials_table(trials, best),
        ),
        matrices=tuple(held_out.matrix(name) for name, held_out in on_judged.items()),
        charts=(_progress_chart(trials), _importance_chart(importances)),
        notes=(*used.notes, *_notes(asked, judged, importances, folder), *_said(study)),
    )


def _judged(used: LabData, asked: catalogue.Search) -> NDArray[np.bool_]:
    """The tracks that the search does not see, by whole artists."""
    dataset = used.dataset
    groups = dataset.groups if asked.by_artist else np.arange(len(dataset.y))
    judged = grouped_stratified_folds(dataset.y, groups, n_folds=N_JUDGE_PARTS, seed=asked.seed) == 0
    try:
        searched = dataset.rows(~judged)
        check_enough(searched, by_artist=asked.by_artist)
        check_left(searched, [Protocol.of(asked).folds(searched, repeat) for repeat in range(asked.n_repeats)])
    except TooLittleData as problem:
        raise TooLittleData(
            f"Some tracks are kept out of the search, to judge its winner. Of the others: {problem}"
        ) from None
    return judged


# ---- Trials


@dataclass(frozen=True)
class _Trial:
    """One setting and its held-out macro-MAE."""

    options: Mapping[str, Any]
    error: Estimate

    @classmethod
    def of(cls, trial: optuna.trial.FrozenTrial) -> _Trial:
        assert trial.value is not None
        return cls(trial.params, Estimate(trial.value, trial.user_attrs["se"]))


@dataclass(eq=False)
class _Search:
    """Settings proposed one by one, each from all that was found so far.

    What was tried lies in a journal: a search that was stopped goes on after its last finished trial, and finds what it
    would have found. For that each proposal draws from a seed of its own, by the number of finished trials.
    """

    data: LabData
    asked: catalogue.Search
    on_progress: OnProgress

    def __post_init__(self) -> None:
        self.protocol, self.said = Protocol.of(self.asked), dict[str, None]()
        self.folds = [self.protocol.folds(self.data.dataset, repeat) for repeat in range(self.asked.n_repeats)]

    def run(self, folder: Path | None, digest: str) -> optuna.Study:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = self._study(folder, digest)
        for left in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(left.number, state=optuna.trial.TrialState.FAIL)  # begun by a search that was stopped
        finished = len(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)))
        for number in range(finished, self.asked.n_trials):
            study.sampler = optuna.samplers.TPESampler(
                seed=int(np.random.default_rng([number, self.asked.seed]).integers(2**31)),
                n_startup_trials=N_RANDOM_TRIALS,
            )
            trial = study.ask()
            error = self._error(_options(trial), number)
            trial.set_user_attr("se", error.se)
            trial.set_user_attr("notes", list(self.said))
            study.tell(trial, error.value)
        return study

    def _study(self, folder: Path | None, digest: str) -> optuna.Study:
        """The one of exactly these tracks and options, however many trials were asked for."""
        import optuna
        from optuna.storages.journal import JournalFileBackend

        asks = {name: value for name, value in self.asked.options.items() if name != "n_trials"}
        name = hashlib.sha256(json.dumps([digest, asks], sort_keys=True).encode()).hexdigest()[:16]
        storage = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            backend = JournalFileBackend(str(folder / f"search-{name}.log"))
            storage = optuna.storages.JournalStorage(backend)
        return optuna.create_study(storage=storage, study_name=name, load_if_exists=True)

    def _error(self, options: Mapping[str, Any], number: int) -> Estimate:
        """macro-MAE on tracks that the network did not know, over folds and repeats."""
        dataset, self.said = self.data.dataset, dict[str, None]()
        level = np.zeros((len(self.folds), len(dataset.y)))
        n_fits = sum(int(fold.max()) + 1 for fold in self.folds)
        done = 0
        for repeat, fold in enumerate(self.folds):
            for held_out in range(int(fold.max()) + 1):
                share = 0.95 * (number + done / n_fits) / self.asked.n_trials
                self.on_progress(share, f"setting {number + 1} of {self.asked.n_trials}, fold {held_out + 1}")
                held, done = fold == held_out, done + 1
                level[repeat, held] = round_to_level(self.score(options, ~held, held, self.asked.seed + repeat))
        truth = round_to_level(dataset.y)
        return mean_over_strata(np.abs(level - truth).mean(axis=0), truth, dataset.groups)

    def score(self, options: Mapping[str, Any], known: NDArray[np.bool_], held: NDArray[np.bool_], seed: int) -> Floats:
        """Of one network, without others for intervals, which nobody looks at here."""
        network = Network(seed=seed, n_epochs=self.asked.n_epochs, n_folds=0, **options)
        fit(network, self.data.dataset, known, by_artist=self.protocol.by_artist)
        self.said |= dict.fromkeys(network.notes)
        return network.predict_score(self.data.dataset.X[held])


def _said(study: optuna.Study) -> tuple[str, ...]:
    """What fits had to do otherwise than asked, an example of it."""
    first, *more = dict.fromkeys(note for trial in study.trials for note in trial.user_attrs.get("notes", ())) or [""]
    return (first + (f" (and {len(more)} more like it)" if more else ""),) if first else ()


def _options(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "n_layers": trial.suggest_categorical("n_layers", LAYERS),
        "n_neurons": trial.suggest_categorical("n_neurons", NEURONS),
        "batch_size": trial.suggest_categorical("batch_size", BATCHES),
        "learning_rate": trial.suggest_float("learning_rate", *RATES, log=True),
    }


# ---- The winner, judged


def _judge(
    used: LabData, judged: NDArray[np.bool_], best: _Trial, asked: catalogue.Search, on_progress: OnProgress
) -> dict[str, HeldOut]:
    """The best setting and the thesis's, taught by all tracks of the search, on those it did not see."""
    search, found, of_judged = _Search(used, asked, on_progress), {}, used.dataset.rows(judged)
    for number, (name, options) in enumerate({"best of the search": best.options, "the thesis's setting": {}}.items()):
        on_progress(0.95 + 0.02 * number, name)
        score = np.stack(
            [search.score(options, ~judged, judged, asked.seed + repeat) for repeat in range(asked.n_repeats)]
        )
        found[name] = HeldOut(round_to_level(of_judged.y), of_judged.groups, score, round_to_level(score), 0.0)
    return found


def _importances(study: optuna.Study) -> dict[str, float]:
    """How much of the differences between trials each option explains; empty where trials do not differ."""
    import optuna

    values = [trial.value for trial in study.trials if trial.value is not None]
    if len(values) < 2 or np.ptp(values) == 0:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


# ---- The report


def _conclusions(
    trials: list[_Trial],
    best: _Trial,
    on_judged: Mapping[str, HeldOut],
    importances: Mapping[str, float],
    searched: Dataset,
    n_epochs: int,
) -> Iterator[str]:
    of_search, of_thesis = on_judged.values()
    gain = of_search.macro_mae_less(of_thesis)
    worst = max(trial.error.value for trial in trials)
    constant = best_constant(round_to_level(searched.y))
    n_lost = sum(trial.error.value >= constant for trial in trials)
    if n_lost == len(trials):
        yield f"Nothing was learnt in {n_epochs} epochs: all err as much as one level for all tracks does ({constant:.2f}), or more."
    yield (
        f"Best of {len(trials)} settings: {_in_words(best.options)}, with macro-MAE {in_words(best.error)} on the tracks of the"
        f" search (worst {worst:.2f}; the thesis {thesis.SEARCH_BEST:.2f} to {thesis.SEARCH_WORST:.2f} in {thesis.SEARCH_TRIALS})."
    )
    yield (
        f"On {len(of_search.truth)} tracks that the search did not see it errs by {in_words(of_search.macro_mae)}; the thesis's"
        f" setting by {in_words(of_thesis.macro_mae)}: difference {difference_in_words(gain)}."
    )
    within = sum(trial.error.value <= best.error.value + best.error.se for trial in trials)
    yield f"{within} of the {len(trials)} settings are within one standard error of the best: which of these is first is chance."
    if 0 < n_lost < len(trials):
        yield (
            f"{n_lost} settings err as much as one level for all tracks does ({constant:.2f}), or more: with this few tracks they"
            f" have not learnt anything in {n_epochs} epochs."
        )
    if importances:
        first = max(importances, key=lambda name: importances[name])
        yield f"Of what differs between settings, {first} explains most ({importances[first]:.0%})."


def _in_words(options: Mapping[str, Any]) -> str:
    return (
        f"{options['n_layers']} layers of {options['n_neurons']}, batches of {options['batch_size']}, rate"
        f" {options['learning_rate']:.2g}"
    )


def _summary(trials: list[_Trial]) -> Table:
    errors = [trial.error.value for trial in trials]
    rows = (
        ("best", min(errors), thesis.SEARCH_BEST),
        ("median", float(np.median(errors)), None),
        ("worst", max(errors), thesis.SEARCH_WORST),
    )
    columns = (Column("Setting", "text"), Column("macro-MAE"), Column("thesis", from_thesis=True))
    caption = f"{len(trials)} settings here, {thesis.SEARCH_TRIALS} in the thesis; held-out tracks of the search."
    return Table("The search", columns, rows, caption)


def _judged_table(on_judged: Mapping[str, HeldOut]) -> Table:
    *_, reference = on_judged.values()
    rows = tuple(
        (
            name,
            held_out.macro_mae,
            None if held_out is reference else held_out.macro_mae_less(reference),
            held_out.mae,
            held_out.within(1),
        )
        for name, held_out in on_judged.items()
    )
    columns = (
        Column("Setting", "text"),
        Column("macro-MAE"),
        Column("less the thesis's setting", help="Paired difference on the same tracks; below 0 is better."),
        Column("MAE"),
        Column("within 1", "share"),
    )
    caption = f"{len(reference.truth)} tracks, of artists that the search did not see. The best of many looks better in the search."
    return Table("On tracks the search did not see", columns, rows, caption)


def _trials_table(trials: list[_Trial], best: _Trial) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            number + 1,
            trial.options["n_layers"],
            trial.options["n_neurons"],
            trial.options["batch_size"],
            f"{trial.options['learning_rate']:.2e}",
            trial.error,
        )
        for number, trial in enumerate(trials)
    ]
    columns = (
        Column("Trial", "count"),
        Column("layers", "count"),
        Column("neurons", "count"),
        Column("batch size", "count"),
        Column("rate", "text", help="Learning rate of Adam."),
        Column("macro-MAE"),
    )
    caption = f"In the order tried; the first {N_RANDOM_TRIALS} at random, the others by what those before them found."
    return Table("All settings", columns, tuple(rows), caption, best=trials.index(best))


def _importance_table(importances: Mapping[str, float]) -> Table:
    columns = (
        Column("Option", "text"),
        Column("importance", "share", help="Share of the differences between settings that it explains (fANOVA)."),
    )
    return Table("What matters", columns, tuple(importances.items()), "Of few trials: a first impression.")


def _progress_chart(trials: list[_Trial]) -> Chart:
    x, y = tuple(float(number + 1) for number in range(len(trials))), tuple(trial.error.value for trial in trials)
    tried = Series("setting", x, y, tuple(trial.error.se for trial in trials))
    best = Series("best so far", x, tuple(np.minimum.accumulate(y).tolist()))
    return Chart("macro-MAE by trial", "Trial", "macro-MAE", (tried, best))


def _importance_chart(importances: Mapping[str, float]) -> Chart:
    x = tuple(float(position) for position in range(len(importances)))
    shares = Series("importance", x, tuple(importances.values()))
    return Chart("What matters", "Option", "Share", (shares,), kind="bar", x_names=tuple(importances))


def _notes(
    asked: catalogue.Search, judged: NDArray[np.bool_], importances: Mapping[str, float], folder: Path | None
) -> Iterator[str]:
    yield (
        f"{int(judged.sum())} of {len(judged)} tracks were kept out of the search: the best of {asked.n_trials} is partly the"
        " luckiest, and its error in the search is too good"
    )
    yield "scores are rounded, as in the thesis; each setting has one network a fold, whose first weights are chance too"
    if not importances:
        yield "all settings did the same: nothing can be said of what matters"
    if folder is None:
        yield "nothing was kept to go on from after a stop: no folder was given"
