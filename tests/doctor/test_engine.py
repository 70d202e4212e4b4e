"""The engine on programs made by hand: what is proven is said, what is not is not."""

from __future__ import annotations

import json
import time

import pytest
import torch
import torch.nn.functional as F
from tests.doctor.made import blobs, mlp, plain, rings
from torch import nn

from goodfit.doctor.case import CERTAIN_MARGIN, Case, Gain, Proof, Remedy, Suspicion
from goodfit.doctor.engine import _first, examine_program, is_bad
from goodfit.doctor.program import Program
from goodfit.doctor.replay import Copies, ReplayError, run_tape
from goodfit.doctor.short import Setup, run, score
from goodfit.doctor.supervised import NotSupervised, supervised


def case_of(program: Program, seconds: float = 20.0) -> Case:
    return Case(supervised(program), deadline=time.monotonic() + seconds, run_seconds=0.5)


def test_a_copy_of_the_whole_program_ends_in_its_very_weights() -> None:
    x, y = rings(200)
    program = plain(mlp(2, 3), x, y, kind=torch.optim.AdamW, lr=0.01, epochs=4, held=rings(100, seed=1))
    view = supervised(program)
    done = run(view, Setup(), updates=program.updates, keep=True)
    assert done.copies is not None
    for ours, theirs in zip(done.copies.parameters(), program.finals[0].parameters(), strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=0, atol=0)
    torch.testing.assert_close(torch.tensor(done.losses), torch.tensor(program.losses))


def test_rows_are_those_of_the_program_each_once_and_its_own_evaluation_is_what_is_judged_by() -> None:
    x, y = blobs(330)
    held = blobs(90, seed=1)
    view = supervised(plain(mlp(8, 3), x, y, held=held, epochs=3))
    assert view.pool is not None
    assert (len(view.trained), len(view.held), view.carved, view.kind) == (330, 90, False, "classes")
    assert view.batch_size == 32
    assert view.overlap == 0
    assert {tuple(row) for row in view.pool.whole(0)[view.held].squeeze(1).tolist()} == {tuple(row) for row in held[0].tolist()}
    assert [len(rows) for rows in view.batches[:11]] == [32] * 10 + [10]


def test_without_an_evaluation_rows_are_taken_out_of_training() -> None:
    x, y = blobs(400)
    view = supervised(plain(mlp(8, 3), x, y, epochs=2))
    assert view.carved
    assert len(view.held) == 100
    assert not set(view.held.tolist()) & set(torch.cat(view.batches).tolist())


def test_an_evaluation_of_training_rows_is_no_held_back_one() -> None:
    x, y = blobs(200)
    view = supervised(plain(mlp(8, 3), x, y, held=(x[:50], y[:50])))
    assert view.carved
    assert view.evaluated[0].seen == 1.0


@pytest.mark.parametrize(
    ("target", "loss", "kind", "base"),
    [
        (lambda y: y, nn.functional.cross_entropy, "classes", None),
        (lambda y: nn.functional.one_hot(y, 3).float(), nn.functional.mse_loss, "one-hot", None),
        (lambda y: nn.functional.one_hot(y, 3).float().cumsum(1), nn.functional.binary_cross_entropy_with_logits, "multilabel", None),
        (lambda y: torch.randn(len(y), 3, generator=torch.Generator().manual_seed(0)), nn.functional.l1_loss, "regression", 0.0),
    ],
)
def test_what_is_learned_is_told_by_the_targets(target: object, loss: object, kind: str, base: float | None) -> None:
    x, y = blobs(300)
    view = supervised(plain(mlp(8, 3), x, target(y), loss, lr=0.01))  # type: ignore[operator]
    assert view.kind == kind
    if kind in {"classes", "one-hot"}:
        counts = torch.bincount(y)
        assert abs(view.answers.base - float(counts.max() / counts.sum())) < 0.05
    if base is not None:
        assert abs(view.answers.base - base) <= 0.15  # by the chance of the draw


def test_points_are_right_answers_and_explained_variance() -> None:
    x, y = rings(300)
    program = plain(mlp(2, 3), x, y, lr=0.1, epochs=20, held=rings(200, seed=1))
    view = supervised(program)
    ended = Copies(program.finals)
    points, loss = score(view, Setup(), ended, view.held)
    with torch.no_grad():
        answers = program.finals[0](view.data(view.held)[0])
    assert points is not None
    assert float(points.mean()) == pytest.approx(float((answers.argmax(1) == view.targets(view.held)).float().mean()))
    assert loss == pytest.approx(float(nn.functional.cross_entropy(answers, view.targets(view.held))), rel=1e-4)


def test_healthy_programs_are_called_healthy() -> None:
    x, y = rings()
    for held in (None, rings(400, seed=1)):
        found = examine_program(plain(mlp(2, 3), x, y, epochs=20, held=held), seconds=10)
        assert found.verdict == "healthy", [one.code for one in found.findings]
        assert not [one for one in found.findings if one.severity != "remark"]


def test_gradients_that_are_never_cleared_are_found_and_the_gain_is_measured() -> None:
    x, y = rings()
    found = examine_program(plain(mlp(2, 3), x, y, epochs=20, events=("backward", "update"), held=rings(400, seed=1)), seconds=10)
    assert found.verdict == "faulty"
    first = found.findings[0]
    assert first.code == "loop.zero-grad"
    assert first.gain is not None
    assert first.gain > 0.5
    assert first.probe is not None
    assert len(first.probe["each"]) == 3
    assert set(first.probe["curves"]) == {"as it is", "repaired"}
    assert found.examined["repaired"] > found.examined["outcome"]
    json.dumps(found.to_json())


def test_two_faults_that_hide_each_other_are_found_together() -> None:
    """Scaled inputs do not help at this rate, nor does another rate with these inputs."""
    scale, middle = torch.tensor([40.0, 900.0]), torch.tensor([1200.0, 5000.0])
    (x, y), (held, wanted) = rings(600), rings(400, seed=1)
    program = plain(mlp(2, 3), x * scale + middle, y, epochs=20, kind=torch.optim.Adam, lr=1.0, held=(held * scale + middle, wanted))
    found = examine_program(program, seconds=30)
    assert [one.code for one in found.findings] == ["data.inputs-unscaled", "optim.rate-high"]
    assert found.examined["repaired"] > 0.8


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_two_exact_faults_that_hide_each_other_are_found_together() -> None:
    """Numbers that are spread over all targets teach the mean only, and nothing is taught where gradients are set to nothing before each step."""
    (x, _), (held, _) = rings(600), rings(400, seed=1)
    program = plain(
        mlp(2, 1), x, x.norm(dim=1), F.mse_loss, epochs=20, kind=torch.optim.Adam, lr=0.01, events=("backward", "zero", "update"), held=(held, held.norm(dim=1))
    )  # fmt: skip
    found = examine_program(program, seconds=30)
    assert {"loss.broadcast", "loop.no-step"} <= {one.code for one in found.findings}


def test_an_exact_fault_is_told_before_a_rate_that_makes_up_for_it() -> None:
    exact, rate = Suspicion("head.activation", 0.9, {}, certain=True), Suspicion("optim.rate-low", 0.35, {})
    small, large = (Proof(Gain(value, 0.01, value, (value,) * 3), "") for value in (0.04, 0.6))
    assert _first([(exact, small), (rate, large)])[0] is exact
    assert _first([(exact, small), (Suspicion("activation.dead", 0.5, {}), large)])[0].code == "activation.dead"


def test_the_same_seed_gives_the_same_findings() -> None:
    x, y = rings(300)
    told = []
    for _ in range(2):
        case = case_of(plain(mlp(2, 3), x, y, epochs=6, events=("backward", "update"), held=rings(200, seed=1)))
        case.updates = 40
        told.append([case.outcome(seed=seed).losses for seed in (0, 1)])
    assert told[0] == told[1]
    assert told[0][0] != told[0][1]


def test_a_duel_acquits_what_does_not_help() -> None:
    x, y = rings()
    case = case_of(plain(mlp(2, 3), x, y, epochs=20, held=rings(400, seed=1)))
    idle = Remedy("nothing", lambda setup: Setup("nothing"))
    assert case.duel(Suspicion("x", 1.0, {}, (idle,), certain=True), idle) is None
    assert not is_bad(case)


def test_a_gain_must_clear_its_margin_and_chance() -> None:
    assert Gain(0.2, 0.01, 0.2, (0.2,)).clears(CERTAIN_MARGIN)
    assert not Gain(0.2, 0.1, 0.2, (0.2,)).clears(CERTAIN_MARGIN)
    assert not Gain(0.01, 0.001, 0.2, (0.01,)).clears(CERTAIN_MARGIN)


def test_a_copy_that_cannot_run_costs_that_experiment_only() -> None:
    x, y = rings()

    def fails(networks: list[nn.Module]) -> None:
        raise ValueError("no such layer")

    case = case_of(plain(mlp(2, 3), x, y, epochs=20))
    bad = Suspicion("x.y", 1.0, {}, (Remedy("break it", lambda setup: Setup("broken", surgery=(fails,))),))
    assert case.best(bad) is None
    assert case.not_seen == ["x.y: no such layer"]


def test_steps_that_differ_cannot_be_read_as_rows() -> None:
    x, y = blobs(200)
    one = plain(mlp(8, 3), x, y, epochs=1)
    two = plain(mlp(8, 3), x, y, nn.functional.multi_margin_loss, epochs=1)
    mixed = Program(
        one.networks, one.finals, one.optimizers, [event for pair in zip(one.events, two.events, strict=True) for event in pair]
    )
    with pytest.raises(NotSupervised, match="differ"):
        supervised(mixed)
    assert examine_program(mixed).verdict == "healthy"


def test_a_tape_that_fails_says_where() -> None:
    x, y = blobs(100)
    view = supervised(plain(mlp(8, 3), x, y))
    with pytest.raises(ReplayError, match="network 0 fails"):
        run_tape(view.tape, Copies([nn.Linear(3, 3)]))
