"""What a recorder keeps is enough to run a program again: an interpreter of forty lines, written here, ends with the same weights, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.doctor.replaying import Replay, mlp, repeats, rows, state_of
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, TensorDataset

from goodfit.doctor.program import Backward, Clip, Update, Weight, Zero
from goodfit.doctor.record import Recorder


def test_an_mlp_with_momentum() -> None:
    def program() -> None:
        x, y = rows()
        model = mlp(5, 8, 3)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
        criterion = nn.CrossEntropyLoss()
        for _ in range(2):
            for batch, label in DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(batch), label)
                loss.backward()
                optimizer.step()

    found = repeats(program)
    assert [type(event) for event in found.cycles()[0]] == [Zero, Backward, Update]
    backward = found.events[1]
    assert isinstance(backward, Backward)
    assert [node.name for node in backward.tape.nodes] == ["network 0", "cross_entropy"]
    assert [list(one.shape) for one in backward.tape.data] == [[16, 5], [16]]
    assert found.loaders[0].shuffles
    assert (found.loaders[0].batch_size, found.loaders[0].rows) == (16, 48)
    assert set(found.places) == {"model", "loader", "loss", "backward", "step", "forward"}


class Digits(nn.Module):
    """A network with batch norm, in two parts."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.head = nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).flatten(1))


def test_a_convolutional_network_with_batch_norm_adamw_and_clipping() -> None:
    def program() -> None:
        x, y = torch.randn(24, 1, 8, 8), torch.randint(3, (24,))
        model = Digits()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        for _ in range(2):
            model.train()
            for start in range(0, 24, 8):
                loss = F.cross_entropy(model(x[start : start + 8] * 2 + 1), y[start : start + 8])
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5)
                optimizer.step()
            schedule.step()

    found = repeats(program)
    assert any(isinstance(event, Clip) and event.limit == 0.5 for event in found.events)
    assert len({rates for _, rates in found.rates}) == 1
    assert [node.name for node in next(e for e in found.events if isinstance(e, Backward)).tape.nodes] == ["network 0", "cross_entropy"]


class Words(nn.Module):
    """Packs its sentences inside."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.lstm = nn.LSTM(6, 7, batch_first=True, bidirectional=True)
        self.out = nn.Linear(14, 2)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.embed(tokens), lengths, batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(packed)
        return self.out(torch.cat([hidden[0], hidden[1]], 1))


def test_a_classifier_of_packed_sequences() -> None:
    def program() -> None:
        tokens, lengths, labels = torch.randint(20, (12, 9)), torch.randint(1, 10, (12,)), torch.randint(2, (12,))
        model = Words()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            loss = F.nll_loss(F.log_softmax(model(tokens, lengths=lengths), dim=1), labels)
            loss.backward()
            optimizer.step()

    assert len(repeats(program).networks) == 1


def test_packing_outside_of_the_parts() -> None:
    def program() -> None:
        tokens, lengths, labels = torch.randint(20, (12, 9)), torch.randint(1, 10, (12,)), torch.randint(2, (12,))
        lengths[0] = 9
        model = Words()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(3):
            packed = pack_padded_sequence(model.embed(tokens), lengths, batch_first=True, enforce_sorted=False)
            states, sizes = pad_packed_sequence(model.lstm(packed)[0], batch_first=True)
            loss = F.cross_entropy(model.out(states.sum(1) / sizes[:, None]), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    found = repeats(program)
    assert len(found.networks) == 3


def test_an_encoder_and_a_decoder_with_two_optimisers() -> None:
    def program() -> None:
        x = torch.randn(10, 6, 4)
        encoder, decoder = nn.GRU(4, 5, batch_first=True), nn.GRUCell(4, 5)
        out = nn.Linear(5, 4)
        one = torch.optim.Adam([*encoder.parameters(), *out.parameters()], lr=0.01)
        two = torch.optim.SGD(decoder.parameters(), lr=0.1)
        for _ in range(3):
            _, hidden = encoder(x)
            hidden = hidden.squeeze(0)
            told = torch.zeros(10, 6, 4)
            last = torch.zeros(10, 4)
            for t in range(6):
                hidden = decoder(last, hidden)
                last = out(hidden)
                told[:, t] = last
                last = last.detach()
            loss = ((told - x.flip(1)) ** 2).mean()
            one.zero_grad()
            two.zero_grad()
            loss.backward()
            one.step()
            two.step()

    found = repeats(program)
    assert len(found.networks) == 3
    assert [event.optimizer for event in found.events if isinstance(event, Update)][:2] == [0, 1]


def test_a_loss_by_hand_with_a_penalty_on_the_weights() -> None:
    def program() -> None:
        x = torch.randn(30, 4)
        y = x @ torch.tensor([1.0, -2.0, 0.5, 0.0])
        model = mlp(4, 6, 1)
        optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
        for start in range(0, 30, 10):
            answer = model(x[start : start + 10]).squeeze(1)
            loss = (answer - y[start : start + 10]).abs().clamp(max=3).pow(2).mean()
            loss += 0.01 * sum(weight.pow(2).sum() for weight in model.parameters())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    found = repeats(program)
    tape = next(event for event in found.events if isinstance(event, Backward)).tape
    assert {leaf.name for node in tape.nodes for leaf in node.args if isinstance(leaf, Weight)} == {
        "0.weight",
        "0.bias",
        "2.weight",
        "2.bias",
    }


def test_a_gan() -> None:
    def program() -> None:
        real = torch.randn(32, 2) + 3
        generator = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
        critic = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
        of_generator = torch.optim.Adam(generator.parameters(), lr=1e-2, betas=(0.5, 0.999))
        of_critic = torch.optim.Adam(critic.parameters(), lr=1e-2, betas=(0.5, 0.999))
        criterion = nn.BCEWithLogitsLoss()
        for start in range(0, 32, 8):
            batch = real[start : start + 8]
            fake = generator(torch.randn(8, 3))
            critic.zero_grad()
            criterion(critic(batch), torch.ones(8, 1)).backward()
            criterion(critic(fake.detach()), torch.zeros(8, 1)).backward()
            of_critic.step()
            generator.zero_grad()
            answer = critic(fake)
            criterion(answer, torch.ones_like(answer)).backward()
            of_generator.step()

    found = repeats(program)
    assert [type(event).__name__ for event in found.events[:7]] == ["Zero", "Backward", "Backward", "Update", "Zero", "Backward", "Update"]
    names = [type(network[1]).__name__ for network in found.networks]  # type: ignore[index]
    zeros = [event.parts for event in found.events if isinstance(event, Zero)]
    assert [names[part.network] for parts in zeros[:2] for part in parts] == ["LeakyReLU", "BatchNorm1d"]
    assert not [event for event in found.events if isinstance(event, Update) and not event.moved]


def test_a_gradient_penalty() -> None:
    def program() -> None:
        real = torch.randn(16, 2)
        critic, generator = mlp(2, 8, 1), mlp(3, 8, 2)
        optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
        for _ in range(3):
            with torch.no_grad():
                fake = generator(torch.randn(16, 3))
            between = torch.rand(16, 1)
            mixed = (between * real + (1 - between) * fake).requires_grad_(True)
            (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
            loss = critic(fake).mean() - critic(real).mean() + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    found = repeats(program)
    assert not found.evaluations, "what a backward used is no evaluation"


def test_gathered_gradients() -> None:
    def program() -> None:
        x, y = rows()
        model = mlp(5, 8, 3)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for number, start in enumerate(range(0, 48, 8)):
            (F.cross_entropy(model(x[start : start + 8]), y[start : start + 8]) / 3).backward()
            if number % 3 == 2:
                optimizer.step()
                optimizer.zero_grad(set_to_none=False)

    found = repeats(program)
    assert [event.inherited for event in found.events if isinstance(event, Backward)] == [False, True, True, False, True, True]


def test_forward_called_by_its_name() -> None:
    def program() -> None:
        x, y = torch.randn(16, 1, 8, 8), torch.randint(3, (16,))
        model = Digits()
        optimizer = torch.optim.Adam(model.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(model.forward(x), y).backward()
            optimizer.step()

    assert len(repeats(program).networks) == 2


def test_all_rows_at_once_are_copied_once() -> None:
    def program() -> None:
        x, y = rows()
        model = mlp(5, 8, 3)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    found = repeats(program)
    data = [event.tape.data[0] for event in found.events if isinstance(event, Backward)]
    assert len(data) == 4
    assert len({one.data_ptr() for one in data}) == 1


def test_parameters_outside_of_modules() -> None:
    def program() -> None:
        x = torch.randn(20, 3)
        y = x @ torch.tensor([1.0, 2.0, 3.0]) + 1
        w = torch.zeros(3, requires_grad=True)
        b = nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([w, b], lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            ((x @ w + b - y) ** 2).mean().backward()
            optimizer.step()

    found = repeats(program)
    assert [list(loose.shape) for loose in found.loose] == [[3], [1]]
    assert found.networks == []


@pytest.mark.parametrize("style", ["no_grad", "data", "asked"])
def test_gradient_descent_by_hand(style: str) -> None:
    def program() -> None:
        x, y = rows()
        model = mlp(5, 8, 3)
        for _ in range(4):
            loss = F.cross_entropy(model(x), y)
            if style == "asked":
                slopes = torch.autograd.grad(loss, list(model.parameters()))
                with torch.no_grad():
                    for weight, slope in zip(model.parameters(), slopes, strict=True):
                        weight.sub_(slope, alpha=0.05)
                continue
            loss.backward()
            if style == "data":
                for weight in model.parameters():
                    assert weight.grad is not None
                    weight.data.add_(weight.grad, alpha=-0.05)
                    weight.grad = None
            else:
                with torch.no_grad():
                    for weight in model.parameters():
                        assert weight.grad is not None
                        weight.sub_(weight.grad, alpha=0.05)
                        weight.grad.zero_()

    found = repeats(program)
    assert found.optimizers[0].kind is torch.optim.SGD
    assert {rates for _, rates in found.rates} == {(0.05,)}
    assert len(found.losses) == 4
    kinds = [type(event) for event in found.events]
    assert kinds[-5:] == [Zero, Backward, Update, Zero, Backward] or kinds[-3:] == [Zero, Backward, Update]


def test_lbfgs_and_its_closure() -> None:
    def program() -> None:
        x, y = rows()
        model = mlp(5, 4, 3)
        optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)

    torch.manual_seed(0)
    with Recorder() as recorder:
        program()
    found = recorder.program()
    assert [type(event) for event in found.events] == [Zero, Backward, Update] * 3
    assert all(event.closure for event in found.events if isinstance(event, Update))
    assert len(found.losses) > 3
    assert any("several times" in sentence for sentence in found.said)
    replay = Replay(found).run()
    assert state_of(replay.networks[0]) == state_of(found.finals[0])


def test_tied_weights_of_two_networks_stay_tied() -> None:
    def program() -> None:
        x = torch.randint(10, (6, 5))
        embed, head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
        head.weight = embed.weight
        optimizer = torch.optim.SGD(embed.parameters(), lr=0.5)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(head(embed(x[:, :-1])).flatten(0, 1), x[:, 1:].flatten()).backward()
            optimizer.step()

    found = repeats(program)
    assert found.networks[0].weight is found.networks[1].weight


def test_a_trial_call_before_the_weights_are_set() -> None:
    def program() -> None:
        x, y = torch.randn(16, 1, 8, 8), torch.randint(3, (16,))
        model = Digits()
        model.body(x)
        model(x)
        for weight in model.parameters():
            weight.data.normal_(0, 0.3)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    assert len(repeats(program).networks) == 1, "a part that was called alone is a part"


def test_a_lazy_network() -> None:
    def program() -> None:
        x, y = rows()
        model = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(3))
        model(x[:1])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    repeats(program)


def test_a_language_model_whose_state_goes_on() -> None:
    def program() -> None:
        text = torch.randint(8, (4, 19))
        embed, lstm, head = nn.Embedding(8, 5), nn.LSTM(5, 6, batch_first=True), nn.Linear(6, 8)
        optimizer = torch.optim.Adam([*embed.parameters(), *lstm.parameters(), *head.parameters()])
        state: Any = None
        for start in range(0, 18, 6):
            out, state = lstm(embed(text[:, start : start + 6]), state)
            state = tuple(part.detach() for part in state)
            loss = F.cross_entropy(head(out).transpose(1, 2), text[:, start + 1 : start + 7])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    found = repeats(program)
    sizes = [len(event.tape.nodes) for event in found.events if isinstance(event, Backward)]
    assert sizes[1] == sizes[2], "a step does not carry the calls of those before it"


def test_mixed_precision_with_a_scaler() -> None:
    def program() -> None:
        x, y = rows()
        model = mlp(5, 8, 3)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
        scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        for _ in range(3):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()

    repeats(program)


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        return slope * 3


def test_an_own_function_several_losses_and_changes_in_place() -> None:
    def program() -> None:
        x, y = rows()
        model = mlp(5, 8, 3)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        mask = torch.rand(48, 3) < 0.2
        for _ in range(3):
            optimizer.zero_grad()
            logits = Double.apply(model(x))
            assert isinstance(logits, Tensor)
            logits = logits * 1
            logits[:, 0] += 1
            logits.masked_fill_(mask, -3.0)
            view = logits.view(-1)
            view.mul_(0.5)
            torch.autograd.backward([F.cross_entropy(logits, y), logits.pow(2).mean()])
            (model(x) ** 2).backward(gradient=torch.full((48, 3), 0.01))
            optimizer.step()

    repeats(program)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert torch.overrides._get_current_function_mode() is None
