"""`loop.mode`: trained in eval mode, or judged in training mode.

Both signals are exact, and only count where the mode changes the answers (dropout, batch norm). Trained in eval mode: at 3 in 10 of the updates
or more the network was in eval mode, as where `eval()` of the first evaluation is never taken back. Judged in training mode: the program's last
evaluation ran so; then the program's own final networks are scored on the same rows in both modes. Rows that are asked three times or more in one
evaluation are averaged over dropout on purpose (Gal & Ghahramani 2016), and rows that were trained on are a running account of training: neither counts.
Source: TrainCheck (Jiang et al. 2025).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import torch
from torch import Tensor

from goodfit.doctor import source_loops
from goodfit.doctor.case import CERTAIN_MARGIN, SEEDS, Case, Proof, Remedy, Suspicion
from goodfit.doctor.program import Data, Evaluation, Part, Tape, Update, tensors_of
from goodfit.doctor.replay import Copies, run_tape
from goodfit.doctor.short import Outcome, score
from goodfit.doctor.supervised import LATE

CODE = "loop.mode"
IN_EVAL = 0.3  # of the backward passes; a few are a warm-up
REPEATED = 3  # times that the same rows are asked in one evaluation
MOST_JUDGED = 512  # rows scored in each mode, one batch of the evaluation's size after the other, which may be a single row
LOSS_MARGIN = (
    0.05  # of the program's first loss, where the share of right answers tells too little: less is lost by any change of a regulariser
)


def suspect(case: Case) -> Suspicion | None:
    """The mode at the backward passes and at the last evaluation."""
    view = case.view
    in_eval = _in_eval(case)
    if in_eval >= IN_EVAL and not case.setup.mode and _matters(case):
        return _trained_in_eval(case, in_eval)
    evaluation = _judged_in_training(case)
    if evaluation is not None and len(view.held) and _matters(case):
        return _evaluated_in_training(case, evaluation)
    return None


def _in_eval(case: Case) -> float:
    """Share of the program's updates in eval mode: those recorded, by their backward passes, and those that were only counted."""
    program, modes = case.program, case.view.modes
    if program.late_in_eval > LATE:
        modes = modes[:-1] or modes  # the last stands for those that follow
    kept = sum(isinstance(event, Update) for event in program.events)
    share = sum(not mode for mode in modes) / len(modes)
    if program.updates <= kept:
        return share
    return (share * kept + program.late_in_eval * (program.updates - kept)) / program.updates


def _matters(case: Case) -> bool:
    """Whether the two modes give other answers to the same rows."""
    view = case.view
    data, until = view.data(view.batches[0]), view.meeting.output if view.meeting else None
    answers = []
    for training in (True, False):
        copies = Copies(view.program.networks, view.program.loose)
        copies.set_modes(view.tape, training)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            answers.append(run_tape(view.tape, copies, data, until=until))
    return all(isinstance(answer, Tensor) for answer in answers) and not torch.allclose(
        answers[0].float(), answers[1].float(), 1e-3, 1e-5, True
    )


def _trained_in_eval(case: Case, share: float) -> Suspicion:
    forward, model = case.program.places.get("forward"), case.program.places.get("model")
    step = case.program.places.get("step")
    return Suspicion(
        CODE, 0.9, {"backward_passes_in_eval_mode": round(share, 3)},
        (
            Remedy(
                "Call model.train() before the batches of each epoch.", lambda setup: replace(setup, name="in training mode", mode=True),
                lambda: source_loops.insert_train(forward, step, model) if forward is not None else None,
            ),
        ),
        certain=True, would_have="the same score in training mode",
        message=f"The network is in eval mode at {share:.0%} of the backward passes: its dropout never drops and its batch norm never learns.",
    )  # fmt: skip


def _judged_in_training(case: Case) -> Evaluation | None:
    """The last evaluation, where it ran in training mode over rows that were not trained on, each once or twice."""
    pairs = list(zip(case.program.evaluations, case.view.evaluated, strict=True))
    if not pairs or not case.program.updates:
        return None
    evaluation, seen = pairs[-1]
    if not seen.training or not evaluation.after or (seen.rows is not None and seen.seen >= 0.5):
        return None
    given = Counter(_given(tape) for tape in evaluation.tapes)
    return None if max(given.values(), default=0) >= REPEATED else evaluation


def _given(tape: Tape) -> tuple[object, ...]:
    """What tells the inputs of two tapes apart, cheaply."""
    return tuple((tuple(data.shape), float(data.double().sum())) for data in _inputs(tape))


def _inputs(tape: Tape) -> list[Tensor]:
    return [
        tape.data[leaf.number]
        for node in tape.nodes
        if isinstance(node.call, Part)
        for leaf in tensors_of((node.args, dict(node.kwargs)))
        if isinstance(leaf, Data) and tape.data[leaf.number].dtype != torch.bool
    ]


def _evaluated_in_training(case: Case, evaluation: Evaluation) -> Suspicion:
    view, model = case.view, case.program.places.get("model")
    inputs = _inputs(evaluation.tapes[0])
    first = view.inputs()[0] if view.inputs() else None
    size = inputs[0].shape[view.pool.slots[first].dim] if view.pool is not None and first is not None and inputs else view.batch_size
    place = evaluation.place

    def prove(case: Case) -> Proof | None:
        rows = view.held[:MOST_JUDGED]
        before: list[Outcome] = []
        after: list[Outcome] = []
        for seed in SEEDS:
            for training, outcomes in ((True, before), (False, after)):
                copies = Copies(case.program.finals, case.program.loose_finals or case.program.loose)
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(seed)
                    points, loss = score(view, case.first, copies, rows, training=training, size=max(size, 1))
                outcomes.append(Outcome(case.first, seed, [], points, None, loss, float("nan"), True, 0, 0.0))
        if before[0].held is not None and all(torch.equal(one.held, before[0].held) for one in before[1:] if one.held is not None):
            del before[1:], after[1:]  # nothing is drawn: three times the same is not three
        gain = case.gain(before, after)
        if not gain.clears(CERTAIN_MARGIN):
            before, after = ([replace(one, held=None, losses=case.program.losses[:1]) for one in outcomes] for outcomes in (before, after))
            gain = case.gain(before, after)
            if not gain.clears(LOSS_MARGIN):
                return None
        levels = case.level(before), case.level(after)
        showed = (
            f"skill {levels[0]:.3f} in training mode and {levels[1]:.3f} in eval mode"
            if levels[0] is not None and levels[1] is not None
            else f"a loss lower by {gain.value:.1%}"
        )
        remedy = Remedy(
            "Call model.eval() before evaluating, and model.train() after.",
            lambda setup: setup,
            lambda: source_loops.insert_eval(place, model) if place is not None else None,
        )
        return Proof(gain, showed, remedy, case.setup, tuple(before), tuple(after), confidence=0.99)

    return Suspicion(
        CODE, 0.9, {"rows_at_once": size, "updates_before": evaluation.after}, certain=True, probe=prove,
        would_have="the same score in both modes", message="The program is judged while the network is in training mode: dropout drops, and batch norm uses each batch's own statistics.",
    )  # fmt: skip
