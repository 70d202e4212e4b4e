"""`compare`: what several runs have in common, and whether the better ones are better or luckier.

A **side** is one run, or several of the same settings with other seeds. What is scored of a run is a **part**: its sealed test rows, the rows of a file, or
the validation rows of each of its folds. Parts of the same rows are compared with each other:

- one part, or parts without a row in common: paired tests over the rows;
- several parts (folds; seeds, whose splits differ): the corrected resampled t test over the parts;
- one part, several seeds on each side: the paired t test over the seeds too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.api.folder import RunFolder
from goodfit.api.kept import kept, row_groups
from goodfit.api.run import Run, load
from goodfit.api.scoring import labelled_rows, refuse_without_target, row_weights, sealed, untold
from goodfit.base.errors import InputError
from goodfit.base.files import read_json
from goodfit.base.protocols import Progress, Silent
from goodfit.bundle.bundle import Bundle
from goodfit.data.dataset import Dataset
from goodfit.data.target import TargetSpec
from goodfit.evaluation.comparison import COMPARED, Difference, adjusted, auc_difference, over_resamples, over_rows, row_losses, sign_test
from goodfit.evaluation.ledger import open_test
from goodfit.tasks.class_metrics import roc_auc

ON = ("test", "valid")
Given = str | Path | Run


@dataclass(frozen=True)
class _Part:
    """Rows [n] of one split that a run was scored on. learned: rows that it had learned from. score, positive: of two classes."""

    rows: np.ndarray
    losses: dict[str, np.ndarray]
    learned: int
    weight: np.ndarray | None
    group: np.ndarray | None
    score: np.ndarray | None = None
    positive: np.ndarray | None = None

    @property
    def key(self) -> str:
        return hashlib.sha256(np.ascontiguousarray(self.rows, dtype=np.int64).tobytes()).hexdigest()


@dataclass
class Judged:
    """A run and what was scored of it."""

    run: Run
    target: TargetSpec
    parts: dict[str, _Part] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        return self.run.recipe.seed

    @property
    def asked(self) -> dict[str, Any]:
        """The settings that the call named, flat, without the seed."""
        about = self.run.about
        asked = {name: value for name, value in _flat(about.get("request") or {}) if name != "seed"}
        return asked | ({"combined": [entry["run"] for entry in about["combined"]]} if "combined" in about else {})


def compare(
    *runs: Given | Iterable[Given],
    source: Any = None,
    on: str = "test",
    device: str | None = None,
    progress: Progress | None = None,
    network: Any = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Paired tests between runs of the same data: {"on", "rows", "metric", "sides", "pairs", "notes"}, as JSON types.

    runs: folders or Runs; those of the same settings with other seeds are one side, or what is given as a list is. on: "test", the sealed test rows,
    whose opening is entered in the ledger of each run; "valid", the validation rows, as networks saw them that did not learn from them. source:
    labelled rows to score instead. network: see `load`. seed: of the bootstrap.

    sides: {"runs", "settings" that differ, "metrics" {name: mean}}. pairs: {"a", "b" (numbers of sides), "verdict", "tests"}; a test is {"over": "rows",
    "folds" or "seeds", "metric", "value" (a minus b), "low", "high", "p", "adjusted" (Holm, over the pairs), "units", "test", "real"}. verdict, by the
    first metric: "better" or "worse" (all tests say that a is), "chance" (none does), "unclear" (some do).

    Raises InputError for runs of different data, targets or splits.
    """
    progress = progress or Silent()
    if on not in ON:
        raise InputError(f"on must be 'test' or 'valid'; {on!r} was given", value=on)
    if source is not None and on != "test":
        raise InputError("labelled rows and on='valid' cannot be had together; leave one out")
    sides = _sides(runs, network)
    judged = [own for side in sides for own in side]
    same_target(judged)
    if source is None:
        same_data(judged)
    notes: list[str] = []
    if on == "valid":
        for own in judged:
            own.parts = _validation(own)
        notes.append("the validation rows also decided when training stopped, which flatters all sides a little")
    else:
        _predict(judged, source, device, progress, notes)
    progress.stage("comparing")
    keys = _common(sides, on)
    left_out = len({key for own in judged for key in own.parts}) - len(keys)
    if left_out:
        notes.append(
            f"{left_out} {('fold' if on == 'valid' else 'split') + 's' * (left_out > 1)} that not all sides have {'is' if left_out == 1 else 'are'} left out"
        )
    pairs = [(a, b, _tests(sides[a], sides[b], keys, on, seed)) for a, b in combinations(range(len(sides)), 2)]
    tests = _holm([tests for _, _, tests in pairs])
    shared = {key: part for own in sides[0] for key, part in own.parts.items() if key in keys}
    metric = next(iter(shared[keys[0]].losses))
    return {
        "on": "rows given" if source is not None else on,
        "rows": sum(len(part.rows) for part in shared.values()),
        "parts": len(keys),
        "metric": metric,
        "sides": _described(sides, keys),
        "pairs": [{"a": a, "b": b, "verdict": _verdict(own, metric), "tests": own} for (a, b, _), own in zip(pairs, tests, strict=True)],
        "notes": notes,
    }


def _sides(runs: Sequence[Given | Iterable[Given]], network: Any) -> list[list[Judged]]:
    """The sides, in the order in which they were named. Raises InputError where there are not two."""
    if len(runs) == 1 and not isinstance(runs[0], str | Path | Run):
        runs = tuple(runs[0])
    lists = [[run] if isinstance(run, str | Path | Run) else list(run) for run in runs]
    opened = [[judged_run(run, network) for run in side] for side in lists]
    folders = [own.run.folder.resolve() for side in opened for own in side]
    twice = next((folder for number, folder in enumerate(folders) if folder in folders[:number]), None)
    if twice is not None:
        raise InputError(f"each run must be named once; {twice} was given twice", file=twice)
    if len(folders) < 2 or not all(opened):
        raise InputError(f"comparing needs at least two runs; {len(folders)} {'was' if len(folders) == 1 else 'were'} given")
    if any(len(side) > 1 for side in lists):
        return opened
    grouped: dict[str, list[Judged]] = {}
    for (own,) in opened:
        grouped.setdefault(json.dumps(own.asked, sort_keys=True), []).append(own)
    return list(grouped.values()) if len(grouped) > 1 else opened  # of one recipe alone, each run stands for itself


def judged_run(given: Given, network: Any) -> Judged:
    """The run with its target. Raises InputError where it has no model yet."""
    run = given if isinstance(given, Run) else load(given, network)
    path = run.folder / "model" / "bundle.json"
    if not path.is_file():
        raise InputError(f"{run.folder} has no model yet; finish it with: goodfit train --resume {run.folder}", file=run.folder)
    return Judged(run, TargetSpec.from_json(read_json(path)["target"]))


def _flat(document: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in document.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return found


def same_target(judged: list[Judged]) -> None:
    """Raises InputError where runs learned other targets, or one that has no rows to compare."""
    first = judged[0]
    for part in first.target.parts or (first.target,):
        if part.kind not in COMPARED:
            raise InputError(f"runs are compared where they learned classes, labels or numbers; {first.run.folder} learned {part.kind}")
    for own in judged[1:]:
        if _asked(own.target) != _asked(first.target):
            raise InputError(
                f"runs are compared on the same target; {first.run.folder} learned {_named(first.target)} and {own.run.folder} {_named(own.target)}, so leave one out",
                file=own.run.folder,
            )


def _asked(target: TargetSpec) -> Any:
    return target.kind, target.names, target.classes, tuple(_asked(part) for part in target.parts)


def _named(target: TargetSpec) -> str:
    classes = "" if target.classes is None else f", {len(target.classes)} classes"
    return f"{', '.join(map(repr, target.names))} ({target.kind}{classes})"


def same_data(judged: list[Judged]) -> None:
    """Raises InputError where runs were trained on other data."""
    prints = [str(own.run.about.get("fingerprint")) for own in judged]
    for own, mark in zip(judged[1:], prints[1:], strict=True):
        if mark != prints[0]:
            raise InputError(
                f"runs are compared on the same data; {judged[0].run.folder} was trained on data of SHA-256 {prints[0][:8]} and {own.run.folder} on {mark[:8]},"
                " so give labelled rows that neither learned from (--data FILE)",
                file=own.run.folder,
            )


def _validation(own: Judged) -> dict[str, _Part]:
    """The validation rows of each fold, as the run kept them."""
    found = kept(own.run.folder)
    parts = {}
    for fold, learned in enumerate(found.learned):
        at = np.flatnonzero(found.fold == fold)
        at = at[np.argsort(found.rows[at])]
        if len(at):
            said = {name: values[at] for name, values in found.prediction.items()}
            weight, group = (None if column is None else column[at] for column in (found.weight, found.group))
            part = _part(own.target, found.rows[at], said, found.truth[at], int(learned), weight, group)
            parts[part.key] = part
    return parts


def _part(
    target: TargetSpec,
    rows: np.ndarray,
    said: dict[str, np.ndarray],
    truth: np.ndarray,
    learned: int,
    weight: np.ndarray | None,
    group: np.ndarray | None,
) -> _Part:
    losses = row_losses(target, said, truth)
    if target.kind == "binary" and len(np.unique(np.rint(truth))) == 2:
        return _Part(rows, losses, learned, weight, group, said["probability"][:, 1].astype(np.float64), np.rint(truth) == 1)
    return _Part(rows, losses, learned, weight, group)


def _predict(judged: list[Judged], source: Any, device: str | None, progress: Progress, notes: list[str]) -> None:
    """Score every run on its sealed test rows, whose opening is recorded first, or on the rows of `source`."""
    progress.stage("reading")
    bundles = [own.run.bundle for own in judged]
    if source is None:
        read = [sealed(RunFolder(own.run.folder)) for own in judged]
        _same_rows(judged, [rows for _, rows in read])
        counts = [
            open_test(own.run.folder, "goodfit compare", len(rows), data.fingerprint)
            for own, (data, rows) in zip(judged, read, strict=True)
        ]
        notes.append(
            f"the sealed test sets have now been opened up to {max(counts)} times; choosing by their scores makes the scores too good"
        )
    else:
        read = _given(judged, bundles, source, progress)
    progress.stage("predicting", len(judged))
    for own, bundle, (data, rows) in zip(judged, bundles, read, strict=True):
        said = bundle.decoded(data, device=device or "cpu", rows=rows)
        truth = bundle.target.encode(data.take(rows, bundle.target.names))
        part = _part(own.target, rows, said, truth, _learned(own), row_weights(data, rows), row_groups(data, rows))
        own.parts = {part.key: part}
        progress.advance()


def _same_rows(judged: list[Judged], rows: list[np.ndarray]) -> None:
    """Raises InputError where runs of the same seed have other test rows: their splits were asked for differently."""
    for index, own in enumerate(judged):
        for before in range(index):
            if own.seed == judged[before].seed and not np.array_equal(rows[index], rows[before]):
                raise InputError(
                    f"runs are compared on the same split; {judged[before].run.folder} and {own.run.folder} have other test rows,"
                    " so train one of them with the settings data.* of the other, or give labelled rows (--data FILE)",
                    file=own.run.folder,
                )


def _given(judged: list[Judged], bundles: list[Bundle], source: Any, progress: Progress) -> list[tuple[Dataset, np.ndarray]]:
    """The rows of `source` as each run reads them; those that all can be judged by. Raises InputError for rows that a run learned from."""
    read = [bundle.read(source, truth=True) for bundle in bundles]
    usable = []
    for own, bundle, data in zip(judged, bundles, read, strict=True):
        if data.fingerprint == own.run.about.get("fingerprint"):
            raise InputError(
                f"{own.run.folder} learned from these rows; leave --data out, and the sealed test rows are compared", file=own.run.folder
            )
        refuse_without_target(bundle, data, source)
        rows = labelled_rows(data, np.arange(data.rows), bundle.target.names, progress)
        usable.append(untold(bundle, data, rows, progress))
    rows = reduce(np.intersect1d, usable)
    return [(data, rows) for data in read]


def _learned(own: Judged) -> int:
    """About how many rows a run learned from: of several networks, all that are no test rows."""
    parts = read_json(own.run.folder / "data.json")["split"]
    return max(1, int(parts["train"]) + (int(parts["valid"]) if own.run.about.get("members", 1) > 1 else 0))


def _common(sides: list[list[Judged]], on: str) -> list[str]:
    """The parts that every side has, in a fixed order. Raises InputError where there is none."""
    keys = [{key for own in side for key in own.parts} for side in sides]
    common = set.intersection(*keys)
    if not common:
        first, other = sides[0][0], next((side[0] for side, own in zip(sides, keys, strict=True) if not own & keys[0]), sides[-1][0])
        what = "validation" if on == "valid" else "test"
        seeds = f"; their seeds are {first.seed} and {other.seed}" if first.seed != other.seed else ""
        remedy = "compare on the test rows" if on == "valid" and not seeds else "give each side runs of the same seeds"
        raise InputError(
            f"runs are compared on the same split; {first.run.folder} and {other.run.folder} have no {what} rows in common{seeds}, so {remedy}",
            file=other.run.folder,
        )
    return [key for key in dict.fromkeys(key for own in sides[0] for key in own.parts) if key in common]


def _tests(a: list[Judged], b: list[Judged], keys: list[str], on: str, seed: int) -> list[tuple[str, str, Difference]]:
    """(over, metric, difference) for one pair of sides."""
    own, other = ([[run.parts[key] for run in side if key in run.parts] for key in keys] for side in (a, b))
    found: list[tuple[str, str, Difference]] = []
    if len(np.unique(np.concatenate([parts[0].rows for parts in own]))) == sum(len(parts[0].rows) for parts in own):
        found += [("rows", metric, difference) for metric, difference in _row_tests(own, other, seed).items()]
    seeds = sorted({run.seed for run in a} & {run.seed for run in b})
    ranked = all(part.score is not None for parts in (*own, *other) for part in parts)
    for metric in (*own[0][0].losses, *(["roc_auc"] if ranked else [])):
        if len(keys) > 1:
            share = float(np.mean([len(parts[0].rows) / parts[0].learned for parts in own]))
            first, second = (np.array([np.mean([_mean(part, metric) for part in parts]) for parts in side]) for side in (own, other))
            over = "folds" if on == "valid" and len({run.seed for run in (*a, *b)}) == 1 else "seeds"
            found.append((over, metric, over_resamples(first, second, share)))
        elif len(seeds) > 1:  # the rows are the same for all seeds, so their scores are independent but for the rows
            first, second = (
                np.array([np.mean([_mean(run.parts[keys[0]], metric) for run in side if run.seed == number]) for number in seeds])
                for side in (a, b)
            )
            found.append(("seeds", metric, over_resamples(first, second, 0.0)))
    return found


def _row_tests(own: list[list[_Part]], other: list[list[_Part]], seed: int) -> dict[str, Difference]:
    """Over the rows of all parts, each row with its mean loss over the runs that have it."""

    def joined(column: str) -> np.ndarray | None:
        columns = [getattr(parts[0], column) for parts in own]
        return None if any(part is None for part in columns) else np.concatenate(columns)

    def loss(side: list[list[_Part]], metric: str) -> np.ndarray:
        return np.concatenate([np.mean([part.losses[metric] for part in parts], axis=0) for parts in side])

    weight, group = joined("weight"), joined("group")
    single = all(len(parts) == 1 for parts in (*own, *other))
    found = {}
    for metric in own[0][0].losses:
        a, b = loss(own, metric), loss(other, metric)
        exact = single and weight is None and group is None and metric.rpartition("/")[2] == "accuracy"
        found[metric] = sign_test(a > 0.5, b > 0.5, seed=seed) if exact else over_rows(a, b, weight, group, seed=seed)
    first, second = own[0][0], other[0][0]
    # DeLong's variance is that of rows that count alike and are independent, ranked by one network.
    if len(own) > 1 or not single or weight is not None or group is not None:
        return found
    if first.score is None or second.score is None or first.positive is None:
        return found
    if min(first.positive.sum(), (~first.positive).sum()) >= 2:
        found["roc_auc"] = auc_difference(first.score, second.score, first.positive)
    return found


def _mean(part: _Part, metric: str) -> float:
    if metric == "roc_auc":
        assert part.score is not None
        assert part.positive is not None
        return roc_auc(part.score, part.positive, part.weight)
    return float(np.average(part.losses[metric], weights=part.weight))


def _holm(pairs: list[list[tuple[str, str, Difference]]]) -> list[list[dict[str, Any]]]:
    """The tests of each pair as JSON, adjusted over the pairs: each metric and kind of test is a family of its own."""
    found: list[list[dict[str, Any]]] = [[] for _ in pairs]
    for over, metric in [(over, metric) for over, metric, _ in pairs[0]]:
        own = [(index, test) for index, tests in enumerate(pairs) for o, m, test in tests if (o, m) == (over, metric)]
        for (index, _), test in zip(own, adjusted([test for _, test in own]), strict=True):
            found[index].append({"over": over, "metric": metric} | test.to_json())
    return found


def _verdict(tests: list[dict[str, Any]], metric: str) -> str:
    """What the tests of the first metric say of a. It is a loss, so below 0 is better."""
    own = [test for test in tests if test["metric"] == metric]
    signs = {bool(test["value"] < 0) for test in own if test["real"]}
    if not signs:
        return "chance"
    if len(signs) > 1 or not all(test["real"] for test in own):
        return "unclear"
    return "better" if signs.pop() else "worse"


def _described(sides: list[list[Judged]], keys: list[str]) -> list[dict[str, Any]]:
    """Each side with its runs, the settings in which it differs from others, and its means."""
    asked = [side[0].asked for side in sides]
    differing = sorted({name for own in asked for name in own if any(other.get(name) != own[name] for other in asked)})
    found = []
    for side, own in zip(sides, asked, strict=True):
        parts = [part for run in side for key, part in run.parts.items() if key in keys]
        ranked = all(part.score is not None for part in parts)
        names = (*parts[0].losses, *(["roc_auc"] if ranked else []))
        metrics = {metric: float(np.mean([_mean(part, metric) for part in parts])) for metric in names}
        found.append(
            {
                "runs": [str(run.run.folder) for run in side],
                "seeds": [run.seed for run in side],
                "settings": {name: own.get(name) for name in differing},
                "metrics": metrics,
            }
        )
    return found
