"""One network of a run whose weights are solved for: the encoded rows as one matrix, a solver, the best penalty by the validation rows.

n training rows, F features, O outputs. Nothing is left to chance or to the clock but a time limit, so that a resumed run solves again and ends in the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from goodfit.api.fitting import Fitted, Fold, Job, judge, ordered
from goodfit.api.folder import RunFolder
from goodfit.base.errors import SettingError
from goodfit.base.machine import machine_memory
from goodfit.base.protocols import Progress
from goodfit.base.recipe import Recipe
from goodfit.base.records import EpochRecord
from goodfit.bundle.bundle import Member
from goodfit.data.encoded import Encoded
from goodfit.data.target import TargetSpec
from goodfit.models import catalogue
from goodfit.models.entries.linear import PENALTIES
from goodfit.models.linear import Linear
from goodfit.optim.convex.lasso import lasso
from goodfit.optim.convex.logistic import logistic
from goodfit.optim.convex.ridge import ridge
from goodfit.optim.convex.solution import Solution, Stop, until
from goodfit.optim.convex.sparse_logistic import sparse_logistic
from goodfit.optim.convex.svm import svm, svr
from goodfit.tasks.inference import predict_rows

ROWS = 65_536  # turned into features at once
_SHARE = 0.15  # of the machine's memory that the matrix may take: the solvers hold a few like it
_ALIKE = 1e-6  # relative: scores this near are the same, and the larger penalty is taken


def solve_member(
    run: RunFolder, job: Job, fold: Fold, *, device: torch.device, keep: Callable[[Recipe], None], progress: Progress
) -> Fitted:
    """Solve the network of the job on its fold. `keep` is given the recipe with the penalty, where it was found here."""
    recipe, encoder = job.recipe, fold.encoder
    name, settings = recipe.model.name or "", catalogue.taken(recipe.model)
    task = judge(encoder)
    member = Member.build(encoder, {"name": name, "settings": settings, "inputs": encoder.inputs}, task.outputs)
    network = member.network
    assert isinstance(network, Linear)
    x = features(network, fold.encoded, fold.train_rows)
    rows = torch.from_numpy(fold.train_rows)
    assert fold.encoded.target is not None
    y = fold.encoded.target[rows]
    weight = None if fold.encoded.weight is None else fold.encoded.weight[rows].double()
    valid = ordered(fold.encoded, fold.valid_rows, recipe, encoder, torch.device("cpu"))
    target = fold.encoded.target[torch.from_numpy(fold.valid_rows)].numpy()
    own = None if fold.weight is None else fold.weight[fold.valid_rows]
    penalties = (recipe.model.penalty,) if recipe.model.penalty is not None else PENALTIES[name]
    progress.stage(f"solving {name}", len(penalties))
    (run.path / job.history).parent.mkdir(parents=True, exist_ok=True)
    before = run.lines(job.history)
    found_before = recipe.model.penalty is not None and len(before) > 1  # by a run that was interrupted later: its record stays
    if not found_before:
        run.keep_lines(job.history, 0)
    best: tuple[float, float, dict[str, Tensor], dict[str, np.ndarray], int] | None = None  # score, penalty, weights, prediction, number
    for number, penalty in enumerate(penalties):
        begun = time.monotonic()
        found = solve(name, x, y, encoder.target, settings | {"penalty": penalty}, weight, until(job.deadline))
        with torch.no_grad():
            install(network, found)
            loss = float(task.loss((x @ found.weight.T + found.bias).float(), y).mean())
        prediction = predict_rows(network, valid, task)
        metrics = task.metrics(prediction, target, own)
        score = metrics[task.score]
        gain = best is None or (score - best[0]) * (1 if task.maximise else -1) > _ALIKE * abs(best[0])
        if gain:
            best = score, penalty, {key: tensor.clone() for key, tensor in network.state_dict().items()}, prediction, number
        seconds = time.monotonic() - begun
        record = EpochRecord(number, found.steps, loss, metrics, score, gain, 0.0, seconds, len(x) * found.steps / max(seconds, 1e-9))
        if not found_before:
            run.append(job.history, record.to_json() | {"member": 0})
        progress.advance(penalty=penalty, **{task.score: score})
        if not found.done:
            progress.say(f"{name} with a penalty of {penalty:g} was left {found.gap:.1e} from its optimum after {found.steps:,} steps")
        if job.deadline is not None and time.monotonic() > job.deadline:
            break
    assert best is not None
    score, penalty, weights, prediction, number = best
    number = max(line["epoch"] for line in before if line["improved"]) if found_before else number
    network.load_state_dict(weights)
    network.eval()
    member.model["settings"] = settings | {"penalty": penalty}
    keep(recipe.with_(model__penalty=penalty))
    return Fitted(
        member, job.fold, job.partner, job.history, fold.valid_rows, target, prediction, 0.0, task, score, number + 1, number + 1,
        learned=len(fold.train_rows),
    )  # fmt: skip


def features(network: Linear, encoded: Encoded, rows: np.ndarray) -> Tensor:
    """The rows as the network's linear layer sees them, float64 [n, F]. Raises SettingError where they do not fit into memory."""
    assert network.columns is not None
    width = network.columns.width
    if 8 * len(rows) * width > _SHARE * machine_memory():
        raise SettingError(
            f"{len(rows):,} rows of {width:,} features do not fit into memory at once, as solving needs them; train them with model.name=linear"
        )
    out = torch.empty(len(rows), width, dtype=torch.float64)
    for start in range(0, len(rows), ROWS):
        part = torch.from_numpy(rows[start : start + ROWS])
        inputs: dict[str, Any] = {name: values[part] for name, values in encoded.inputs.items() if isinstance(values, Tensor)}
        out[start : start + ROWS] = network.columns(inputs.get("numbers"), inputs.get("categories"))
    return out


def solve(
    name: str, x: Tensor, y: Tensor, target: TargetSpec, settings: dict[str, Any], weight: Tensor | None = None, stop: Stop | None = None
) -> Solution:
    """The optimum of the network `name` for the encoded rows x [n, F] and targets y [n].

    settings: penalty, and of svm the loss (classes) or the tube (numbers). What is minimised, each solver says.
    """
    penalty = float(settings["penalty"])
    if target.kind == "regression":
        y = y.double()
        if name == "svm":
            return svr(x, y, penalty=penalty, epsilon=float(settings["tube"]), weight=weight, stop=stop)
        return (
            ridge(x, y, penalty=penalty, weight=weight) if name == "ridge" else lasso(x, y, penalty=penalty, weight=weight, stop=stop)
        )  # fmt: skip
    classes, codes = len(target.classes or ()), y.long()
    if name == "svm":
        return svm(x, codes, classes, penalty=penalty, squared=settings.get("loss") == "squared_hinge", weight=weight, stop=stop)
    solver = logistic if name == "ridge" else sparse_logistic
    return solver(x, codes, classes, penalty=penalty, weight=weight, stop=stop)


def install(network: Linear, found: Solution) -> None:
    """Give the network the weights of a solution."""
    assert network.weight is not None
    with torch.no_grad():
        network.weight.weight.copy_(found.weight)
        network.bias.copy_(found.bias)
