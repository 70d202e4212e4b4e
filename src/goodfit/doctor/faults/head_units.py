"""`head.units`: the network has another number of outputs than there are classes, labels or numbers to answer.

Exact signals, by the shapes where answer and target meet: one output spread over several targets of a row, or several outputs that all learn the one target.
Torch broadcasts both without an error where the loss is one of squares. More outputs than classes is no fault by itself (vocabularies, heads of a
pretrained network): at twice as many, a narrower head is tried where the outcome is bad. Fewer than classes stops with an error of torch's own.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from goodfit.doctor import source_networks
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.short import Setup
from goodfit.doctor.supervised import names_classes
from goodfit.doctor.trail import with_units

CODE = "head.units"
SPARE = 2.0  # outputs for each class: below, unused ones cost next to nothing


def suspect(case: Case) -> Suspicion | None:
    """Width of the answer against that of the target."""
    view, meeting, answer = case.view, case.view.meeting, case.trail.answer
    if (
        meeting is None
        or answer is None
        or view.pool is None
        or meeting.target not in view.pool.slots
        or case.head is None
        or meeting.loss == "inside"
    ):
        return None
    head = case.head
    target = view.data(view.batches[0])[meeting.target]
    if meeting.loss not in {"cross_entropy", "nll_loss"} and answer.dim() == target.dim() >= 2 and answer.shape[:-1] == target.shape[:-1]:
        have, need = answer.shape[-1], target.shape[-1]
        if have == need or 1 not in {have, need} or head.units != have:
            return None
        words = f"The network gives {have} {'output' if have == 1 else 'outputs'} for a row, and the targets are {need}: torch spreads the one over the others."
        return _suspicion(case, need, words, certain=True)
    if view.kind == "classes" and answer.dim() > 1 and not target.is_floating_point():
        targets = view.pool.whole(meeting.target)
        need = int(targets[targets != view.answers.ignored].max()) + 1
        if head.units >= SPARE * need and head.units in {answer.shape[1], answer.shape[-1]}:
            return _suspicion(case, need, f"The network has {head.units} outputs for {need} classes.", certain=False)
    return None


def _suspicion(case: Case, units: int, message: str, *, certain: bool) -> Suspicion:
    head = case.head
    assert head is not None

    def change(setup: Setup) -> Setup:
        return replace(setup, name=f"with {units} outputs", surgery=(*setup.surgery, with_units(head, units)), afterwards=None)

    model, owner = case.program.places.get("model"), type(case.program.networks[head.at.network]).__name__
    remedy = Remedy(
        f"Give the network {units} {'output' if units == 1 else 'outputs'}.", change,
        lambda: None if model is None else source_networks.set_outputs(model.file, units, owner),
    )  # fmt: skip
    suspicion = Suspicion(
        CODE, 0.85 if certain else 0.3, {"outputs": head.units, "needed": units}, (remedy,),
        certain=certain, would_have=f"the same score with {units} outputs", message=message,
    )  # fmt: skip
    if not certain or units > 1:
        return suspicion

    def prove(case: Case) -> Proof | None:
        """Several outputs that all learn one number are read as the program reads them: by the largest, or else by their mean."""
        read = _largest if names_classes(case.program, "") else _mean
        return case.duel(suspicion, remedy, replace(case.setup, afterwards=read))

    return replace(suspicion, probe=prove)


def _largest(answer: Tensor) -> Tensor:
    return answer.argmax(-1, keepdim=True).float()


def _mean(answer: Tensor) -> Tensor:
    return answer.float().mean(-1, keepdim=True)
