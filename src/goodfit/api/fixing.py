"""A run's recipe with the proven remedies, written beside it, and what it comes to on the validation rows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from goodfit.api.computing import computing
from goodfit.api.examining import open_run
from goodfit.api.fitting import clear_cache
from goodfit.api.folder import RunFolder
from goodfit.api.members import train_members
from goodfit.api.remedies import applied
from goodfit.base.errors import GoodfitError, InputError
from goodfit.base.protocols import Progress, Silent
from goodfit.base.recipe import Recipe
from goodfit.doctor.examination import Examination

MOST = 1_000  # recipes beside each other
LEAST = 5.0  # seconds of a training


def fix_run(
    folder: str | Path,
    examination: Examination,
    out: Path,
    source: Any = None,
    *,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> dict[str, Any] | None:
    """Write the run's recipe with the settings of all confirmed faults beside it, under a name that is free, and train it anew below `out`.

    time_limit: seconds for the training; the recipe's own when None. The sealed test rows stay sealed: both are judged by the validation rows.
    Returns what is told: script (the recipe's path), edits, left_out, failure, and before and after with score, losses and lines. None where no fault comes
    with a change of the recipe. Raises InputError where the folder cannot be written to.
    """
    run, progress = RunFolder(Path(folder)), progress or Silent()
    recipe = run.recipe
    edits = [
        (finding.code, finding.edit["settings"])
        for finding in examination.findings
        if finding.severity != "remark" and finding.edit and "settings" in finding.edit
    ]
    if recipe is None or not edits:
        return None
    changed: Recipe = recipe
    made, left = [], []
    for code, settings in edits:
        tried = applied(changed, settings)
        if tried is None:
            left.append(f"the change of {code} cannot be made with the others: examine the mended run again")
        else:
            changed = tried
            made.append({"code": code, "settings": settings})
    path = _beside(run.path / "recipe.yaml", changed)
    about = run.about
    told: dict[str, Any] = {"script": str(path), "edits": made, "left_out": left, "failure": ""}
    told["before"] = _result(run, about.get("metric"), about.get("score"), about.get("error"))
    limit = changed.train.time_limit if time_limit is None else max(LEAST, min(time_limit, changed.train.time_limit or time_limit))
    new = RunFolder(out / "fixed")
    new.path.mkdir(parents=True, exist_ok=True)
    try:
        opened = open_run(run, source, progress)
        device = torch.device("cpu")
        wanted = changed if limit is None else changed.with_(train__time_limit=limit)
        with computing(device, changed.train.threads):
            _, fitted = train_members(new, wanted, opened.data, opened.target, opened.parts, time.monotonic(), device, progress)
        best = next(result for result in fitted if not result.partner)
        told["after"] = _result(new, best.task.score, best.best_score, None)
    except GoodfitError as error:
        told["after"], told["failure"] = None, error.message
    finally:
        clear_cache(new)
    return told


def _result(run: RunFolder, metric: Any, score: Any, error: Any) -> dict[str, Any]:
    lines = [line for line in run.lines("history.jsonl") if not line.get("member")]
    losses = [[float(line["step"]), line["train_loss"]] for line in lines if isinstance(line.get("train_loss"), float)]
    ended = str(error) if error else f"{metric} {score:.4g} on the validation rows" if isinstance(score, float) else "no score"
    return {"metric": metric, "score": score, "losses": losses, "epochs": len(lines), "ended": ended, "lines": []}


def _beside(path: Path, recipe: Recipe) -> Path:
    """Write the first free of `recipe.fixed.yaml`, `recipe.fixed-2.yaml`, ...; nothing is written over."""
    for number in range(1, MOST):
        fixed = path.with_name(f"{path.stem}.fixed{f'-{number}' if number > 1 else ''}{path.suffix}")
        try:
            with open(fixed, "x", encoding="utf-8") as handle:  # fails where the name is taken, by a link too
                handle.write(recipe.to_yaml())
            return fixed
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"{fixed} cannot be written ({error.strerror}); copy the run to a folder that can", file=fixed) from None
    raise InputError(f"{MOST - 1} mended recipes stand beside {path} already; remove some", file=path)
