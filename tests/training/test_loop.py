"""The loop against a loop written by hand, and against itself interrupted at every kind of place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodfit.base.errors import CheckpointError, TrainingError
from goodfit.base.recipe import OptimPart
from goodfit.base.records import Batch, EpochRecord, StepRecord
from goodfit.base.streams import derive, torch_stream
from goodfit.optim import schedule
from goodfit.optim.average import Average
from goodfit.optim.build import build
from goodfit.training.checkpoint import Checkpoints
from goodfit.training.loop import Plan, fit
from goodfit.training.state import State, Stopper
from goodfit.training.step import StepSettings, step

ROWS, FEATURES, CLASSES = 90, 6, 3
OPTIMISERS = ["sgd", "adagrad", "rmsprop", "adam", "adamw", "muon"]


@dataclass
class Rows:
    """Batches over random rows, in an order of (seed, epoch)."""

    x: Tensor
    y: Tensor
    batch_size: int = 32
    weight: Tensor | None = None

    def __len__(self) -> int:
        return -(-len(self.y) // self.batch_size)

    def batch(self, epoch: int, position: int) -> Batch:
        order = torch.randperm(len(self.y), generator=torch_stream(0, "order", epoch))
        rows = order[position * self.batch_size : (position + 1) * self.batch_size]
        return Batch({"numbers": self.x[rows]}, self.y[rows], None if self.weight is None else self.weight[rows], rows)


class Classes:
    outputs, score, maximise = CLASSES, "log_loss", False

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(output, target, reduction="none")

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        return {"probability": output.softmax(-1)}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        return {"log_loss": float(-np.log(prediction["probability"][np.arange(len(target)), target]).mean())}


class Network(nn.Module):
    def __init__(self, dropout: float = 0.2, norm: bool = True) -> None:
        super().__init__()
        hidden = [nn.Linear(FEATURES, 16), nn.BatchNorm1d(16) if norm else nn.Identity(), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*hidden, nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, CLASSES))

    def forward(self, numbers: Tensor) -> Tensor:
        return self.layers(numbers)


def _rows(**changes: object) -> Rows:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(ROWS, FEATURES, generator=generator)
    return Rows(x, (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long(), **changes)  # type: ignore[arg-type]


def _state(name: str = "adamw", dtype: torch.dtype = torch.float32, **network: object) -> State:
    torch.manual_seed(3)
    net = Network(**network).to(dtype)  # type: ignore[arg-type]
    settings = OptimPart(name=name, lr=0.01)  # type: ignore[arg-type]
    return State(net, build(net, settings, lr=0.01), Stopper(False, None), Average(net, 0.9), seed=7)


def _evaluate(rows: Rows):
    def evaluate(network: nn.Module) -> dict[str, float]:
        with torch.no_grad():
            return {"log_loss": float(nn.functional.cross_entropy(network(rows.x), rows.y))}

    return evaluate


def _equal(a: State, b: State) -> bool:
    (x, _), (y, _) = a.to_records(), b.to_records()
    return x.keys() == y.keys() and all(torch.equal(x[name], y[name]) for name in x)


def test_same_as_a_loop_by_hand() -> None:
    rows, state = _rows(), _state()
    torch.manual_seed(3)
    twin = Network()
    optimizer = torch.optim.AdamW(
        [{"params": [p for n, p in twin.named_parameters() if p.dim() == 2], "weight_decay": 3e-4},
         {"params": [p for n, p in twin.named_parameters() if p.dim() != 2], "weight_decay": 0.0}], lr=0.01, fused=True,
    )  # fmt: skip
    count = 0
    for epoch in range(4):
        for position in range(len(rows)):
            batch = rows.batch(epoch, position)
            torch.manual_seed(derive(7, "dropout", count))
            nn.functional.cross_entropy(twin(batch.inputs["numbers"]), batch.target).backward()
            optimizer.step()
            optimizer.zero_grad()
            count += 1
    list(fit(state, rows, Classes(), Plan(epochs=4, lr=0.01, score="log_loss"), StepSettings(), _evaluate(rows)))
    for name, tensor in twin.state_dict().items():
        assert torch.equal(state.network.state_dict()[name], tensor), name


def test_records_and_best_weights() -> None:
    rows, state = _rows(), _state()
    records = list(fit(state, rows, Classes(), Plan(epochs=5, lr=0.01, score="log_loss"), StepSettings(), _evaluate(rows)))
    steps = [r for r in records if isinstance(r, StepRecord)]
    epochs = [r for r in records if isinstance(r, EpochRecord)]
    assert [r.step for r in steps] == list(range(1, 16))
    assert [r.epoch for r in epochs] == [1, 2, 3, 4, 5]
    best = min(epochs, key=lambda r: r.score)
    assert state.stopper.best == best.score
    assert state.best is not None
    network = Network()
    network.load_state_dict(state.best)
    assert _evaluate(rows)(network.eval())["log_loss"] == pytest.approx(best.score, abs=1e-6)


def test_stops_when_nothing_is_gained() -> None:
    rows, state = _rows(), _state()
    state.stopper.patience = 3
    scores = iter([1.0, 0.5, 0.6, 0.7, float("nan"), 0.1])
    list(fit(state, rows, Classes(), Plan(epochs=50, lr=0.01, score="s"), StepSettings(), lambda network: {"s": next(scores)}))
    assert state.evaluations == 5
    assert state.stopper.best == 0.5


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("stop", [1, 3, 4, 6, 7])
def test_resumed_equals_uninterrupted(name: str, stop: int, tmp_path) -> None:
    rows, plan = _rows(), Plan(epochs=4, lr=0.01, score="log_loss", factor=lambda state: 1 / (1 + state.step))
    settings = StepSettings(clip=1.0, mixup=0.2, l1=1e-4, max_norm=2.0)
    whole = _state(name)
    list(fit(whole, rows, Classes(), plan, settings, _evaluate(rows)))
    first = _state(name)
    for record in fit(first, rows, Classes(), plan, settings, _evaluate(rows)):
        if isinstance(record, StepRecord) and record.step == stop:
            break
    Checkpoints(tmp_path).save(first, {"history": 1})
    second = _state(name)
    with torch.no_grad():
        for parameter in second.network.parameters():
            parameter.zero_()
    assert Checkpoints(tmp_path).load(second) == {"history": 1}
    list(fit(second, rows, Classes(), plan, settings, _evaluate(rows)))
    assert _equal(whole, second)
    assert (second.evaluations, second.stopper, second.seconds > 0) == (whole.evaluations, whole.stopper, True)
    assert whole.best is not None
    assert second.best is not None
    assert all(torch.equal(whole.best[k], second.best[k]) for k in whole.best)


def _falling(ending: float = 0.5) -> Plan:
    settings = OptimPart(schedule="wsd", warmup=0.0)
    return Plan(
        epochs=50, lr=0.01, score="s", factor=lambda state: schedule.factor(settings, state.step, state.total, state.ending), ending=ending
    )


def test_where_nothing_is_gained_the_rate_falls_from_the_best_weights() -> None:
    rows, state = _rows(), _state()
    state.stopper.patience = 3
    scores, seen = iter([1.0, 0.5, 0.6, 0.7, 0.8, 0.4]), []

    def evaluate(network: nn.Module) -> dict[str, float]:
        seen.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return {"s": next(scores)}

    rates, after = [], None
    for record in fit(state, rows, Classes(), _falling(), StepSettings(), evaluate):
        if isinstance(record, StepRecord):
            rates.append(record.lr)
        elif record.epoch == 5:
            after = {name: tensor.clone() for name, tensor in state.network.state_dict().items()}
    assert len(rates) == 18  # five epochs of three, and half of the six that led to the best weights
    assert rates[:15] == [0.01] * 15
    assert rates[15:] == pytest.approx([0.01, 0.01 * 2 / 3, 0.01 / 3])
    assert after is not None
    assert all(torch.equal(after[name], tensor) for name, tensor in seen[1].items())
    assert state.stopper.best == 0.4
    assert state.best is not None
    assert all(torch.equal(state.best[name], tensor) for name, tensor in seen[-1].items())


@pytest.mark.parametrize("stop", range(1, 19))
def test_resumed_at_any_update_ends_in_the_same_bits(stop: int, tmp_path) -> None:
    course, states = [1.0, 0.5, 0.6, 0.7, 0.8, 0.9], []
    for resumed in (False, True):
        rows, state = _rows(), _state()
        state.stopper.patience = 3
        scores = iter(course)
        records: list[EpochRecord] = []

        def run(state: State, scores=scores, records=records, rows=rows) -> Iterator[StepRecord | EpochRecord]:
            for record in fit(state, rows, Classes(), _falling(), StepSettings(), lambda network: {"s": next(scores)}):
                if isinstance(record, EpochRecord):
                    records.append(record)
                yield record

        for record in run(state):
            if resumed and isinstance(record, StepRecord) and record.step == stop:
                Checkpoints(tmp_path).save(state)
                state = _state()
                state.stopper.patience = 3
                Checkpoints(tmp_path).load(state)
                break
        if resumed:
            list(run(state))
        states.append((state, [(r.epoch, r.step, r.lr, r.score, r.improved) for r in records]))
    assert _equal(states[0][0], states[1][0])
    assert states[0][1] == states[1][1]


def test_the_plan_follows_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Updates that become three times as slow after the plan was made: the rate still falls to its end in time."""
    clock = _Clock()
    monkeypatch.setattr("goodfit.training.loop.time", clock)
    rows, state = _rows(batch_size=2), _state()
    state.stopper.patience = None
    plain = rows.batch

    def batch(epoch: int, position: int) -> Batch:
        clock.now += 1 if epoch == 0 else 3
        return plain(epoch, position)

    monkeypatch.setattr(rows, "batch", batch)
    settings = OptimPart(schedule="wsd", warmup=0.0)
    state.total = 10 * len(rows)
    plan = Plan(
        epochs=100, lr=0.01, score="s", deadline=100 + 10.0 * len(rows), ending=0.5,
        factor=lambda state: schedule.factor(settings, state.step, state.total, state.ending),
    )  # fmt: skip
    rates = [r.lr for r in fit(state, rows, Classes(), plan, evaluate=lambda network: {"s": 1.0}) if isinstance(r, StepRecord)]
    assert clock.now <= 100 + 10 * len(rows) + 3
    assert len(rates) < 5 * len(rows)
    assert rates[-1] <= 0.1 * rates[0]


@pytest.mark.parametrize("parts", [2, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_accumulated_equals_the_large_batch(parts: int, weighted: bool) -> None:
    weight = torch.rand(ROWS, generator=torch.Generator().manual_seed(2)) if weighted else None
    rows, states = _rows(weight=weight), []
    for accumulate in (1, parts):
        state = _state("sgd", torch.float64, dropout=0.0, norm=False)
        rows.x = rows.x.double()
        state.average = None
        list(fit(state, rows, Classes(), Plan(epochs=3, lr=0.05, score="-"), StepSettings(accumulate=accumulate)))
        states.append(state)
    for a, b in zip(states[0].network.parameters(), states[1].network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_a_loss_that_is_not_finite_stops_before_the_update() -> None:
    rows, state = _rows(), _state()
    rows.x[5] = float("nan")
    before = {name: tensor.clone() for name, tensor in state.network.named_parameters()}
    position = next(p for p in range(len(rows)) if 5 in rows.batch(0, p).rows)
    with pytest.raises(TrainingError, match="not finite"):
        step(state, rows.batch(0, position), Classes(), StepSettings(), 0.1)
    assert all(torch.equal(before[name], tensor) for name, tensor in state.network.named_parameters())


def test_damaged_checkpoint_falls_back_and_says_so(tmp_path) -> None:
    rows, state, said = _rows(), _state(), []
    checkpoints = Checkpoints(tmp_path)
    for record in fit(state, rows, Classes(), Plan(epochs=2, lr=0.01, score="log_loss"), StepSettings(), _evaluate(rows)):
        if isinstance(record, StepRecord) and record.step in (2, 4):
            checkpoints.save(state)
    damaged = tmp_path / "last" / "4.safetensors"
    content = bytearray(damaged.read_bytes())
    content[-3] ^= 1
    damaged.write_bytes(content)
    other = _state()
    assert Checkpoints(tmp_path).load(other, said.append) == {}
    assert other.step == 2
    assert "update 4 is damaged" in said[0]
    (tmp_path / "last" / "2.json").write_text("{")
    with pytest.raises(CheckpointError, match="none of the 2"):
        Checkpoints(tmp_path).load(_state())


def test_only_two_checkpoints_are_kept(tmp_path) -> None:
    rows, state = _rows(), _state()
    checkpoints = Checkpoints(tmp_path)
    for record in fit(state, rows, Classes(), Plan(epochs=4, lr=0.01, score="log_loss"), StepSettings(), _evaluate(rows)):
        if isinstance(record, StepRecord):
            checkpoints.save(state)
    assert sorted(p.name for p in (tmp_path / "last").iterdir()) == ["11.json", "11.safetensors", "12.json", "12.safetensors"]
    assert len(list((tmp_path / "best").iterdir())) <= 2


@pytest.mark.parametrize("name", ["step", "cosine", "one-cycle", "wsd"])
def test_schedules_reach_the_optimiser(name: str) -> None:
    rows, state, settings = _rows(), _state(), OptimPart(schedule=name, lr=0.01)  # type: ignore[arg-type]
    plan = Plan(epochs=4, lr=0.01, score="log_loss", factor=lambda state: schedule.factor(settings, state.step, 12))
    rates = [r.lr for r in fit(state, rows, Classes(), plan) if isinstance(r, StepRecord)]
    assert rates == [0.01 * schedule.factor(settings, s, 12) for s in range(12)]
    assert len(set(rates)) > 1


class _Clock:
    """Time that passes only where the test lets it."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize("after", [0.0, 2.0, 5.0])
@pytest.mark.parametrize("evaluation", [0.5, 3.0])
def test_training_ends_in_time_for_what_comes_after_it(after: float, evaluation: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update takes a second, an evaluation some; with the work after it, all of it fits before the deadline."""
    clock = _Clock()
    monkeypatch.setattr("goodfit.training.loop.time", clock)
    rows, state = _rows(batch_size=2), _state()
    plain = rows.batch

    def batch(epoch: int, position: int) -> Batch:
        clock.now += 1
        return plain(epoch, position)

    def evaluate(network: nn.Module) -> dict[str, float]:
        clock.now += evaluation
        return {"log_loss": 1.0}

    monkeypatch.setattr(rows, "batch", batch)
    plan = Plan(epochs=50, lr=0.01, score="log_loss", deadline=180.0, valid_rows=2, after=after)
    records = list(fit(state, rows, Classes(), plan, evaluate=evaluate))
    assert isinstance(records[-1], EpochRecord)
    assert state.best is not None
    assert clock.now + after * evaluation <= 180 + 1  # the update that was under way
    assert clock.now + (after + 1.25) * evaluation + 3 >= 180 - evaluation  # and not much earlier


def test_a_training_that_has_barely_begun_is_not_judged_by_its_first_updates() -> None:
    rows, state = _rows(), _state()
    plan = Plan(epochs=3, lr=0.01, score="log_loss", deadline=float("inf"), valid_rows=10**9, after=10.0)
    assert sum(isinstance(record, StepRecord) for record in fit(state, rows, Classes(), plan, evaluate=_evaluate(rows))) == 3 * len(rows)
