"""The recorder leaves a program as it is, sees its faults in their order, finds its evaluations, and stays within its bounds."""

from __future__ import annotations

import os
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.doctor.recording import file_of, kinds, loop, mlp, names, record, rows
from torch import nn
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks
from torch.utils.data import DataLoader, TensorDataset

from goodfit.base.errors import InputError
from goodfit.doctor import program as recorded
from goodfit.doctor.program import Backward, Clip, Update, Zero
from goodfit.doctor.record import Recorder

PATCHED = {
    "__call__", "__init__", "__next__", "zero_grad", "backward", "apply", "scale", "step", "update", "unscale_", "clip_grad_norm_", "clip_grad_value_",
    "compile", "functional_call", "showwarning",
}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Torch is as it was, whatever a test did."""
    owners: list[Any] = [
        nn.Module, torch.optim.Optimizer, DataLoader, torch.utils.data.dataloader._BaseDataLoaderIter, torch.autograd, torch.autograd.Function,
        torch.nn.utils, torch.nn.utils.clip_grad, torch.amp.grad_scaler.GradScaler, torch, torch.func, torch.nn.utils.stateless, warnings,
    ]  # fmt: skip
    before = [dict(vars(owner)) for owner in owners]
    hooks = _global_optimizer_pre_hooks, _global_optimizer_post_hooks
    yield
    for owner, patched in zip(owners, before, strict=True):
        now = vars(owner)
        # torch itself exchanges some of its own when it first compiles
        assert {
            name for name in PATCHED if name in patched and now[name] is not patched[name] and "goodfit" in file_of(now[name])
        } == set(), owner
    assert [len(hook) for hook in hooks] == [0, 0]
    assert torch.overrides._get_current_function_mode() is None


def test_gradients_that_are_never_zeroed() -> None:
    found = record(loop("bs"))
    assert kinds(found) == "Backward Update Backward Update Backward Update"
    assert [event.inherited for event in found.events if isinstance(event, Backward)] == [False, True, True]


def test_zeroed_between_backward_and_step() -> None:
    found = record(loop("bzs"))
    assert kinds(found) == " ".join(["Backward Zero Update"] * 3)
    assert [event.moved for event in found.events if isinstance(event, Update)] == [False] * 3


def test_a_step_before_its_backward() -> None:
    found = record(loop("sfzb"))
    assert kinds(found) == " ".join(["Update Zero Backward"] * 3)
    assert [event.moved for event in found.events if isinstance(event, Update)] == [False, True, True]


def test_no_step_at_all() -> None:
    found = record(loop("zb"))
    assert kinds(found) == " ".join(["Zero Backward"] * 3)
    assert found.updates == 0
    assert found.cycles() == []
    assert len(found.losses) == 3


def test_a_rate_of_zero_moves_nothing() -> None:
    def run() -> None:
        x, y = rows()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    assert [event.moved for event in record(run).events if isinstance(event, Update)] == [False, False]


def test_clipping_by_value_and_by_hand() -> None:
    found = record(loop("zbcs"))
    assert next(event for event in found.events if isinstance(event, Clip)).limit == 0.1

    def run() -> None:
        x, y = rows()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            for weight in model.parameters():
                assert weight.grad is not None
                weight.grad.data.clamp_(-0.25, 0.25)
            optimizer.step()

    found = record(run)
    assert kinds(found) == "Zero Backward Clip Update Zero Backward Clip Update"
    assert {(event.kind, event.limit) for event in found.events if isinstance(event, Clip)} == {("value", 0.25)}


def test_gradients_zeroed_by_hand_before_the_step() -> None:
    def run() -> None:
        x, y = rows()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            F.cross_entropy(model(x), y).backward()
            for weight in model.parameters():
                weight.grad = None
            optimizer.step()

    found = record(run)
    assert kinds(found) == "Backward Zero Update Backward Zero Update"
    zero = found.events[1]
    assert isinstance(zero, Zero)
    assert zero.place is not None
    assert zero.place.function == "run"


def test_eval_mode_in_training_and_a_part_of_its_own_mode() -> None:
    found = record(loop("zbs", prepare=lambda model: model.eval()))
    tapes = [event.tape for event in found.events if isinstance(event, Backward)]
    assert [node.training for tape in tapes for node in tape.nodes] == [False, None] * 3
    assert found.evaluations == []

    def freeze(model: nn.Module) -> None:
        model[2].eval()  # type: ignore[index]

    found = record(loop("zbs", prepare=freeze))
    tapes = [event.tape for event in found.events if isinstance(event, Backward)]
    assert [dict(tape.modes) for tape in tapes] == [{(0, "2"): False}] * 3


def test_frozen_weights_and_weights_that_the_optimiser_does_not_know() -> None:
    def run() -> None:
        x, y = rows()
        model = mlp()
        model[0].weight.requires_grad_(False)
        optimizer = torch.optim.SGD([{"params": model[3].parameters(), "lr": 0.2}, {"params": [model[0].bias]}], lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    found = record(run)
    assert [weight.requires_grad for weight in found.networks[0].parameters()] == [False, True, True, True]
    assert [[weight.name for weight in group] for group in found.optimizers[0].groups] == [["3.weight", "3.bias"], ["0.bias"]]
    assert found.rates == [(0, (0.2, 0.1))] * 2
    assert not found.said


def test_a_loss_without_its_graph() -> None:
    def run() -> None:
        x, y = rows()
        model = mlp()
        for _ in range(2):
            loss = F.cross_entropy(model(x).detach().requires_grad_(), y)
            loss.backward()

    found = record(run)
    tape = next(event for event in found.events if isinstance(event, Backward)).tape
    assert [node.name for node in tape.nodes] == ["network 0", "detach", "requires_grad_", "cross_entropy"]


# Evaluations


def test_evaluations_hold_what_was_done_with_the_answers() -> None:
    def run() -> None:
        x, y = rows()
        tx, ty = rows(12)
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            model.train()
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            model.eval()
            correct, total = torch.zeros(()), 0.0
            with torch.no_grad():
                for bx, by in DataLoader(TensorDataset(tx, ty), batch_size=4):
                    answer = model(bx)
                    total += F.cross_entropy(answer, by, reduction="sum").item()
                    correct += (answer.argmax(1) == by).sum()

    found = record(run)
    assert [one.after for one in found.evaluations] == [1, 3]
    first = found.evaluations[0].tapes
    assert [node.name for node in first[0].nodes] == [
        "network 0",
        "cross_entropy",
        "argmax",
        "__eq__",
        "sum",
        "clone",
        "add_",
    ]
    assert len(first) == 3
    assert all(tape.nodes[0].training is False and not tape.nodes[0].grad for tape in first)
    assert [sorted(list(one.shape) for one in tape.data) for tape in first][2] == [[], [4], [4, 5]]
    assert found.evaluations[0].place is not None


def test_an_evaluation_with_gradients_on_and_one_whose_score_comes_later() -> None:
    def run() -> None:
        x, y = rows()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            model.train()
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            model.eval()
            (model(x).argmax(1) == y).float().mean()
        with torch.inference_mode():
            answer = model(x[:7])
        F.mse_loss(answer, answer + 1)

    found = record(run)
    assert names(found) == [
        [["network 0", "argmax", "__eq__", "float", "mean"]],
        [["network 0", "argmax", "__eq__", "float", "mean"], ["network 0", "add", "mse_loss"]],
    ]
    assert not any(one.is_inference() for tape in found.evaluations[1].tapes for one in tape.data)


def test_an_evaluation_is_seen_after_recording_has_ended() -> None:
    def run() -> None:
        x, y = rows()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(20):
            model.train()
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            if epoch % 5 == 4:
                model.eval()
                with torch.no_grad():
                    F.cross_entropy(model(x[: epoch + 1]), y[: epoch + 1])

    found = record(run, keep_updates=7)
    assert [one.after for one in found.evaluations] == [5, 20]
    assert names(found) == [[["network 0", "cross_entropy"]]] * 2
    assert [list(one.shape) for one in found.evaluations[1].tapes[0].data] == [[20, 5], [20]]
    assert (len(found.cycles()), found.updates, len(found.losses)) == (7, 20, 20)


def test_of_evaluations_that_come_again_some_are_kept_and_the_last_of_another_line_always() -> None:
    def run() -> None:
        x, y = rows()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(100):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            if step < 97:
                with torch.no_grad():
                    model(x[:step]).argmax(1)
        with torch.no_grad():
            model(x[:3]).argmax(1)

    for keep in (256, 10):
        found = record(run, keep_updates=keep)
        assert [one.after for one in found.evaluations] == [1, 100]
        assert [list(one.shape) for one in found.evaluations[1].tapes[0].data] == [[3, 5]]


def test_an_evaluation_keeps_at_most_64_tapes() -> None:
    def run() -> None:
        x, y = rows()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            with torch.no_grad():
                for _ in range(80):
                    model(torch.randn(2, 5)).softmax(1)

    assert [len(one.tapes) for one in record(run).evaluations] == [64, 64]


# The program as without


def plain(keep: list[Any]) -> None:
    x, y = rows(64)
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(3):
        for bx, by in DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True):
            optimizer.zero_grad()
            loss = F.cross_entropy(F.dropout(model(bx), 0.1), by, label_smoothing=0.1)
            loss.backward()
            keep.append(float(nn.utils.clip_grad_norm_(model.parameters(), 1.0)))
            optimizer.step()
            keep.append(loss.item())
        with torch.no_grad():
            keep.append(model(x).argmax(1).tolist())
    keep.extend(weight.tolist() for weight in model.state_dict().values())
    keep.append(torch.get_rng_state().tolist())


@pytest.mark.parametrize("keep_updates", [256, 5])
def test_the_program_ends_with_the_same_bits(keep_updates: int) -> None:
    without: list[Any] = []
    torch.manual_seed(3)
    plain(without)
    within: list[Any] = []
    torch.manual_seed(3)
    with Recorder(keep_updates=keep_updates) as recorder:
        plain(within)
    assert within == without
    assert recorder.program().losses == [value for value in without[1:24:2] if isinstance(value, float)] or recorder.updates == 12


def test_errors_pass_through_and_leave_nothing() -> None:
    model = mlp()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as caught, Recorder():
        model(torch.randn(2, 7))
    assert any(frame.name == "test_errors_pass_through_and_leave_nothing" for frame in traceback.extract_tb(caught.value.__traceback__))
    with Recorder() as recorder:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with pytest.raises(ZeroDivisionError):
            optimizer.step(lambda: 1 / 0)
        for _ in range(2):
            optimizer.zero_grad()
            model(torch.randn(2, 5)).sum().backward()
            optimizer.step()
    assert kinds(recorder.program()) == "Zero Backward Update Zero Backward Update"


def test_what_tensors_answer_stays_what_it_was() -> None:
    def run() -> list[Any]:
        x, _ = rows()
        model = mlp()
        answer = model(x)
        first, *rest = answer
        return [
            type(answer), answer.shape, len(rest), first.sum().item() == first.detach().sum().item(), f"{answer.mean():.3f}" != "", answer.T.shape,
            answer.detach().numpy().shape, bool((answer == answer).all()), repr(answer).startswith("tensor("), answer.is_leaf, answer[0, 0].item() > -9,
        ]  # fmt: skip

    torch.manual_seed(0)
    expected = run()
    torch.manual_seed(0)
    with Recorder():
        assert run() == expected


def test_a_warning_names_the_line_of_the_user() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        seen: list[str] = []
        show = warnings.showwarning
        try:
            warnings.showwarning = lambda message, category, filename, *rest, **more: seen.append(filename)
            with Recorder():
                model = nn.Linear(2, 3)
                F.mse_loss(model(torch.ones(4, 2)), torch.ones(4, 1))
        finally:
            warnings.showwarning = show
    assert [os.path.basename(file) for file in seen] == [os.path.basename(__file__)]


def test_one_recorder_at_a_time() -> None:
    with Recorder(), pytest.raises(InputError, match="one begins"), Recorder():
        pass
    with Recorder():
        pass


@pytest.mark.parametrize(
    ("run", "word"),
    [
        (lambda: None, "no torch network was called"),
        (lambda: mlp()(torch.randn(2, 5)), "computed no gradient"),
    ],
)
def test_a_program_that_trains_nothing(run: Callable[[], Any], word: str) -> None:
    with Recorder() as recorder:
        run()
    with pytest.raises(InputError, match=word):
        recorder.program()


def test_other_threads_and_processes_are_not_recorded() -> None:
    def elsewhere() -> None:
        model = nn.Linear(5, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            model(torch.randn(3, 5)).sum().backward()
            optimizer.step()

    def run() -> None:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        x, y = rows()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for bx, by in DataLoader(TensorDataset(x, y), batch_size=16, num_workers=1):
            optimizer.zero_grad()
            F.cross_entropy(model(bx), by).backward()
            optimizer.step()
        thread.join()

    found = record(run)
    assert (found.updates, len(found.networks), len(found.losses), len(found.optimizers)) == (2, 1, 2, 1)


# Bounds


def test_data_are_kept_up_to_a_bound_and_losses_go_on() -> None:
    batch = 64 * 5 * 4 + 64 * 8

    def run() -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(40):
            x, y = rows(64)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    found = record(run, keep_bytes=10 * batch)
    kept = sum(one.nbytes for event in found.events if isinstance(event, Backward) for one in event.tape.data)
    assert 9 * batch <= kept <= 11 * batch
    assert (found.updates, len(found.losses), len(found.rates)) == (40, 40, 40)


def test_what_nobody_recorded_is_not_kept() -> None:
    with Recorder() as recorder:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            model(torch.randn(1000, 5)).mean()
        model(torch.randn(4, 5)).mean().backward()
        optimizer.step()
        assert recorder.budget.bytes == 4 * 5 * 4


def test_after_the_recording_the_mode_is_off_in_training() -> None:
    seen: list[bool] = []
    with Recorder(keep_updates=2):
        x, y = rows()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            seen.append(torch.overrides._get_current_function_mode() is None)
        with torch.no_grad():
            model(x).sum()
        seen.append(torch.overrides._get_current_function_mode() is None)
        model(x).sum().backward()
        seen.append(torch.overrides._get_current_function_mode() is None)
    assert seen == [False, True, True, True, False, True]


# Made before, and other ways to call


def test_a_model_and_an_optimiser_that_were_made_before() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    other = torch.optim.SGD(model.parameters(), lr=0.2)
    x, y = rows()
    with Recorder(networks=[model], optimizers=[optimizer]) as recorder:
        for one in (optimizer, other):
            one.zero_grad()
            F.cross_entropy(model(x), y).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            one.step()
    found = recorder.program()
    assert [use.options[0]["lr"] for use in found.optimizers] == [0.1, 0.2]
    assert [event.optimizer for event in found.events if isinstance(event, Update)] == [0, 1]
    assert "model" not in found.places
    assert found.finals[0] is model


def test_places_are_lines_of_the_user(tmp_path: Any) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import torch\n"
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.body = nn.Sequential(nn.Linear(3, 4), nn.Tanh())\n"
        "        self.head = nn.Linear(4, 1)\n"
        "    def forward(self, x):\n"
        "        return self.head(self.body(x))\n"
        "net = Net()\n"
        "optimizer = torch.optim.SGD(\n"
        "    net.parameters(), lr=0.1)\n"
        "def error(a, b):\n"
        "    return (a - b).pow(2).mean()\n"
        "for _ in range(2):\n"
        "    answer = net(torch.ones(2, 3))\n"
        "    loss = error(answer, torch.zeros(2, 1))\n"
        "    optimizer.zero_grad()\n"
        "    loss.backward()\n"
        "    optimizer.step()\n"
    )
    found = record(lambda: exec(compile(script.read_text(), str(script), "exec"), {"__name__": "__main__"}), root=tmp_path)
    lines = {name: place.line for name, place in found.places.items()}
    assert lines == {"model": 10, "forward": 16, "loss": 14, "backward": 19, "step": 20}
    assert found.places["loss"] == recorded.Place(str(script), 14, "error")
    assert found.optimizers[0].place is not None
    assert found.optimizers[0].place.line == 11
    assert {event.place.line for event in found.events if isinstance(event, Zero) and event.place} == {18}


def test_the_mode_of_updates_that_are_not_kept() -> None:
    def run() -> None:
        x, y = rows()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for number in range(12):
            if number == 6:
                model.eval()
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    found = record(run, keep_updates=4)
    assert (found.updates, found.late_in_eval) == (12, 0.75)
    assert record(run).late_in_eval == 0, "all of them were kept"


def test_a_head_exchanged_between_two_trainings() -> None:
    x, y = rows()
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))

    def train(optimizer: torch.optim.Optimizer, targets: torch.Tensor) -> None:
        for _ in range(4):
            optimizer.zero_grad()
            F.cross_entropy(model(x), targets).backward()
            optimizer.step()

    def run() -> None:
        train(torch.optim.SGD(model.parameters(), lr=0.1), y)
        model[2] = nn.Linear(8, 6)
        train(torch.optim.SGD(model[2].parameters(), lr=0.1), y + 3)

    found = record(run)
    assert kinds(found) == "Zero Backward Update " * 3 + "Zero Backward Update", "the second training alone"
    assert (found.anew, found.updates, len(found.rates)) == (True, 4, 4)
    assert found.networks[0][2].out_features == 6
    assert torch.equal(found.networks[0][0].weight, found.finals[0][0].weight), "the body as the first training left it"
    assert not torch.equal(found.networks[0][2].weight, found.finals[0][2].weight)
    assert found.optimizers[found.events[-1].optimizer].groups[0][0] == recorded.Weight(0, "2.weight")  # type: ignore[union-attr]
