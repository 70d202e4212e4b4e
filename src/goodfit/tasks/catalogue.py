"""From a target's specification to its task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodfit.base.errors import SettingError, did_you_mean
from goodfit.base.protocols import Task
from goodfit.tasks import (
    binary,
    caption,
    detection,
    forecast,
    generation,
    language,
    multiclass,
    multilabel,
    pointing,
    reconstruction,
    regression,
    sequence,
    several,
    tagging,
)
from goodfit.tasks.binary import Binary
from goodfit.tasks.caption import Caption
from goodfit.tasks.class_metrics import RANKED
from goodfit.tasks.detection import Detection
from goodfit.tasks.forecast import Forecast
from goodfit.tasks.generation import Generation
from goodfit.tasks.language import Language
from goodfit.tasks.margin import LOSSES, Margin
from goodfit.tasks.multiclass import Multiclass
from goodfit.tasks.multilabel import Multilabel
from goodfit.tasks.pointing import Pointing
from goodfit.tasks.reconstruction import Reconstruction
from goodfit.tasks.regression import Regression
from goodfit.tasks.sequence import Sequence
from goodfit.tasks.several import Several
from goodfit.tasks.tagging import Tagging

# Kind of target -> the metrics that early stopping can read (name -> whether more is better), the default first.
#
# classes: log loss. TabM and RealMLP stop by accuracy; measured here (adult, satellite, letter, 2,500 to 12,000 training rows,
#   200 to 2,000 validation rows, 16 settings of 24 to 36 stops each) log loss gave +0.15 % accuracy on the mean of all,
#   +0.4 % with 200 rows, where accuracy is coarse, and the better log loss and AUC in every one. It lost on satellite from 600 rows
#   on (0.2 to 0.5 %): `score="accuracy"` is there for that.
# tagging: accuracy of the tokens, of which there are many; probabilities of all tags of all tokens would fill the memory.
# detection: the mean over overlaps, which sees how well boxes fit too.
# pointing: the share of rows that are right throughout, since one wrong corner is no hull.
# sequence: the share of units that are wrong, since a row with one mistake in ten is nearly right.
# language: bits per character, which is the loss.
# caption: F1 of the words, since hardly any caption is right throughout.
# multilabel: log loss, since with many labels hardly any row is right in all, and F1 hangs on a threshold.
# forecast: the absolute error, which is what is learned and what forecasts are compared by.
# regression: the root of the mean squared error, which the loss is.
# reconstruction: the mean squared error, which is PCA's too. generation: the distance to real pictures, since neither loss says how good they are.
SCORES: dict[str, dict[str, bool]] = {
    "binary": binary.SCORES,
    "multiclass": multiclass.SCORES,
    "multilabel": multilabel.SCORES,
    "regression": regression.SCORES,
    "several": several.SCORES,
    "tagging": tagging.SCORES,
    "sequence": sequence.SCORES,
    "forecast": forecast.SCORES,
    "language": language.SCORES,
    "caption": caption.SCORES,
    "reconstruction": reconstruction.SCORES,
    "generation": generation.SCORES,
    "pointing": pointing.SCORES,
    "detection": detection.SCORES,
}


def build(spec: Mapping[str, Any]) -> Task:
    """The task of `TargetSpec.to_json()`, to which "label_smoothing", "score" and "loss" (of margin.LOSSES) may be added.

    Weights of classes are sample weights and no business of a task. Raises SettingError for a score that the kind of target
    has not, and for label smoothing without classes.
    """
    kind, smoothing, score = spec["kind"], float(spec.get("label_smoothing") or 0.0), spec.get("score")
    assert not spec.get("class_weights"), "weights of classes are sample weights"
    if kind not in SCORES:
        raise SettingError(f"a target is one of {', '.join(SCORES)}; {kind!r} was given", value=kind)
    parts = {part["names"][0]: part for part in spec.get("parts") or ()}
    if smoothing and (
        kind in ("regression", "forecast", "language", "reconstruction", "generation", "pointing", "detection")
        or (kind == "several" and all(part["kind"] == "regression" for part in parts.values()))
    ):
        what = f"{kind} of numbers" if kind in ("regression", "forecast", "several") else kind
        raise SettingError(f"train.label_smoothing has no effect on {what}; leave it out", value=smoothing)
    known = SCORES[kind] | {f"{name}/{metric}": more for name, part in parts.items() for metric, more in SCORES[part["kind"]].items()}
    if kind == "multiclass" and len(spec["classes"]) > RANKED:
        known = {name: more for name, more in known.items() if name != "roc_auc_ovr"}
    score = next(iter(known)) if score is None else score
    if score not in known:
        raise SettingError(
            f"the score of {kind} is one of {', '.join(known)}; {score!r} was given{did_you_mean(score, known)}", value=score
        )
    if (loss := spec.get("loss")) is not None:
        if kind not in LOSSES[loss][1]:
            raise SettingError(f"train.loss={loss} is for {' and '.join(LOSSES[loss][1])}; the target is {kind}: leave it out", value=loss)
        if smoothing:
            raise SettingError(f"train.label_smoothing has no effect with train.loss={loss}; leave it out", value=smoothing)
        return Margin(build({**spec, "loss": None}), loss)
    if kind == "binary":
        return Binary(label_smoothing=smoothing, score=score)
    if kind == "multiclass":
        return Multiclass(len(spec["classes"]), label_smoothing=smoothing, score=score)
    if kind == "multilabel":
        return Multilabel(len(spec["classes"] or spec["names"]), label_smoothing=smoothing, score=score)
    if kind == "sequence":
        width = int(spec.get("width") or 4)
        return Sequence(len(spec["classes"]), int(spec["longest"]), label_smoothing=smoothing, score=score, width=width)
    if kind == "forecast":
        course = spec["course"]
        return Forecast(int(course["horizon"]), float(spec["mean"]), float(spec["std"]), float(course["naive"]), score=score)
    if kind == "caption":
        return Caption(len(spec["classes"]), int(spec["longest"]), label_smoothing=smoothing, score=score)
    if kind == "language":
        return Language(len(spec["classes"] or ()), int(spec["longest"]), score=score)
    if kind == "reconstruction":
        return Reconstruction(float(spec["std"]))
    if kind == "generation":
        return Generation()
    if kind == "detection":
        return Detection(len(spec["classes"]), score=score)
    if kind == "pointing":
        return Pointing(int(spec["longest"]), score=score, width=int(spec.get("width") or 4))
    if kind == "tagging":
        return Tagging(len(spec["classes"]), label_smoothing=smoothing, score=score)
    if kind == "regression":
        return Regression(float(spec["mean"]), float(spec["std"]), score=score)
    built = {name: build({**part, "label_smoothing": 0.0 if part["kind"] == "regression" else smoothing}) for name, part in parts.items()}
    return Several(built, score=score, maximise=known[score])
