"""A finished search: its folder, its trials, and the run of the best settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goodfit.api.run import Run
from goodfit.base.errors import BundleError
from goodfit.base.files import read_json
from goodfit.tuning import RECORD


class Tuned:
    """What `tune` returns."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / RECORD).is_file():
            raise BundleError(f"{self.folder} is not a finished search; give the folder that goodfit tune wrote", file=self.folder)
        self.record: dict[str, Any] = dict(read_json(self.folder / RECORD))

    @property
    def best(self) -> dict[str, Any]:
        """{"settings", "score"} of the best trial; the score is on the validation rows."""
        return {name: self.record["best"][name] for name in ("settings", "score")}

    @property
    def trials(self) -> list[dict[str, Any]]:
        """Every trial: number, settings, state (complete, halved, failed), score, reason, epochs, seconds."""
        return list(self.record["trials"])

    @property
    def border(self) -> list[str]:
        """The settings whose best value lay at an end of its range, which was widened then where its bound allowed."""
        return list(self.record["border"])

    @property
    def importance(self) -> dict[str, float]:
        """How much each setting matters for being among the best, most first; the shares sum to 1."""
        return dict(self.record["importance"])

    @property
    def run(self) -> Run:
        """The run that was trained with the best settings; its score on the sealed test rows is the honest one."""
        if "run" not in self.record:
            raise BundleError(
                f"the best settings of {self.folder} were not trained yet; go on with: goodfit tune --resume {self.folder}",
                file=self.folder,
            )
        return Run(self.folder / self.record["run"])

    def predict(self, source: Any = None, *, device: str = "cpu") -> Any:
        """Predictions of the best run, see `Run.predict`."""
        return self.run.predict(source, device=device)

    def report(self) -> Path:
        """Write `report.html` from the record and return its path."""
        from goodfit.report.tune_page import build

        return build(self.folder)

    def to_json(self) -> dict[str, Any]:
        """What `goodfit tune --json` prints."""
        run = self.run
        return {
            "study": str(self.folder),
            "run": str(run.folder),
            "best": self.best,
            "metric": self.record["metric"],
            "trials": len(self.trials),
            "failed": sum(trial["state"] == "failed" for trial in self.trials),
            "seconds": self.record["seconds"],
            "border": self.border,
            "widened": self.record["widened"],
            "space": self.record["space"],
            "importance": self.importance,
            "metrics": run.metrics,
            "report": str(self.folder / "report.html"),
        }

    def __repr__(self) -> str:
        return f"Tuned({str(self.folder)!r}, {len(self.trials)} trials, {self.record['metric']} {self.best['score']})"
