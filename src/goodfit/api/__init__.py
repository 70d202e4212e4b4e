"""What a user calls: `train`, `predict`, `evaluate`, `describe`, and the run that they leave."""

from goodfit.api.run import Run, load
from goodfit.api.scoring import describe, evaluate, generate, models, predict, predict_file, report, runs
from goodfit.api.training import train

__all__ = ["Run", "describe", "evaluate", "generate", "load", "models", "predict", "predict_file", "report", "runs", "train"]
