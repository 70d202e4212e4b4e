"""What would lower an error most: more data, more capacity, or more regularisation; in words, with the numbers that say so.

All errors in one call are of the same loss.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from goodfit.base.errors import InputError
from goodfit.evaluation.learning_curve import Curve

# Shares of what can be lowered. Above a half, most of the error is not there on the rows that were learned from; below 0.15, nearly all of it is.
OVERFIT, UNDERFIT = 0.5, 0.15
SPREAD = 0.25  # of the error: what averaging many networks would take off is then worth their time
WORTH = 0.02  # of the error: twice the data for less is no advice


@dataclass(frozen=True)
class Verdict:
    """limit: "variance", "bias", "both", "noise" or "unclear". helps: what would, the most promising first. sentence: both in words."""

    limit: str
    helps: tuple[str, ...]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def verdict(
    error: float,
    learned: float,
    variance: float | None = None,
    noise: float | None = None,
    curve: Curve | None = None,
    *,
    doubt: float = 0.0,
) -> Verdict:
    """What limits a network whose error is `error` on new rows and `learned` on rows that it learned from.

    variance: of the error on new rows, between networks (see `bias_variance`). noise: of both errors, what no network can undo. curve: the learning curve,
    which says whether more data would help. doubt: the standard error of `error - learned`; where two of them up and down make the difference between bias and
    variance, nothing is advised. Raises InputError for errors that are not finite or negative.
    """
    given = {"error": error, "learned": learned, "variance": variance, "noise": noise, "doubt": doubt}
    for name, value in given.items():
        if value is not None and not 0 <= value < float("inf"):
            raise InputError(f"{name} must be finite and at least 0; {value} was given", value=value)
    left = error - (noise or 0.0)
    if left <= WORTH * error:
        return Verdict("noise", (), f"the error of {error:.3g} is what no network can undo")
    gap, spread = max(0.0, error - learned) / left, (variance or 0.0) / left
    said = f"the error is {error:.3g} on new rows and {learned:.3g} on those learned from"
    if variance is not None:
        said += f"; {spread:.0%} of what could be lowered is variance between networks"
    between = [(error - learned + sign * 2 * doubt) / left for sign in (-1, 1)]
    if between[0] <= UNDERFIT and between[1] >= OVERFIT and spread < OVERFIT:
        return Verdict("unclear", (), f"{said}: these rows are too few to tell what limits it")
    if gap >= OVERFIT or spread >= OVERFIT:
        more, data = _data(curve, error, "more data")
        helps = (*data, "regularisation", *(("averaging",) if spread >= SPREAD else ()))
        averaged = ", or averaging more networks," if spread >= SPREAD else ""
        return Verdict("variance", helps, f"{said}: {more} more regularisation{averaged} would help, more capacity would not")
    if gap <= UNDERFIT and spread < SPREAD:
        unless = "" if noise is not None else "unless what is left is noise, "
        what = f"{unless}more capacity, longer training or columns that say more would help; more data or regularisation would not"
        return Verdict("bias", ("capacity", "columns"), f"{said}: {what}")
    more, data = _data(curve, error, "more data")
    return Verdict(
        "both", (*data, "capacity"), f"{said}: both limit it, so {more} more capacity together with more regularisation is worth trying"
    )


def _data(curve: Curve | None, error: float, words: str) -> tuple[str, tuple[str, ...]]:
    """The beginning of the advice, and ("data",) unless the curve says that more would not help."""
    if curve is None:
        return f"{words} or", ("data",)
    gain = curve.gain()
    low = gain["low"] if gain["low"] is not None else gain["value"]
    assert gain["value"] is not None
    assert low is not None
    if low > 0 and gain["value"] >= WORTH * error:
        return f"{curve.sentence()};", ("data",)
    return "more data would gain next to nothing, but", ()
