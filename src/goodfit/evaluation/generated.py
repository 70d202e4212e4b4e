"""How good generated pictures are, by a judge's features and probabilities: scores with intervals, a baseline, what a reader wants to see.

n generated pictures, m real ones, F features, C classes, R resamples.

| metric | |
|---|---|
| frechet_distance | of the features of generated and real pictures (see tasks.frechet); 0 for alike, less is better |
| diversity | spread of the generated features over that of the real ones; 1 for as varied |
| confidence | the judge's mean largest probability of a generated picture, where it is a classifier |
| believed | the share of generated pictures with a probability above 0.9 |
| classes_present | the share of classes of which a believed picture occurs a tenth as often as among all classes evenly |
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from goodfit.base.streams import derive, numpy_stream
from goodfit.data.picture_grid import address, enlarging, grid, png
from goodfit.evaluation import bootstrap
from goodfit.tasks.frechet import frechet_distance

BELIEVED = 0.9  # probability: the issue of whether a digit is one is settled then
PRESENT = 0.1  # of a class's even share
RESAMPLES = 100  # each takes two eigendecompositions; the interval is then known to about a tenth of its width
SHOWN = 64  # pictures on the page, 8 by 8
COMPONENTS = 64  # of the baseline: on digits they hold nine tenths of the variance

Look = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]  # uint8 pictures -> features [n, F], probabilities [n, C] or None
Seen = tuple[np.ndarray, np.ndarray | None]


def generated_values(made: Seen, real: np.ndarray) -> dict[str, float]:
    """The metrics alone, of generated pictures as the judge sees them and real features [m, F]."""
    features, probability = made
    spread = [np.trace(np.atleast_2d(np.cov(rows.astype(np.float64), rowvar=False))) for rows in (features, real)]
    found = {
        "frechet_distance": frechet_distance(features, real),
        "diversity": float(np.sqrt(spread[0] / max(spread[1], 1e-300))),
    }
    if probability is None:
        return found
    sure = probability.max(1)
    return found | {
        "confidence": float(sure.mean()),
        "believed": float((sure > BELIEVED).mean()),
        "classes_present": float((_shares(probability) >= PRESENT / probability.shape[1]).mean()),
    }


def generated_scores(made: Seen, real: np.ndarray, *, seed: int) -> dict[str, dict[str, float | None]]:
    """The same with intervals over both sets of pictures: {name: {"value", "low", "high"}}.

    A distance of resampled rows, of which some occur twice, comes out too large: the interval is moved back by how much.
    """
    value = generated_values(made, real)
    stream = numpy_stream(seed, "bootstrap", "generated")
    drawn: dict[str, list[float]] = {name: [] for name in value}
    for _ in range(RESAMPLES):
        own, other = stream.integers(0, len(made[0]), len(made[0])), stream.integers(0, len(real), len(real))
        again = generated_values((made[0][own], None if made[1] is None else made[1][own]), real[other])
        for name, number in again.items():
            drawn[name].append(number)
    found = {}
    for name, number in value.items():
        samples = np.array(drawn[name])
        found[name] = bootstrap.summary(number, samples - samples.mean() + number)
    return found


def analyse_generated(
    made: np.ndarray,
    real: np.ndarray,
    learned: np.ndarray,
    look: Look,
    classes: Sequence[Any],
    *,
    name: str,
    part: str,
    judge: str,
    seed: int,
) -> dict[str, Any]:
    """The target of the document of `evaluation.analysis`, with `generated`: {"pictures", "judge", "classes", "floor"}.

    made: generated pictures, uint8 [n, C, H, W]. real: held-out ones. learned: training ones. judge: what to say of who judges.
    """
    begun = time.monotonic()
    seen, truth = look(made), look(real)
    plain = _normal(learned, len(made), seed)
    floor = frechet_distance(look(learned[: len(made)])[0], truth[0])
    baseline = generated_values(look(plain), truth[0])
    believed = (
        "" if truth[1] is None else f" It believes {(truth[1].max(1) > BELIEVED).mean():.0%} of the real ones with a confidence above 0.9."
    )
    said = f"{judge}{believed} As far as generated pictures from held-out real ones ({generated_values(seen, truth[0])['frechet_distance']:.3g}), so far are real training pictures: {floor:.3g}."
    return {
        "name": name,
        "kind": "generation",
        "classes": None,
        "scores": {"part": part, "rows": len(real), "metrics": generated_scores(seen, truth[0], seed=seed)},
        "baselines": [{"name": "normal pixels", "metrics": baseline, "seconds": round(time.monotonic() - begun, 3), "rows": len(learned)}],
        "generated": {
            "pictures": {"generated": sheet(made[:SHOWN]), "real": sheet(real[:SHOWN])},
            "judge": {"said": said},
            "floor": floor,
            "classes": _told(classes, seen[1], truth[1]),
        },
    }


def sheet(pictures: np.ndarray) -> str:
    """uint8 [n, C, H, W] -> a square sheet of them as an address that holds it."""
    return address(png(grid(pictures, max(1, round(len(pictures) ** 0.5))), factor=enlarging(pictures.shape[2])))


def _shares(probability: np.ndarray) -> np.ndarray:
    """[n, C] -> [C]: the share of pictures that are believed to be of each class."""
    sure = probability.max(1) > BELIEVED
    return np.bincount(probability.argmax(1)[sure], minlength=probability.shape[1]) / max(len(probability), 1)


def _told(classes: Sequence[Any], made: np.ndarray | None, real: np.ndarray | None) -> list[dict[str, Any]]:
    """For each class the shares of generated and of real pictures that the judge takes for it, and how sure it is of the generated ones."""
    if made is None or real is None:
        return []
    said, truth = made.argmax(1), real.argmax(1)
    return [
        {
            "name": str(label),
            "generated": float((said == index).mean()),
            "real": float((truth == index).mean()),
            "confidence": float(made[said == index].max(1).mean()) if (said == index).any() else None,
        }
        for index, label in enumerate(classes)
    ]


def _normal(learned: np.ndarray, n: int, seed: int) -> np.ndarray:
    """n pictures from the normal distribution of the training pictures' principal components: what chance makes of knowing which pixels go
    together. uint8 [m, C, H, W] -> [n, C, H, W]."""
    from sklearn.decomposition import PCA

    flat = learned.reshape(len(learned), -1).astype(np.float32)
    size = min(COMPONENTS, flat.shape[1], len(flat) - 1)
    if size < 1:
        return np.repeat(learned[:1], n, axis=0)
    fitted = PCA(size, random_state=derive(seed, "bootstrap", "baselines") % 2**32).fit(flat)
    codes = numpy_stream(seed, "bootstrap", "normal").standard_normal((n, size)) * np.sqrt(fitted.explained_variance_)
    return np.asarray(fitted.inverse_transform(codes)).clip(0, 255).round().astype(np.uint8).reshape(n, *learned.shape[1:])
