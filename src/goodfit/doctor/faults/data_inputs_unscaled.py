"""`data.inputs-unscaled`: what goes into the network lies orders of magnitude away from a mean of 0 and a spread of 1.

Large inputs make the first layer's gradients large in proportion, and uneven ones make the loss a narrow valley: a rate that suits one feature is far
too high or too low for another. The signal is taken from the rows that were trained on, feature by feature; features of two values are left alone.
A network that normalises by itself gains nothing when its inputs are standardised, and is acquitted by that.
Source: LeCun, Bottou, Orr, Müller, Efficient BackProp (1998), section 4.3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from goodfit.doctor import source_data
from goodfit.doctor.case import MARGIN, Case, Proof, Remedy, Suspicion
from goodfit.doctor.program import Part, tensors_of
from goodfit.doctor.scales import Scale, scale_of, standardised
from goodfit.doctor.short import Setup

CODE = "data.inputs-unscaled"
LARGE = 8.0  # root mean square of a feature: standardised ones have 1, ranges such as 0 to 5 reach 3, whole pixels some 100
SMALL = 0.03  # of the largest feature: pixels that were divided twice have 0.002
UNEVEN = 100.0  # the largest spread over the smallest: two orders
OFF = 10.0  # a mean so many spreads from 0: years have about 200
GROSS = 8.0  # times beyond one of these bounds, from where it is tried though the outcome is no worse than a simple learner's
LOST = 0.1  # of skill below a simple learner's: a program that is that bad may have another fault besides
LOWER = (0.1, 0.01)  # of the rate: the usual ones for standardised inputs lie within a factor of a hundred of each other
MOST_RAISED = (
    100.0  # plain gradient descent on inputs s times as large wants a rate about s squared as small; no more than this is taken back
)


def suspect(case: Case) -> Suspicion | None:
    """A float input with a feature beyond one of the bounds."""
    view = case.view
    if view.pool is None or case.setup.prepare is not None or view.kind == "reconstruction":
        return None
    scales, beyond, evidence = [], 0.0, {}
    for number in view.inputs():
        whole = view.pool.whole(number)
        codes = not whole.is_floating_point() and whole.dtype != torch.uint8
        if codes or (view.meeting is not None and number == view.meeting.target):
            continue
        scale = scale_of(view, number, view.trained)
        if scale is None or not len(scale.sizes):
            continue
        scales.append(scale)
        size = float(scale.sizes.max())
        found = max(size / LARGE, SMALL / max(size, 1e-30), scale.uneven() / UNEVEN, scale.off() / OFF)
        if found > beyond:
            beyond = found
            evidence = {
                "largest_feature": float(f"{size:.3g}"), "largest_to_smallest_spread": float(f"{scale.uneven():.3g}"),
                "mean_in_spreads": float(f"{scale.off():.3g}"),
            }  # fmt: skip
    if beyond <= 1:
        return None
    suspicion = Suspicion(
        CODE, min(0.6 + 0.1 * beyond**0.25, 0.9), evidence, tuple(_remedies(case, scales)),
        always=beyond >= GROSS, margin=MARGIN if case.whole else 2 * MARGIN,
        would_have="no better score with standardised inputs, as where the network normalises them itself",
        message="The inputs are not scaled: a feature lies far from a mean of 0 and a spread of 1.",
    )  # fmt: skip
    return replace(suspicion, probe=lambda one: one.best(suspicion) or _at_lower_rates(one, suspicion))


def _at_lower_rates(case: Case, suspicion: Suspicion) -> Proof | None:
    """Where the rate is too high besides, standardised inputs alone gain nothing: both sides at lower rates, of which the standardised one must be better
    than the program as it is, too."""
    level = case.level([case.outcome()])
    if level is None or level > case.references.best - LOST:
        return None
    for factor in LOWER:
        if case.left < 8 * case.outcome().seconds:
            return None
        slower = replace(case.setup, name=f"{factor:g} of the rate", rate=case.setup.rate * factor)
        proof = case.duel(suspicion, suspicion.remedies[0], slower)
        if proof is None:
            continue
        gain = case.gain([case.outcome(seed=one.seed) for one in proof.after], proof.after)
        if gain.clears(2 * MARGIN):
            return replace(
                proof, gain=gain, showed=f"{proof.showed}, both at {factor:g} of the rate", setup=suspicion.remedies[0].change(case.setup)
            )
    return None


def _remedies(case: Case, scales: list[Scale]) -> list[Remedy]:
    """Standardised at the program's own rates; for plain gradient descent, at those that the smaller inputs allow too."""

    def change(setup: Setup) -> Setup:
        return replace(setup, name="standardised inputs", prepare=standardised(scales, setup.prepare))

    words = "Standardise the inputs by the mean and the standard deviation of the training rows, and use the same two for all other rows"
    found = [Remedy(f"{words}.", change, lambda: _edit(case, scales), fair=True)]
    raised = min(max(float(scale.sizes.square().mean()) for scale in scales), MOST_RAISED)
    kind = case.program.optimizers[case.view.optimizer].kind if case.program.optimizers else None
    if kind is torch.optim.SGD and raised > 10:
        found.append(
            Remedy(
                f"{words}; the learning rate, which had to be low for the large inputs, can then be {raised:.0f} times as high.",
                lambda setup: replace(change(setup), name="standardised inputs, higher rate", rate=setup.rate * raised),
            )
        )
    return found


def _edit(case: Case, scales: list[Scale]) -> Any:
    """A line below the one that makes the network, where it has one input that is scaled, its first."""
    place = case.program.places.get("model")
    first = next(node for node in case.view.tape.nodes if isinstance(node.call, Part))
    given = tensors_of(first.args[:1])
    if place is None or len(scales) != 1 or not given or getattr(given[0], "number", None) != scales[0].number:
        return None
    scale = scales[0]
    axis = next((axis for axis, size in enumerate(scale.middle.shape) if size > 1), None)
    trailing = 0 if axis is None else scale.middle.dim() - 1 - axis
    return source_data.scale_inputs(place, scale.middle.flatten().tolist(), scale.spread.flatten().tolist(), trailing)
