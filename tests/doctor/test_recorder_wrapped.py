"""The recorder beside networks that are compiled, wrapped, hold the loop or give their own loss, and what it says that it cannot see."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.doctor.recording import file_of, kinds, mlp, record, rows
from tests.doctor.replaying import Replay, state_of
from torch import Tensor, nn
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks
from torch.utils.data import DataLoader

from goodfit.doctor.program import Backward, Part
from goodfit.doctor.replay import Copies, run_tape
from goodfit.doctor.supervised import supervised

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


def test_compiled_wrapped_and_scripted_networks() -> None:
    def run(wrap: Callable[[nn.Module], Any]) -> Callable[[], None]:
        def program() -> None:
            x, y = rows()
            model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
            wrapped = wrap(model)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for _ in range(2):
                optimizer.zero_grad()
                F.cross_entropy(wrapped(x), y).backward()
                optimizer.step()

        return program

    wraps: list[Callable[[nn.Module], Any]] = [
        lambda model: torch.compile(model, backend="eager", fullgraph=True),
        nn.DataParallel,
    ]
    for wrap in wraps:
        found = record(run(wrap))
        assert isinstance(found.networks[0], nn.Sequential)
        assert kinds(found) == "Zero Backward Update Zero Backward Update"
        assert [weight.name for weight in found.optimizers[0].groups[0]] == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_what_cannot_be_seen_is_said() -> None:
    def run() -> None:
        x, y = rows()
        model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        step = torch.compile(lambda a: model(a).relu(), backend="eager")
        target = nn.Linear(5, 3)
        for number in range(4):
            optimizer.zero_grad()
            if number == 3:
                F.cross_entropy(step(x), y).backward()
            else:
                torch.func.vmap(model)(x[None])
                F.cross_entropy(model(x), y).backward()
            optimizer.step()
            with torch.no_grad():
                target.weight.mul_(0.9).add_(model[0].weight[:3], alpha=0.1)

    found = record(run)
    said = " ".join(found.said)
    for word in ("torch.compile", "torch.func", "weights are changed by hand", "could not be followed"):
        assert word in said
    assert kinds(found).count("Backward") == 3


def test_a_network_that_holds_what_cannot_be_copied() -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lock = threading.Lock()
            self.inner = torch.nn.utils.parametrizations.weight_norm(nn.Linear(5, 3))
            self.seen: Tensor | None = None

        def forward(self, x: Tensor) -> Tensor:
            with self.lock:
                self.seen = self.inner(x)
                return self.seen

    def run() -> None:
        x, y = rows()
        model = Holder()
        model(x)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    found = record(run)
    assert not found.said
    assert found.networks[0].lock is found.finals[0].lock
    assert not torch.equal(next(found.networks[0].parameters()), next(found.finals[0].parameters()))


def test_a_module_that_holds_the_loop() -> None:
    class Trainer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp()
            self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)

        def forward(self, x: Tensor, y: Tensor) -> float:
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.net(x), y)
            loss.backward()
            self.optimizer.step()
            return loss.item()

    def run() -> None:
        trainer = Trainer()
        for _ in range(4):
            trainer(*rows())

    found = record(run)
    assert kinds(found) == " ".join(["Zero Backward Update"] * 3)
    assert any("holds the training loop" in sentence for sentence in found.said)
    assert isinstance(found.networks[0], nn.Sequential)


def test_a_network_that_gives_its_own_loss() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits = self.net(x)
            return {"logits": logits, "loss": F.cross_entropy(logits, labels)}

    def run() -> None:
        x, y = rows()
        model = Own()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            model(x, labels=y)["loss"].backward()
            optimizer.step()

    found = record(run)
    first, second = [event.tape for event in found.events if isinstance(event, Backward)]
    assert first.root is not None
    assert (first.root.node, first.root.path) == (0, ("loss",))
    assert first.nodes[0].call == Part(0)
    assert set(first.nodes[0].kwargs) == {"labels"}
    assert [node.call if isinstance(node.call, Part) else node.name for node in second.nodes] == [Part(0, "net"), "cross_entropy"]
    assert len(found.networks) == 1
    replay = Replay(found).run()
    assert replay.differences == [0.0, 0.0]
    assert state_of(replay.networks[0]) == state_of(found.finals[0])


def test_a_network_that_gives_its_own_loss_is_read_as_rows() -> None:
    class Speaker(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(9, 6)
            self.body = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])
            self.shift = nn.Parameter(torch.zeros(6))

        def forward(self, words: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
            states = self.embed(words) + self.shift
            for layer in self.body:
                states = states + layer(states).relu()
            logits = states @ self.embed.weight.T
            return logits, None if labels is None else F.cross_entropy(logits.flatten(0, 1), labels.flatten())

    def run() -> None:
        words = torch.randint(9, (40, 5))
        model = Speaker()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(4):
            for some in torch.randperm(32).split(8):
                optimizer.zero_grad()
                _, loss = model(words[some, :-1], words[some, 1:])
                assert loss is not None
                loss.backward()
                optimizer.step()
        model.eval()
        with torch.no_grad():
            (model(words[32:, :-1])[0].argmax(-1) == words[32:, 1:]).float().mean()

    found = record(run)
    replay = Replay(found).run()
    assert max(map(abs, replay.differences)) == 0
    assert state_of(replay.networks[0]) == state_of(found.finals[0])
    view = supervised(found)
    assert (view.kind, len(view.trained)) == ("classes", 32)
    assert view.evaluated[0].count == 8


def test_parts_that_are_exchanged_begin_another_program() -> None:
    def run() -> None:
        x = torch.randn(20, 5)
        model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for classes, steps in ((2, 5), (6, 3)):
            if classes == 6:
                model[2] = nn.Linear(4, 6)
                optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
            for _ in range(steps):
                optimizer.zero_grad()
                F.cross_entropy(model(x), torch.arange(20) % classes).backward()
                optimizer.step()

    found = record(run)
    assert (found.updates, len(found.losses), len(found.optimizers)) == (3, 3, 1)
    assert kinds(found) == " ".join(["Zero Backward Update"] * 3)
    assert found.networks[0][2].out_features == 6
    assert any("exchanged" in sentence for sentence in found.said)
    assert found.rates == [(0, (0.2,))] * 3
    replay = Replay(found).run()
    assert state_of(replay.networks[0]) == state_of(found.finals[0])


def test_the_precision_is_repeated() -> None:
    def run() -> None:
        x, y = rows()
        model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(model(x).float(), y)
            loss.backward()
            optimizer.step()

    found = record(run)
    tape = next(event for event in found.events if isinstance(event, Backward)).tape
    assert {node.autocast for node in tape.nodes} == {("cpu", torch.bfloat16)}
    assert float(run_tape(tape, Copies(found.networks)).detach()) == tape.loss


def test_losses_that_a_scaler_enlarges_are_told_as_they_are_to_the_end() -> None:
    def run() -> None:
        x, y = rows()
        model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        for _ in range(4):
            optimizer.zero_grad()
            scaler.scale(F.cross_entropy(model(x), y)).backward()
            scaler.step(optimizer)
            scaler.update()

    found = record(run, keep_updates=2)
    assert (len(found.losses), found.updates) == (4, 4)
    assert max(found.losses) == min(found.losses) < 10
