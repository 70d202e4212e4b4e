"""What a user calls: `train`, `predict`, `evaluate`, `describe`, and the run that they leave."""

from goodfit.api.combining import combine
from goodfit.api.comparing import compare
from goodfit.api.pictures import generate_pictures
from goodfit.api.run import Run, load
from goodfit.api.scoring import describe, evaluate, models, predict, predict_file, report, runs
from goodfit.api.training import train
from goodfit.api.tuned import Tuned
from goodfit.api.writing import generate

__all__ = [
    "Run",
    "Tuned",
    "combine",
    "compare",
    "describe",
    "evaluate",
    "generate",
    "generate_pictures",
    "load",
    "models",
    "predict",
    "predict_file",
    "report",
    "runs",
    "train",
]
