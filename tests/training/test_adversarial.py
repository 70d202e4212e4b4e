"""The game of two networks: the same weights as a loop by hand, and as one that was stopped at any record."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodfit.base.errors import TrainingError
from goodfit.base.recipe import OptimPart
from goodfit.base.streams import torch_stream
from goodfit.data.batches import Batches
from goodfit.data.encoded import Encoded
from goodfit.models.gan import DCDiscriminator, DCGenerator
from goodfit.optim.average import Average
from goodfit.optim.build import build
from goodfit.tasks.generation import GAMES
from goodfit.training.adversarial import Contest, ContestRecord, Course, RoundRecord, play, settle
from goodfit.training.checkpoint import Checkpoints
from goodfit.training.state import State, Stopper

IMAGE, SIZE, SEED = (1, 8, 8), 5, 3
INPUTS = {"image": {"column": "i", "channels": 1, "height": 8, "width": 8, "mean": [0.5], "std": [0.5]}}


def batches(rows: int = 20) -> Batches:
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (rows, *IMAGE), np.uint8))
    encoded = Encoded({"image": pixels}, None, None, rows)
    return Batches(encoded, torch.arange(rows), batch_size=6, seed=SEED, shuffle=True, drop_last=True, inputs=INPUTS)


def networks(name: str) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return DCGenerator(IMAGE, noise=SIZE, width=4), DCDiscriminator(IMAGE, width=4, norm=GAMES[name].norm)


def contest(name: str, patience: int | None = None) -> Contest:
    generator, rival = networks(name)
    settings = OptimPart(name="adam", weight_decay=0.0, beta1=GAMES[name].beta1, beta2=GAMES[name].beta2)
    players = [
        State(network, build(network, settings, lr=0.01), Stopper(False, patience), average, seed=SEED)
        for network, average in ((generator, Average(generator, 0.9)), (rival, None))
    ]
    return Contest(players[0], players[1], SIZE)


def evaluate(network: nn.Module) -> dict[str, float]:
    """A number that hangs on every weight and on batch norm's statistics."""
    assert not network.training
    noise = torch.randn(4, SIZE, generator=torch.Generator().manual_seed(9))
    return {"frechet_distance": float(network(noise=noise).detach().square().sum())}


COURSE = Course(epochs=6, lr=0.01, score="frechet_distance", evaluate_every=5)


@pytest.mark.parametrize("name", list(GAMES))
def test_the_weights_of_a_loop_by_hand(name: str) -> None:
    """Goodfellow's and Gulrajani's algorithms written down with torch's own Adam and cross-entropies."""
    game, made = GAMES[name], contest(name)
    for _ in play(made, batches(), game, COURSE, evaluate):
        pass
    generator, rival = networks(name)
    betas = (game.beta1, game.beta2)
    adams = [torch.optim.Adam(network.parameters(), lr=0.01, betas=betas) for network in (generator, rival)]
    given, entropy = batches(), nn.BCEWithLogitsLoss()
    for step in range(18):  # six passes of three batches
        real = given.batch(step // 3, step % 3).inputs["image"]
        stream = torch_stream(SEED, "noise", step)
        fake = generator(noise=torch.randn(6, SIZE, generator=stream)).detach()
        yes, no = rival(image=real), rival(image=fake)
        if name == "wasserstein":
            loss = no.mean() - yes.mean()
            share = torch.rand(6, generator=stream).view(6, 1, 1, 1)
            between = (share * real + (1 - share) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(rival(image=between).sum(), between, create_graph=True)
            loss = loss + 10 * (slope.flatten(1).norm(dim=1) - 1).square().mean()
        else:
            loss = entropy(yes, torch.ones(6, 1)) + entropy(no, torch.zeros(6, 1))
        adams[1].zero_grad()
        loss.backward()
        adams[1].step()
        if (step + 1) % (5 if name == "wasserstein" else 1) == 0:
            said = rival(image=generator(noise=torch.randn(6, SIZE, generator=stream)))
            hers = {
                "original": lambda said: -entropy(said, torch.zeros(6, 1)),
                "non-saturating": lambda said: entropy(said, torch.ones(6, 1)),
                "wasserstein": lambda said: -said.mean(),
            }[name](said)
            adams[0].zero_grad()
            hers.backward()
            adams[0].step()
    for network, own in ((generator, made.generator.network), (rival, made.discriminator.network)):
        for wanted, found in zip(network.parameters(), own.parameters(), strict=True):
            torch.testing.assert_close(found, wanted, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("stop", [1, 4, 7, 8, 13])
@pytest.mark.parametrize("name", ["non-saturating", "wasserstein"])
def test_stopped_at_any_record_and_resumed_it_ends_in_the_same_bits(name: str, stop: int, tmp_path: Path) -> None:
    whole = contest(name)
    records = list(play(whole, batches(), GAMES[name], COURSE, evaluate))
    first, checkpoints = contest(name), Checkpoints(tmp_path)
    for number, _ in enumerate(play(first, batches(), GAMES[name], COURSE, evaluate), start=1):
        if number == stop:
            checkpoints.save(first, {})
            break
    second = contest(name)
    assert Checkpoints(tmp_path).load(second) == {}
    rest = list(play(second, batches(), GAMES[name], COURSE, evaluate))
    assert len(rest) == len(records) - stop
    for one, other in ((whole.generator, second.generator), (whole.discriminator, second.discriminator)):
        assert all(torch.equal(tensor, other.network.state_dict()[key]) for key, tensor in one.network.state_dict().items())
    assert whole.best is not None
    assert second.best is not None
    assert all(torch.equal(tensor, second.best[key]) for key, tensor in whole.best.items())
    scores = [[r.score for r in told if isinstance(r, ContestRecord)] for told in (records, rest)]
    assert scores[0][-len(scores[1]) :] == scores[1]


def test_what_is_told() -> None:
    told = list(play(contest("wasserstein"), batches(), GAMES["wasserstein"], COURSE, evaluate))
    rounds = [record for record in told if isinstance(record, RoundRecord)]
    assert isinstance(told[0], ContestRecord)  # the untrained generator is judged first
    assert [record.step for record in rounds] == list(range(1, 19))
    assert [record.step for record in rounds if record.generator_loss is not None] == [5, 10, 15]
    assert [record.step for record in told if isinstance(record, ContestRecord)] == [0, 5, 10, 15, 18]
    assert [record.epoch for record in rounds] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]


def test_nothing_gained_and_no_time_end_it() -> None:
    scores = iter([3.0, 2.0, 2.5, 2.5])
    told = list(
        play(contest("original", patience=2), batches(), GAMES["original"], COURSE, lambda network: {"frechet_distance": next(scores)})
    )
    assert told[-1].step == 15
    late = Course(epochs=6, lr=0.01, score="frechet_distance", evaluate_every=5, deadline=0.0)
    told = list(play(contest("original"), batches(), GAMES["original"], late, evaluate))
    assert [record.step for record in told if isinstance(record, ContestRecord)] == [0, 1]


def test_a_loss_that_is_not_finite_is_named_before_the_update() -> None:
    made = contest("non-saturating")
    with torch.no_grad():
        next(made.discriminator.network.parameters()).fill_(float("nan"))
    before = copy.deepcopy(made.generator.network.state_dict())
    with pytest.raises(
        TrainingError, match=r"the loss of the discriminator in round 1 \(epoch 1, rows .*\) is nan, not finite; lower optim.lr"
    ):
        list(play(made, batches(), GAMES["non-saturating"], COURSE, evaluate))
    names = [name for name, _ in made.generator.network.named_parameters()]
    assert all(torch.equal(before[name], made.generator.network.state_dict()[name]) for name in names)


def test_settled_statistics_are_those_of_the_weights_as_they_are() -> None:
    made = contest("original")
    network = made.generator.network
    settle(made)
    norm = network.layers[1]  # type: ignore[index]
    kept: dict[str, Tensor] = {}
    network.layers[0].register_forward_hook(lambda module, given, out: kept.update(out=out))  # type: ignore[index]
    network.eval()(noise=torch.randn(4_000, SIZE, generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(norm.running_mean, kept["out"].mean((0, 2, 3)), rtol=0, atol=0.05 * float(kept["out"].detach().std()))
    torch.testing.assert_close(norm.running_var, kept["out"].var((0, 2, 3)), rtol=0.1, atol=0)
    assert norm.momentum == 0.1
