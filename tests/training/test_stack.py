"""The stack itself: members do not see each other, leave, come back from the disk in the same bits; what cannot be stacked is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.stacks import CLASSES, Case, Rows, assert_equal, made, table
from torch import Tensor, nn

from goodfit.base.errors import CheckpointError, StackError
from goodfit.base.parts import OptimPart
from goodfit.base.records import MemberEnd, MemberRecord, StackStepRecord
from goodfit.data.batches import Batches
from goodfit.data.encoded import Encoded
from goodfit.data.member_batches import MemberBatches, stacked
from goodfit.models.mlp import MLP
from goodfit.models.resnet import cifar_resnet
from goodfit.nn.draws import Draws
from goodfit.nn.dropout import dropout
from goodfit.optim.build import build
from goodfit.optim.schedule import Plateau
from goodfit.tasks.multiclass import Multiclass
from goodfit.training.checkpoint import Checkpoints
from goodfit.training.loop import Plan, fit
from goodfit.training.stack import Stack
from goodfit.training.stacked_loop import fit_stacked
from goodfit.training.stacked_scores import predicted, scoring
from goodfit.training.stacked_state import StackState
from goodfit.training.state import Stopper
from goodfit.training.step import StepSettings


def _case(**changes: object) -> Case:
    make = made(lambda: MLP(5, [], CLASSES, width=8, depth=2, dropout=0.2, norm="batch"))
    optim = [OptimPart(lr=0.01 * (k + 1), eps=1e-6) for k in range(3)]
    settings = [StepSettings(clip=1.0)] * 3
    whole = {"make": make, "rows": [table(k) for k in range(3)], "optim": optim, "settings": settings, "ema": [0.9, None, 0.9]}
    return Case(**(whole | changes))  # type: ignore[arg-type]


def _bits(state: StackState, number: int) -> dict[str, Tensor]:
    return dict(state.network(number).state_dict())


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_member_of_a_stack_is_a_network() -> None:
    networks = [cifar_resnet((1, 8, 8), CLASSES, depth=8, width=3).eval() for _ in range(3)]
    stack = Stack.of(networks)
    image = torch.randn(3, 4, 1, 8, 8)
    with torch.no_grad():
        out, shared = stack({"image": image}), stack({"image": image[0]}, shared=True)
        for k, network in enumerate(networks):
            torch.testing.assert_close(out[k], network(image=image[k]))
            torch.testing.assert_close(shared[k], network(image=image[0]))
            torch.testing.assert_close(stack.member(k)(image=image[k]), network(image=image[k]))
    stack.keep([2, 0])
    assert len(stack) == 2
    with torch.no_grad():
        torch.testing.assert_close(stack({"image": image[[2, 0]]}), out[[2, 0]])
    assert all(torch.equal(a, b) for a, b in zip(stack.member(0).state_dict().values(), networks[2].state_dict().values(), strict=True))


@pytest.mark.parametrize("width", [10, 7000])  # elements of a row; 7,000 take so many words that they come from another generator
def test_members_draw_what_they_draw_alone(width: int) -> None:
    draws = Draws(2, torch.device("cpu"))
    small, x = torch.ones(2, 3, 5), torch.ones(2, 10, width)
    for step, layers in enumerate(
        ["ccc", "ccc", "ctc", "cct", "cwc", "ccc", "cw"]
    ):  # cheap masks, torch's, a wide layer; the third finds words drawn ahead
        seeds = [10 * step, 10 * step + 1]
        draws.begin(lambda seeds=seeds: seeds)
        found = [_drawn(draws, layer, x if layer == "w" else small) for layer in layers]
        for k, seed in enumerate(seeds):
            torch.manual_seed(seed)
            for layer, masked in zip(layers, found, strict=True):
                row = (x if layer == "w" else small)[k]
                alone = nn.functional.dropout(row, 0.4) if layer == "t" else dropout(row, 0.3)
                assert torch.equal(masked[k], alone), (step, layer)


def _drawn(draws: Draws, layer: str, x: Tensor) -> Tensor:
    return draws.torch_dropped(x, [0.4, 0.4]) if layer == "t" else draws.dropped(x, [0.3, 0.3])


def test_members_do_not_see_each_other() -> None:
    state, changed = (
        _case().train_stacked(),
        replace(_case(), rows=[table(0), table(7), table(2)], optim=[_case().optim[k] for k in (0, 0, 2)]),
    )
    changed.make = lambda k: _case().make(k if k != 1 else 9)
    other = changed.train_stacked()
    assert _same(_bits(state, 0), _bits(other, 0))
    assert _same(_bits(state, 2), _bits(other, 2))
    assert not _same(_bits(state, 1), _bits(other, 1))


@pytest.mark.parametrize(("bad", "clip"), [(float("nan"), None), (float("inf"), 1.0), (1e200, 1.0)])  # the last one's gradient alone
def test_a_member_whose_loss_is_not_finite_leaves_alone(bad: float, clip: float | None) -> None:
    rows = [table(k) for k in range(3)]
    rows[1].inputs["numbers"][20] = bad
    make = made(lambda: MLP(5, [], CLASSES, width=8, depth=1, dropout=0.2))
    case = _case(rows=rows, make=make, settings=[StepSettings(clip=clip)] * 3)
    state = case.stacked()
    records = list(fit_stacked(state, case.batches(), case.plans(), case.evaluate))
    (end,) = [record for record in records if isinstance(record, MemberEnd) and record.failed]
    assert end.member == 1
    assert "not finite; lower optim.lr" in end.reason
    assert f"update {end.step + 1} " in end.reason
    assert end.step < state.step
    assert_equal(case, state, members=[0, 2])
    with pytest.raises(StackError, match="member 1 left without an evaluation: the"):
        state.network(1)


def test_members_can_be_pruned_while_the_rest_goes_on() -> None:
    case = _case(epochs=[6] * 3)
    state = case.stacked()
    for record in fit_stacked(state, case.batches(), case.plans(), case.evaluate):
        if isinstance(record, MemberRecord) and record.member == 2 and record.record.epoch == 2:
            ends = state.leave({0: "pruned"}, failed=False)
            assert ends == [MemberEnd(0, record.record.step, "pruned", False)]
    assert state.outcomes[0].reason == "pruned"
    assert state.outcomes[0].best is not None
    assert_equal(case, state, members=[1, 2])


def test_records_tell_who() -> None:
    case = _case(epochs=[1, 2, 3])
    records = list(fit_stacked(case.stacked(), case.batches(), case.plans(), case.evaluate))
    steps = [record for record in records if isinstance(record, StackStepRecord)]
    assert [step.members for step in steps] == [(0, 1, 2)] * 4 + [(1, 2)] * 4 + [(2,)] * 4
    assert [step.step for step in steps] == list(range(1, 13))
    assert all(step.loss.shape == (len(step.members),) for step in steps)
    assert steps[3].rows == (5, 5, 5)
    assert [(r.member, r.record.epoch) for r in records if isinstance(r, MemberRecord)] == [(0, 1), (1, 1), (2, 1), (1, 2), (2, 2), (2, 3)]
    assert [(r.member, r.reason) for r in records if isinstance(r, MemberEnd)] == [(k, "its plan is fulfilled") for k in range(3)]
    alone = case.alone(1)
    for record in fit(alone, case.rows[1], case.tasks[1], case.plans()[1], case.settings[1]):
        if record.step == 1:
            assert float(record.loss) == pytest.approx(float(steps[0].loss[1]), abs=1e-12)  # type: ignore[union-attr]
        break


@pytest.mark.parametrize("name", ["sgd", "adagrad", "rmsprop", "adamw", "muon"])
@pytest.mark.parametrize("stop", [1, 4, 6, 14])
def test_resumed_in_the_same_bits(name: str, stop: int, tmp_path: Path) -> None:
    optim = [OptimPart(name=name, lr=0.003 * (k + 1), schedule="cosine") for k in range(3)]  # type: ignore[arg-type]
    rows = [table(0), table(1, 40), table(2)]
    rows[0].inputs["numbers"][3] = float("nan")  # leaves in the first epoch
    case = _case(optim=optim, rows=rows, epochs=[3, 5, 2], settings=[StepSettings(mixup=0.3)] * 3)
    whole = case.train_stacked()
    first = case.stacked()
    for _ in islice(fit_stacked(first, case.batches(), case.plans(), case.evaluate), stop):
        pass
    Checkpoints(tmp_path).save(first, {"x": 1})
    second = case.stacked()
    assert Checkpoints(tmp_path).load(second) == {"x": 1}
    list(fit_stacked(second, case.batches(), case.plans(), case.evaluate))
    (a, document), (b, other) = whole.to_records(), second.to_records()
    assert document | {"seconds": 0} == other | {"seconds": 0}
    assert a.keys() == b.keys()
    assert _same(a, b)
    for number in (1, 2):
        assert _same(_bits(whole, number), _bits(second, number))


def test_a_checkpoint_of_another_stack_is_refused() -> None:
    case = _case()
    tensors, document = case.stacked().to_records()
    fewer = _case()
    fewer.rows, fewer.optim, fewer.settings = fewer.rows[:2], fewer.optim[:2], fewer.settings[:2]
    fewer.tasks, fewer.ema = fewer.tasks[:2], fewer.ema[:2]
    with pytest.raises(CheckpointError, match="another stack"):
        fewer.stacked().load_records(tensors, document)
    sgd = _case(optim=[OptimPart(name="sgd", lr=0.1)] * 3)
    with pytest.raises(CheckpointError, match="of the optimiser adam, the settings ask for sgd"):
        sgd.stacked().load_records(tensors, document)


def test_plateaus_of_each_member() -> None:
    optim = OptimPart(lr=1.0, schedule="plateau", plateau_patience=1)
    make = made(lambda: MLP(5, [], CLASSES, width=8, depth=1, activation="tanh"))
    case = _case(make=make, optim=[optim] * 3, epochs=[10] * 3)
    networks = [case.make(k) for k in range(3)]
    state = StackState.of(
        networks, [build(network, optim, lr=1.0) for network in networks], case.tasks, seeds=[100, 101, 102],
        stoppers=[Stopper(False, None) for _ in range(3)], plateaus=[Plateau(optim, maximise=False) for _ in range(3)], averages=case.ema,
        settings=case.settings,
    )  # fmt: skip
    list(fit_stacked(state, case.batches(), case.plans(), case.evaluate))
    reduced = 0
    for k in range(3):
        alone = case.alone(k)
        alone.plateau = Plateau(optim, maximise=False)
        list(fit(alone, case.rows[k], case.tasks[k], case.plans()[k], case.settings[k], case._score(k)))
        reduced += alone.plateau.factor < 1
        for name, tensor in (alone.best or {}).items():
            torch.testing.assert_close(_bits(state, k)[name], tensor, rtol=1e-9, atol=1e-9)
    assert reduced


class Items(nn.Module):
    def __init__(self, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.act = nn.Linear(5, CLASSES), act

    def forward(self, numbers: Tensor) -> Tensor:
        return self.act(self.layer(numbers))


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda x: x * 2 if x.sum() > 0 else x, "decides by the numbers it sees"),
        (lambda x: x * x.max().item(), "decides by the numbers it sees"),
        (lambda x: x + torch.randint(3, (3,)), "draws random numbers in a way that"),
        (lambda x: (x, x), "gives one tensor; this one gives a tuple"),
    ],
)
def test_a_network_that_cannot_be_stacked_says_why(act: Callable[[Tensor], Tensor], reason: str) -> None:
    stack = Stack.of([Items(act) for _ in range(2)])
    with pytest.raises(StackError, match=reason):
        stack({"numbers": torch.randn(2, 4, 5)})
    assert stack.why_not({"numbers": torch.randn(2, 4, 5)}).startswith(("the network", "a network"))


def test_a_network_that_can_be_stacked_has_no_reason_not_to() -> None:
    stack = Stack.of([MLP(5, [], CLASSES, width=4) for _ in range(2)])
    assert stack.why_not({"numbers": torch.randn(2, 4, 5)}) == ""


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (lambda: nn.Sequential(nn.Linear(3, 2), nn.ReLU()), "a ReLU in network 2"),
        (lambda: nn.Sequential(nn.Linear(3, 2)), "is in only one of"),
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh()), "one shape"),
        (lambda: nn.Sequential(nn.Linear(3, 2), nn.Tanh()).double(), "one shape"),
    ],
)
def test_networks_of_other_structures_are_refused(other: Callable[[], nn.Module], reason: str) -> None:
    with pytest.raises(StackError, match=reason):
        Stack.of([nn.Sequential(nn.Linear(3, 2), nn.Tanh()), other()])


def test_networks_of_other_settings_are_refused() -> None:
    with pytest.raises(StackError, match=r"eps of layer '0' is 1e-05 in network 1 and 0\.1 in network 3"):
        Stack.of([nn.Sequential(nn.LayerNorm(3, eps=eps)) for eps in (1e-5, 1e-5, 0.1)])
    with pytest.raises(StackError, match="at least one network"):
        Stack.of([])
    with pytest.raises(StackError, match="no weight"):
        Stack.of([nn.ReLU(), nn.ReLU()])


def _encoded(seed: int, n: int = 50) -> Encoded:
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(n, 5, generator=generator)
    return Encoded({"numbers": numbers}, (numbers[:, 0] > 0).long(), torch.rand(n, generator=generator), n)


@pytest.mark.parametrize("shared", [True, False])
def test_batches_gathered_together_are_those_of_each(shared: bool) -> None:
    tables = [_encoded(0)] * 3 if shared else [_encoded(k, 50 + k) for k in range(3)]
    rows = [torch.arange(40), torch.arange(5, 50), torch.arange(0, 48, 2)]
    own = [Batches(t, r, batch_size=8, seed=k, shuffle=True) for k, (t, r) in enumerate(zip(tables, rows, strict=True))]
    together = MemberBatches(own)
    assert together._gather is not None
    for epochs, positions in [((0, 0, 0), (0, 0, 0)), ((0, 0, 0), (4, 4, 2)), ((1, 0, 1), (0, 5, 1))]:
        seen = []
        for group in together.groups(epochs, positions):
            expected = stacked([own[i].batch(epochs[i], positions[i]) for i in group.indices])
            seen += group.indices
            for name in ("target", "weight", "rows"):
                assert torch.equal(getattr(group.batch, name), getattr(expected, name)), name
            assert torch.equal(group.batch.inputs["numbers"], expected.inputs["numbers"])
        assert sorted(seen) == [0, 1, 2]
    together.keep([2, 1])
    (group, *_) = together.groups((0, 0), (0, 0))
    assert torch.equal(group.batch.rows, torch.stack([own[2].batch(0, 0).rows, own[1].batch(0, 0).rows]))


@pytest.mark.parametrize("shared", [True, False])
def test_scores_are_those_of_each_network(shared: bool) -> None:
    networks = [MLP(5, [], 2, width=4).eval() for _ in range(3)]
    one = Batches(_encoded(0), torch.arange(50), batch_size=16, seed=0, shuffle=False)
    rows = [one] * 3 if shared else [Batches(_encoded(k), torch.arange(20 + 9 * k), batch_size=16, seed=0, shuffle=False) for k in range(3)]
    task = Multiclass(2)
    found = scoring([task] * 3, rows)(Stack.of(networks), [0, 1, 2])
    for network, own, metrics in zip(networks, rows, found, strict=True):
        batches = [own.batch(0, position) for position in range(len(own))]
        with torch.no_grad():
            output = torch.cat([network(**batch.inputs) for batch in batches])
        decoded = {name: tensor.numpy() for name, tensor in task.decode(output).items()}
        target, weight = (torch.cat([getattr(batch, name) for batch in batches]).numpy() for name in ("target", "weight"))
        for name, value in task.metrics(decoded, target, weight).items():
            np.testing.assert_allclose(metrics[name], value, rtol=1e-5)


def test_a_stack_learns() -> None:
    tables = _encoded(0, 300)
    networks = [MLP(5, [], 2, width=16, depth=1) for _ in range(4)]
    optim = OptimPart(lr=0.01)
    state = StackState.of(
        networks, [build(network, optim, lr=0.01) for network in networks], [Multiclass(2)] * 4, seeds=list(range(4)),
        stoppers=[Stopper(False, 5) for _ in networks],
    )  # fmt: skip
    rows = [torch.arange(300)[torch.arange(300) % 4 != k] for k in range(4)]
    batches = MemberBatches([Batches(tables, own, batch_size=32, seed=k, shuffle=True) for k, own in enumerate(rows)])
    held = [Batches(tables, torch.arange(k, 300, 4), batch_size=128, seed=0, shuffle=False) for k in range(4)]
    list(fit_stacked(state, batches, [Plan(epochs=30, lr=0.01, score="log_loss")] * 4, scoring(state.losses.tasks, held)))
    for k in range(4):
        stack = Stack.of([state.network(k).eval()])
        ((output, target, _),) = predicted(stack, [held[k]])
        assert float((output.argmax(1) == target).float().mean()) > 0.9


def test_a_weight_without_a_gradient_stays() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.spare = nn.Linear(5, CLASSES), nn.Linear(5, 5)

        def forward(self, numbers: Tensor) -> Tensor:
            found: Tensor = self.used(numbers)
            return found

    case = _case(make=made(Idle), optim=[OptimPart(lr=0.01, weight_decay=0.1)] * 3)
    state = case.train_stacked()
    assert_equal(case, state)
    assert torch.equal(state.network(1).spare.weight, case.make(1).spare.weight)  # type: ignore[union-attr, arg-type]


def test_the_wrong_number_of_anything_is_said() -> None:
    case = _case()
    with pytest.raises(StackError, match="3 networks, 2 plans"):
        list(fit_stacked(case.stacked(), case.batches(), case.plans()[:2]))
    networks = [case.make(k) for k in range(3)]
    with pytest.raises(StackError, match="3 networks and 2 seeds"):
        StackState.of(
            networks, [build(n, case.optim[0], lr=0.1) for n in networks], case.tasks, seeds=[1, 2], stoppers=[Stopper(False, None)] * 3
        )
    with pytest.raises(StackError, match="batches of at least one"):
        MemberBatches([])


def test_a_task_whose_network_reads_the_target_is_refused() -> None:
    class Reads(Multiclass):
        def run(self, network: nn.Module, inputs: object, target: Tensor | None) -> Tensor:
            raise NotImplementedError

    with pytest.raises(StackError, match="Reads reads the target"):
        _case(tasks=[Reads(CLASSES)] * 3).stacked()


def test_the_networks_stay_as_they_are() -> None:
    case = _case()
    network = case.make(0)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimizer = build(network, case.optim[0], lr=0.01)
    state = StackState.of([network], [optimizer], case.tasks[:1], seeds=[1], stoppers=[Stopper(False, None)])
    list(fit_stacked(state, MemberBatches(case.rows[:1]), case.plans()[:1]))
    assert _same(before, dict(network.state_dict()))
    assert not optimizer.state


def test_rows_are_those_of_the_member() -> None:
    rows = [Rows({"numbers": torch.full((4, 5), float(k))}, torch.zeros(4, dtype=torch.int64), k) for k in range(3)]
    (group,) = MemberBatches(rows).groups([0, 0, 0], [0, 0, 0])
    assert group.batch.inputs["numbers"][:, 0, 0].tolist() == [0.0, 1.0, 2.0]
