"""All networks of a run: which folds they learn from, which is next, until when.

Without a time limit, everything that the plan names is trained, and the result is a function of data and recipe. With one, networks
that have a say are trained on further folds as far as the time allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from goodfit.api.blend import useful
from goodfit.api.brought import Given, open_brought
from goodfit.api.fitting import Fitted, Fold, Job, member_seed
from goodfit.api.folder import RunFolder
from goodfit.api.plan import FIRST, FOLDS, data_settings, member_count, network_name, refuse_brought, resolve, worker_count
from goodfit.api.room import refuse_without_room
from goodfit.api.scoring import row_weights
from goodfit.api.team import Alone, Together
from goodfit.base.errors import DataError
from goodfit.base.protocols import Progress
from goodfit.base.recipe import Recipe
from goodfit.data.dataset import Dataset
from goodfit.data.encoder import Encoder
from goodfit.data.splits import Split, folds
from goodfit.data.target import STRUCTURED, TargetSpec
from goodfit.models import catalogue
from goodfit.tasks import catalogue as tasks
from goodfit.tasks.voices import STEPWISE

# Share of the time limit that is kept for scores, baselines and the report; of answers with parts no column is shuffled, which takes most of it.
FINISH, FINISH_STRUCTURED = 0.12, 0.04
FINISH_LEAST = 11.0  # seconds that these take on a small table
ENOUGH = 0.4  # of the time that a network took before: with less, it would be cut off before it is good


def train_members(
    run: RunFolder,
    request: Recipe,
    data: Dataset,
    target: TargetSpec,
    parts: Split,
    begun: float,
    device: torch.device,
    progress: Progress,
    given: Given | None = None,
) -> tuple[Recipe, list[Fitted]]:
    """Encode and train the network, or both, on each fold; the recipe that comes back is the resolved one.

    given: the network that the call brings.
    """
    recipe = run.recipe
    refuse_brought(request, target)
    brought = open_brought(run, request, given, progress)
    request = request if brought is None else brought.settled(request)
    name = network_name(request, data.schema, len(parts.train), target)
    parted = fold_rows(
        data, target, parts, recipe or request, member_count(recipe or request, name, len(parts.train) + len(parts.valid), target)
    )
    weight = row_weights(data, None)

    def encode(number: int) -> Fold:
        if number and target.kind in STEPWISE:
            return first
        train_rows, valid_rows = parted[number]
        seed = member_seed(request.seed, number)
        prepared = None if brought is None else brought.preparation
        encoder = Encoder.fit(
            data, data.schema, target, train_rows, data_settings(request, name), seed, scaling=catalogue.scaling(name), prepared=prepared
        )
        cache = run.path / "cache" / str(number)
        fold = Fold(encoder, encoder.encode(data, folder=cache), train_rows, valid_rows, weight)
        return fold if brought is None else brought.ready(fold, cache, request, device, progress)

    progress.stage("encoding")
    first = encode(0)
    for note in first.encoder.notes:
        progress.say(note.message)
    if recipe is None:
        outputs = tasks.build(first.encoder.target.to_json()).outputs
        recipe = resolve(
            request, first.encoder.inputs, name=name, rows=len(first.train_rows), outputs=outputs, members=len(parted),
            target=target,
        )  # fmt: skip
        recipe = recipe.with_(train__workers=worker_count(recipe, first.encoded, len(first.train_rows), device) if brought is None else 1)
        refuse_without_room(request, recipe, first.encoder, outputs, device)
    line = _Line(run, recipe, len(parted), begun, len(parts.test), FINISH_STRUCTURED if target.kind in STRUCTURED else FINISH)
    workers = recipe.train.workers or 1
    if workers == 1:
        _train_all(line, Alone(run, device, line.decide, progress, None if brought is None else brought.member), encode, first)
    else:
        progress.stage(f"training {len(line.waiting)} networks, {workers} at a time", len(line.waiting))
        with Together(run, workers, max(1, (recipe.train.threads or 1) // workers), line.decide, progress) as team:
            _train_all(line, team, encode, first)
    fitted = sorted(line.fitted, key=lambda result: (result.fold, not result.partner))
    if not line.alone:
        lines = [record | {"member": number} for number, result in enumerate(fitted) for record in run.lines(result.history)]
        run.write_lines("history.jsonl", lines)
    return line.recipe, fitted


def _train_all(line: _Line, team: Alone | Together, encode: Callable[[int], Fold], first: Fold) -> None:
    """Keep the team busy until nothing is left that is worth its time."""
    read, running = {0: first}, dict[str, tuple[int, float]]()  # folds that are in use; networks under way, with their fold and their begin
    while True:
        while team.free and (job := line.next()) is not None:
            oldest = min([job.fold, *(fold for fold, _ in running.values())])
            read = {number: fold for number, fold in read.items() if number >= oldest}
            if job.fold not in read:
                read[job.fold] = encode(job.fold)
            running[job.folder] = (job.fold, time.monotonic())
            team.start(job, read[job.fold])
        if not running:
            return
        if (done := team.wait()) is not None:
            job, fitted = done
            line.note(fitted, time.monotonic() - running.pop(job.folder)[1])


class _Line:
    """The networks that wait to be trained, those that are, and the recipe as far as it is decided."""

    def __init__(self, run: RunFolder, recipe: Recipe, count: int, begun: float, test_rows: int, finish: float) -> None:
        self.recipe = recipe
        self.waiting = [(fold, partner) for fold in range(count) for partner in ((True, False) if recipe.partner else (False,))]
        self.alone = len(self.waiting) == 1
        self.fitted: list[Fitted] = []
        self._run, self._count, self._begun, self._test_rows = run, count, begun, test_rows
        self._clock = _Clock(begun, recipe.train.time_limit, count, recipe.partner is not None, recipe.train.workers or 1, finish)
        self._decided: set[bool] = set()

    def decide(self, job: Job, own: Recipe) -> None:
        """Take over what was measured for a job: the other folds' networks of its kind are trained with the same."""
        if job.partner:
            self.recipe = self.recipe.with_second(own)
        else:
            self.recipe = own if self.recipe.second is None else own.with_second(self.recipe.second)
        self._decided.add(job.partner)
        self._run.write_recipe(self.recipe)

    def next(self) -> Job | None:
        """The next network that is worth its time, None where there is none at the moment."""
        for fold, partner in list(self.waiting):
            if fold and partner not in self._decided:
                continue  # until the first of its kind has measured what this one takes over
            self.waiting.remove((fold, partner))
            own = self.recipe.second if partner else self.recipe
            assert own is not None
            job = Job(own, fold, self._count, partner, self._begun, None, self._test_rows, self.alone)
            begun = (self._run.path / "checkpoints" / job.folder / "last").exists()
            if begun or self._clock.allows(fold, partner=partner, useful=useful(self.fitted, partner=partner)):
                return replace(job, deadline=self._clock.deadline(fold, partner=partner))
        return None

    def note(self, fitted: Fitted, seconds: float) -> None:
        """A network is trained; it took this long."""
        self.fitted.append(fitted)
        self._clock.scoring += fitted.scoring
        self._clock.took[fitted.partner] = max(self._clock.took[fitted.partner], seconds)


@dataclass
class _Clock:
    """Who may train until when. Without a limit everything is trained; with one, what was begun before a resume goes on."""

    begun: float
    limit: float | None
    folds: int
    pair: bool = False
    workers: int = 1
    finish: float = FINISH

    def __post_init__(self) -> None:
        self.scoring = 0.0  # seconds that the networks trained so far will take for the test rows
        self.took = {True: 0.0, False: 0.0}  # the longest training of the partner and of the main network

    @property
    def _left(self) -> float:
        assert self.limit is not None
        return self.begun + self.limit - max(self.finish * self.limit, FINISH_LEAST) - self.scoring - time.monotonic()

    def allows(self, fold: int, *, partner: bool, useful: bool) -> bool:
        """Whether to begin a network on this fold: always on the first, later where it has a say and there is time for it."""
        if fold == 0 or self.limit is None:
            return True
        if not useful:
            return False
        others = 0.0 if partner else self.took[True] * (self.folds - fold - 1) / self.workers
        return self._left - others >= ENOUGH * self.took[partner]

    def deadline(self, fold: int, *, partner: bool) -> float | None:
        """When the network's training must end: what it leaves goes to those after it."""
        if self.limit is None:
            return None
        left = self._left
        if self.pair and fold == 0 and (partner or self.folds > 1):
            share = FIRST["partner"] if partner else FIRST["main"] * (1 - FIRST["partner"] if self.workers > 1 else 1)
            left *= min(1.0, self.workers * share)
        elif self.pair and not partner:
            left -= self.took[True] * (self.folds - fold - 1) / self.workers  # the partner's on the folds to come
        elif fold == 0:
            # One network that has learnt is worth more than eight that have not.
            left *= min(1.0, self.workers * max(1 / self.folds, FIRST["main"]))
        else:
            left = min(left, max(left * self.workers / (self.folds - fold), self.took[partner]))
        return time.monotonic() + max(left, 0.5)


def fold_rows(data: Dataset, target: TargetSpec, parts: Split, recipe: Recipe, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train rows, validation rows) of each fold: the split's own for one, the last of at least FOLDS of both together for several.

    Validation rows that the user chose stay what they are: every network is judged by them. Networks that answer in steps share tokens and rows.
    """
    if count == 1 or parts.valid_given or target.kind in STEPWISE:
        return [(parts.train, parts.valid)] * count
    rows = np.sort(np.concatenate([parts.train, parts.valid]))
    try:
        return folds(data, target, rows, max(count, FOLDS), recipe.data, recipe.seed)[-count:]
    except DataError:
        if recipe.train.members:
            return folds(data, target, rows, count, recipe.data, recipe.seed)
        return [(parts.train, parts.valid)]  # too few rows or groups for folds that nobody asked for
