"""A finished run: its folder, and what can be done with it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from goodfit.api.brought import given
from goodfit.api.folder import RunFolder
from goodfit.base.errors import BundleError
from goodfit.base.files import read_json
from goodfit.base.recipe import Recipe
from goodfit.bundle.bundle import Bundle
from goodfit.evaluation.cross_validation import cross_validated


class Run:
    """What `train` returns and `load` opens."""

    def __init__(self, folder: str | Path, network: Any = None) -> None:
        self.folder, self._network = Path(folder), network
        if not (self.folder / "run.json").is_file():
            raise BundleError(f"{self.folder} is not a run; give the folder that goodfit train wrote", file=self.folder)

    @property
    def about(self) -> dict[str, Any]:
        """run.json: status, task, model, score, seconds."""
        return RunFolder(self.folder).about

    @cached_property
    def bundle(self) -> Bundle:
        """The networks with encoders and decoding."""
        if not (self.folder / "model").is_dir():
            raise BundleError(f"{self.folder} has no model yet; finish it with: goodfit train --resume {self.folder}", file=self.folder)
        return Bundle.load(self.folder / "model", self._network)

    @property
    def recipe(self) -> Recipe:
        """The fully resolved recipe."""
        return Recipe.build(self.folder / "recipe.yaml")

    @property
    def analysis(self) -> dict[str, Any]:
        """Everything that the report shows of data and scores."""
        return dict(read_json(self.folder / "analysis.json"))

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """{metric: {value, low, high}} on the sealed test rows; several targets: `<target>/<metric>`."""
        targets = self.analysis["targets"]
        if len(targets) == 1:
            return dict(targets[0]["scores"]["metrics"])
        return {f"{target['name']}/{name}": score for target in targets for name, score in target["scores"]["metrics"].items()}

    @property
    def cross_validated(self) -> dict[str, dict[str, float]]:
        """{metric: {value, low, high, std}} over the folds, each judged by networks that did not learn from it; see `evaluation.cross_validation`.

        Raises InputError where there was one fold. The rows also decided when training stopped, which flatters the scores a little.
        """
        from goodfit.api.kept import kept

        found = kept(self.folder)
        return cross_validated(self.bundle.target, found.folds)

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What the examination of the data and the run found."""
        return list(read_json(self.folder / "findings.json"))

    @property
    def history(self) -> list[dict[str, Any]]:
        """One record per evaluation."""
        return RunFolder(self.folder).lines("history.jsonl")

    def predict(self, source: Any = None, *, device: str = "cpu") -> Any:
        """Predictions as a polars frame, one row per row of `source`: `prediction`, `probability_<class>` or `low`/`high`.

        Of a forecast, one row per step after the end of `source`, or of the training file when None.
        """
        from goodfit.api.scoring import predict

        return predict(self, source, device=device)

    def evaluate(self, source: Any = None, *, device: str = "cpu") -> dict[str, Any]:
        """{"metrics": {name: {value, low, high}}, "rows": n} on labelled rows; None opens the sealed test set again."""
        from goodfit.api.scoring import evaluate

        return evaluate(self.folder, source, device=device)

    def examine(self, source: Any = None, *, time_limit: float | None = None, seed: int = 0) -> Any:
        """Why it does not train, with proof: the `doctor.Examination` of its training. source: the frame, where it was trained on one.

        time_limit: seconds, about a minute when None. The sealed test rows are not read.
        """
        from goodfit.api.examining import examine_run

        return examine_run(self.folder, source, time_limit=time_limit, seed=seed)

    def report(self) -> Path:
        """Write `report.html` from the records and return its path."""
        from goodfit import report

        return report.build(self.folder)

    def to_json(self) -> dict[str, Any]:
        """What `goodfit train --json` prints."""
        about = self.about
        return {
            "run": str(self.folder),
            "task": about.get("task"),
            "model": about.get("model"),
            "metrics": self.metrics,
            "seconds": about.get("seconds"),
            "findings": self.findings,
            "report": str(self.folder / "report.html"),
        }

    def __repr__(self) -> str:
        about = self.about
        return f"Run({str(self.folder)!r}, {about.get('model')}, {about.get('metric')} {about.get('score')})"


def load(folder: str | Path, network: Any = None) -> Run:
    """Open a run folder.

    network: where it was trained with a network of your own, that module again, what makes it, or its name "package.module:function". The folder has its
    weights and not its code, and nothing is run because a folder names it.
    """
    own = given(network)
    return Run(folder, None if own is None else own.what)
