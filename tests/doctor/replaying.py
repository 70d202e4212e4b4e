"""A small interpreter of what a recorder keeps, and what its tests share."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.doctor.program import Backward, Clip, Data, Node, Part, Program, Tape, Value, Weight, Zero, replaced
from goodfit.doctor.record import Recorder

Run = Callable[[], Any]


class Replay:
    """Runs the events of a program on copies of its networks."""

    def __init__(self, program: Program) -> None:
        memo: dict[int, Any] = {}
        self.networks = [copy.deepcopy(network, memo) for network in program.networks]
        self.loose = [loose.detach().clone().requires_grad_(loose.requires_grad) for loose in program.loose]
        self.optimizers = [
            use.kind(
                [{**options, "params": [self.weight(w) for w in group]} for group, options in zip(use.groups, use.options, strict=True)]
            )
            for use in program.optimizers
        ]
        self.answers: dict[int, Any] = {}  # of calls that a later tape uses too
        self.differences: list[float] = []  # of each loss from the recorded one
        self.program = program

    def weight(self, weight: Weight) -> Tensor:
        if weight.network < 0:
            return self.loose[int(weight.name)]
        return self.networks[weight.network].get_parameter(weight.name)

    def module(self, part: Part) -> nn.Module:
        return self.networks[part.network].get_submodule(part.path)

    def run(self) -> Replay:
        events = self.program.events
        seen = [{node.serial for node in event.tape.nodes} if isinstance(event, Backward) else set() for event in events]
        pending: list[Any] = []
        for number, event in enumerate(events):
            later = set().union(*seen[number + 1 :])
            pending.append(event)
            if isinstance(event, Zero):
                self.zero(event)
            elif isinstance(event, Clip):
                weights = [self.weight(w) for w in event.weights] or [w for network in self.networks for w in network.parameters()]
                if event.kind == "norm":
                    nn.utils.clip_grad_norm_(weights, event.limit, event.norm)
                else:
                    nn.utils.clip_grad_value_(weights, event.limit)
            elif isinstance(event, Backward):
                self.backward(event, later)
            else:
                optimizer = self.optimizers[event.optimizer]
                for group, rate in zip(optimizer.param_groups, event.rates, strict=True):
                    group["lr"] = rate
                if event.closure:
                    again = [one for one in pending if isinstance(one, Zero | Backward)]
                    fresh = [True]

                    def closure(again: list[Any] = again, fresh: list[bool] = fresh) -> Tensor:
                        loss = self.last
                        if not fresh.pop(0) if fresh else True:
                            for one in again:
                                if isinstance(one, Zero):
                                    self.zero(one)
                                else:
                                    loss = self.backward(one, set())
                        return loss

                    optimizer.step(closure)
                else:
                    optimizer.step()
                pending = []
        return self

    def zero(self, event: Zero) -> None:
        if event.optimizer is not None:
            self.optimizers[event.optimizer].zero_grad(event.to_none)
            return
        for module in [self.module(part) for part in event.parts] or self.networks:
            module.zero_grad(event.to_none)
        if not event.parts:
            for loose in self.loose:
                loose.grad = None

    def backward(self, event: Backward, later: set[int]) -> Tensor:
        values = self.tape(event.tape, later)
        assert event.tape.root is not None
        self.last: Tensor = event.tape.root.of(values)
        self.last.backward(retain_graph=bool(later & {node.serial for node in event.tape.nodes}))
        self.differences.append(float(self.last.detach()) - event.tape.loss)
        return self.last

    def tape(self, tape: Tape, later: set[int]) -> list[Any]:
        data = [one.detach().requires_grad_(one.requires_grad) for one in tape.data]
        values: list[Any] = []
        for node in tape.nodes:
            if node.serial not in self.answers:
                result = self.node(node, tape, values, data)
                if node.serial in later:
                    self.answers[node.serial] = result
            else:
                result = self.answers[node.serial]
            values.append(result)
        self.answers = {serial: answer for serial, answer in self.answers.items() if serial in later}
        return values

    def node(self, node: Node, tape: Tape, values: list[Any], data: list[Tensor]) -> Any:
        def tensor(leaf: Value | Data | Weight) -> Tensor:
            if isinstance(leaf, Value):
                return leaf.of(values)
            return data[leaf.number] if isinstance(leaf, Data) else self.weight(leaf)

        args, kwargs = replaced((node.args, node.kwargs), (Value, Data, Weight), tensor)
        run = node.call
        if isinstance(run, Part):
            run = self.module(run).train(bool(node.training))
            for (network, path), mode in tape.modes.items():
                self.module(Part(network, path)).training = mode
        with torch.set_grad_enabled(node.grad), torch.autocast(*node.autocast) if node.autocast else nullcontext():
            return run(*args, **kwargs)


def repeats(run: Run) -> Program:
    """Runs a program under a recorder, and its recording, and asks for the same bits."""
    torch.manual_seed(0)
    with Recorder() as recorder:
        run()
    program = recorder.program()
    replay = Replay(program).run()
    assert program.updates == len(program.cycles()) > 1
    for network, final in zip(replay.networks, program.finals, strict=True):
        assert state_of(network) == state_of(final)
    for loose, final in zip(replay.loose, program.loose_finals, strict=True):
        assert torch.equal(loose.detach(), final.detach())
    assert all(difference == 0 for difference in replay.differences)
    moved = any(state_of(network) != state_of(final) for network, final in zip(program.networks, program.finals, strict=True))
    assert moved or any(not torch.equal(a, b) for a, b in zip(program.loose, program.loose_finals, strict=True))
    assert not program.said
    return program


def state_of(network: nn.Module) -> dict[str, list[float]]:
    return {name: tensor.detach().flatten().tolist() for name, tensor in network.state_dict().items()}


def rows(n: int = 48, features: int = 5, classes: int = 3) -> tuple[Tensor, Tensor]:
    return torch.randn(n, features), torch.randint(classes, (n,))


def mlp(*widths: int) -> nn.Sequential:
    layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])
