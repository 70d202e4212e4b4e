"""`data.labels-wrong`: constant, impossible, renamed, moved, exchanged targets; and data in which nothing is to be found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tests.doctor.faults.made import examined, made, net
from torch import nn

from goodfit.doctor.faults.data_labels_wrong import suspect
from goodfit.doctor.program import Place


def rows(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=generator)
    return x, (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long()


def test_targets_that_are_all_the_same() -> None:
    x, y = rows(200, 1)
    suspicion, proof = examined(suspect, made(net(6, 4), x, y // 10, epochs=3, judged=rows(100, 2)))
    assert suspicion is not None
    assert suspicion.evidence["different_targets"] == 1
    assert suspicion.evidence["different_targets_judged"] == 4
    assert proof is not None


def test_targets_that_are_the_same_in_every_batch_of_equal_size() -> None:
    """They look like a number of the program's then, and not like data that go by rows."""
    x, y = rows(192, 1)
    suspicion, proof = examined(suspect, made(net(6, 4), x, y // 10, epochs=3))
    assert suspicion is not None
    assert proof is not None


def test_a_contrast_with_the_first_place_is_on_purpose() -> None:
    from dataclasses import replace

    from goodfit.doctor.program import Backward, Data, Node, Part, Value

    x, y = rows(192, 1)
    program = made(net(6, 4), x, y // 10, epochs=3)
    events = []
    for event in program.events:
        if isinstance(event, Backward):
            first, last = event.tape.nodes
            square = Node(torch.matmul, (Value(0), Data(2)), {})
            tape = replace(
                event.tape,
                nodes=(first, square, Node(last.call, (Value(1), Data(1)), {})),
                root=Value(2),
                data=(*event.tape.data, torch.eye(4)),
            )
            event = replace(event, tape=tape)
        events.append(event)
    program.events = events
    assert isinstance(program.events[1].tape.nodes[0].call, Part)  # type: ignore[union-attr]
    suspicion, _ = examined(suspect, program)
    assert suspicion is None


def test_a_centre_for_all_rows_is_on_purpose() -> None:
    x, _ = rows(200, 1)
    suspicion, _ = examined(suspect, made(net(6, 3), x, torch.full((200, 3), 0.7), loss=nn.functional.mse_loss, epochs=3))
    assert suspicion is None


def test_divided_one_hot_targets() -> None:
    x, y = rows(300, 1)
    program = made(net(6, 4), x, nn.functional.one_hot(y, 4).float() / 255, epochs=6, optimizer=torch.optim.SGD, options={"lr": 0.1})
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert "sum to" in suspicion.message
    assert proof is not None


def test_labels_of_one_and_two() -> None:
    x, y = rows(300, 1)
    labels = (y > 1).float().unsqueeze(1) + 1
    program = made(net(6, 1), x, labels, loss=nn.functional.binary_cross_entropy_with_logits, epochs=6)
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.3


def test_classes_numbered_otherwise_for_the_judged_rows() -> None:
    given, wanted = rows(300, 2)
    program = made(net(6, 4), *rows(500, 1), epochs=8, judged=(given, torch.tensor([2, 3, 1, 0])[wanted]))
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.5


@pytest.mark.parametrize("shuffled", [False, True])
def test_targets_moved_by_one_row(shuffled: bool) -> None:
    """In the training rows' own order, or, where that is lost by shuffling, in the judged rows'."""
    x, y = rows(700, 1)
    y = y.roll(1)
    suspicion, proof = examined(suspect, made(net(6, 4), x[:500], y[:500], epochs=6, shuffled=shuffled, judged=(x[500:], y[500:])))
    assert suspicion is not None
    assert "moved by 1 row" in suspicion.message
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.3


def test_training_targets_shuffled_and_judged_ones_intact() -> None:
    x, y = rows(500, 1)
    program = made(net(6, 4), x, y[torch.randperm(500, generator=torch.Generator().manual_seed(5))], epochs=6, judged=rows(300, 2))
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert "by themselves" in suspicion.message
    assert proof is not None


def test_targets_exchanged_within_each_batch() -> None:
    x, y = rows(300, 1)
    generator = torch.Generator().manual_seed(5)
    program = made(net(6, 4), x, y, epochs=8, targets=lambda given: given[torch.randperm(len(given), generator=generator)])
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert suspicion.evidence["inputs_with_several_targets"] > 0.5
    assert proof is not None
    assert proof.confidence > 0.9


SHUFFLED = "import torch\nx, y = load()\nx = x[torch.randperm(len(x))]\nmodel = make()\nfor rows in torch.randperm(len(x)).split(8):\n    step(x[rows], y[rows])\n"
TOGETHER = "import torch\nx, y = load()\norder = torch.randperm(len(x))\nx, y = x[order], y[order]\nmodel = make()\n"


@pytest.mark.parametrize(("text", "named"), [(SHUFFLED, True), (TOGETHER, False)])
def test_only_the_source_tells_shuffled_targets_from_no_signal(text: str, named: bool, tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "train.py"
    file.write_text(text)
    x, y = rows(400, 1)
    y = y[torch.randperm(400, generator=torch.Generator().manual_seed(5))]
    suspicion, proof = examined(suspect, made(net(6, 4), x, y, epochs=4, places={"model": Place(str(file), 4)}))
    assert (suspicion is not None) is named
    if named:
        assert suspicion is not None
        assert suspicion.evidence["line"] == 3
        assert proof is not None
        assert proof.remedy is not None
        assert proof.remedy.source is not None
        assert proof.remedy.source().before == "x = x[torch.randperm(len(x))]"


def healthy() -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    x, y = rows(400, 1)
    yield "plain", x, y
    generator = torch.Generator().manual_seed(0)
    walk = torch.randn(420, generator=generator)
    windows = walk.unfold(0, 6, 1)[:400]
    yield "the next step of a random walk", windows, (walk[6:406] > 0).long()


@pytest.mark.parametrize(("x", "y"), [one[1:] for one in healthy()], ids=[one[0] for one in healthy()])
def test_sound_pairings_are_acquitted(x: torch.Tensor, y: torch.Tensor) -> None:
    suspicion, proof = examined(suspect, made(net(6, 4), x, y, epochs=5, shuffled=False))
    assert suspicion is None or proof is None


def test_judged_rows_of_another_kind_are_no_other_pairing() -> None:
    """The training rows tell about each other, so their pairing is intact; the judged ones have their columns in another order, or classes never taught."""
    x, y = rows(700, 1)
    suspicion, _ = examined(suspect, made(net(6, 4), x[:400], y[:400], epochs=8, judged=(x[400:].roll(2, 1), y[400:])))
    assert suspicion is None
    order = y.argsort()
    x, y = x[order], y[order]
    cut = int((y < 2).sum())
    suspicion, _ = examined(suspect, made(net(6, 4), x[:cut], y[:cut], epochs=8, judged=(x[cut:], y[cut:])))
    assert suspicion is None


def test_inputs_that_are_taught_by_one_rule_and_judged_by_another() -> None:
    generator = torch.Generator().manual_seed(3)
    known = torch.randn(400, 2, generator=generator)
    x, held = (known[torch.randint(0, len(known), (count,), generator=generator)] for count in (600, 300))

    def third(rows: torch.Tensor, column: int) -> torch.Tensor:
        return torch.bucketize(rows[:, column].contiguous(), torch.tensor([-0.4, 0.4]))

    suspicion, proof = examined(suspect, made(net(2, 3), x, third(x, 0), epochs=10, judged=(held, third(held, 1))))
    assert suspicion is not None
    assert suspicion.evidence["inputs_judged_by_targets_that_were_not_taught"] >= 0.5
    assert proof is not None
    suspicion, _ = examined(suspect, made(net(2, 3), x, third(x, 0), epochs=10, judged=(held, third(held, 0))))
    assert suspicion is None
