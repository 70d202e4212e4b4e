"""Networks for series against torch.nn on each series alone, and what they learn in seconds."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit.base.errors import InputError, SettingError
from goodfit.models.series import SeriesForecaster, SeriesRNN


def test_series_network_is_torchs_lstm_on_each_series_alone() -> None:
    torch.manual_seed(0)
    network = SeriesRNN(3, 4, width=5, depth=2).double().eval()
    reference = nn.LSTM(3, 5, 2, batch_first=True, bidirectional=True).double()
    with torch.no_grad():
        for suffix, stack in (("", network.encoder.layers.ahead), ("_reverse", network.encoder.layers.back)):
            for level, own in enumerate(stack):
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    reference.get_parameter(f"{name}_l{level}{suffix}").copy_(own.get_parameter(f"{name}_l0"))
    series, lengths = torch.randn(3, 6, 3, dtype=torch.float64), torch.tensor([6, 1, 4])
    for row, length, out in zip(series, lengths.tolist(), network(series=series, lengths=lengths), strict=True):
        states, (hidden, _) = reference(row[None, :length])
        pooled = torch.cat([states[0].amax(0), states[0].mean(0), hidden[-2, 0], hidden[-1, 0]])
        torch.testing.assert_close(out, pooled @ network.head.weight.T + network.head.bias)
    torch.testing.assert_close(network(series=series), network(series=series, lengths=torch.tensor([6, 6, 6])))


def test_chunks_give_the_same_network() -> None:
    torch.manual_seed(0)
    whole, parts = SeriesRNN(3, 4, width=5, dropout=0.0), SeriesRNN(3, 4, width=5, dropout=0.0, chunk=4)
    parts.load_state_dict(whole.state_dict())
    series, lengths = torch.randn(3, 11, 3), torch.tensor([11, 2, 7])
    outs = [network(series=series, lengths=lengths) for network in (whole, parts)]
    torch.testing.assert_close(*outs)
    for out in outs:
        out.square().sum().backward()
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


def test_forecasters_start_as_naive_forecasts() -> None:
    series = torch.randn(2, 7, 3, dtype=torch.float64)
    for start, season, wanted in [
        ("zero", None, torch.zeros(2, 5, 2, dtype=torch.float64)),
        ("last", None, series[:, 6:, :2].expand(2, 5, 2)),
        ("mean", None, series[:, :, :2].mean(1, keepdim=True).expand(2, 5, 2)),
        ("season", 3, series[:, [4, 5, 6, 4, 5], :2]),
        ("season", 1, series[:, 6:, :2].expand(2, 5, 2)),
    ]:
        network = SeriesForecaster(3, 5, targets=2, start=start, season=season, width=4).double().eval()
        torch.testing.assert_close(network(window=series).unflatten(1, (5, 2)), wanted, msg=f"{start}, {season}")


def test_a_normalised_forecast_moves_with_the_level_and_the_scale() -> None:
    torch.manual_seed(0)
    network = SeriesForecaster(2, 4, targets=2, width=5).double().eval()
    nn.init.normal_(network.head.weight)
    series = torch.randn(3, 9, 2, dtype=torch.float64)
    level, scale = torch.tensor([500.0, -3.0]).double(), torch.tensor([40.0, 7.0]).double()
    wanted = network(window=series).unflatten(1, (4, 2)) * scale + level
    found = network(window=series * scale + level).unflatten(1, (4, 2))
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)  # but for the 1e-5 beside the variance
    plain = SeriesForecaster(2, 4, targets=2, width=5, normalise=False).double().eval()
    plain.load_state_dict(network.state_dict())
    assert not torch.allclose(plain(window=series * scale + level).unflatten(1, (4, 2)), wanted, rtol=1e-2)


def test_plain_channels_are_read_as_they_are() -> None:
    torch.manual_seed(0)
    network = SeriesForecaster(3, 4, plain=1, length=9, width=5).double().eval()
    for part in (network.head, network.straight):
        nn.init.normal_(part.weight)
    window = torch.randn(2, 9, 3, dtype=torch.float64)
    moved = window * torch.tensor([3.0, 0.2, 1.0]).double() + torch.tensor([50.0, -3.0, 0.0]).double()
    torch.testing.assert_close(network(window=moved), 3 * network(window=window) + 50, rtol=1e-3, atol=1e-3)
    flagged = window + torch.tensor([0.0, 0.0, 1.0]).double()
    assert not torch.allclose(network(window=flagged), network(window=window), rtol=1e-2)


def test_the_straight_part_is_a_linear_map_of_the_scaled_window() -> None:
    torch.manual_seed(0)
    network = SeriesForecaster(2, 3, start="zero", normalise=False, length=6, width=4).double().eval()
    nn.init.normal_(network.straight.weight)
    window = torch.randn(5, 6, 2, dtype=torch.float64)
    torch.testing.assert_close(network(window=window), window[:, :, 0] @ network.straight.weight.T)
    with pytest.raises(InputError, match=r"forecaster expects \[B, 6, 2\] and got \[5, 4, 2\]"):
        network(window=window[:, :4])


def test_a_constant_window_goes_on() -> None:
    network = SeriesForecaster(1, 3, width=4)
    nn.init.normal_(network.head.weight)
    out = network(window=torch.full((1, 6, 1), 1e3))
    assert (out - 1e3).abs().max() < 1


def test_a_wave_is_learned() -> None:
    torch.manual_seed(0)
    begin, level = torch.rand(64, 1) * 6, torch.randn(64, 1) * 10
    wave = torch.sin(begin + torch.arange(20) * 0.5) + level
    series, coming = wave[:, :16, None], wave[:, 16:]
    network = SeriesForecaster(1, 4, width=16, dropout=0.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(80):
        loss = (network(window=series) - coming).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]


def test_which_series_rose_is_learned_at_any_length() -> None:
    torch.manual_seed(0)
    lengths = torch.randint(3, 12, (64,))
    rising = torch.rand(64) < 0.5
    steps = torch.arange(12) * torch.where(rising, 0.1, -0.1)[:, None] + torch.randn(64, 1)
    series = torch.where(torch.arange(12) < lengths[:, None], steps, 99.0)[:, :, None]
    network = SeriesRNN(1, 1, width=16, depth=1, cell="gru", dropout=0.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-2)
    for _ in range(60):
        loss = nn.functional.binary_cross_entropy_with_logits(network(series=series, lengths=lengths)[:, 0], rising.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": "lst"}, "start must be one of zero, mean, last, season; 'lst' was given; did you mean 'last'"),
        ({"start": "season"}, "season, in steps, belongs to start='season' and to no other; got start='season' and season=None"),
        ({"season": 4}, "got start='last' and season=4"),
        ({"start": "season", "season": 0}, "got start='season' and season=0"),
        ({"targets": 4}, "the first of 3; targets=4 was given"),
        ({"cell": "cnn"}, "cell must be one of rnn, rnn_relu, lstm, gru; 'cnn' was given"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        SeriesForecaster(3, 5, **settings)  # type: ignore[arg-type]


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(InputError, match=r"series network expects \[B, T, 3\] and got \[2, 5, 4\]"):
        SeriesRNN(3, 2)(series=torch.zeros(2, 5, 4))
    with pytest.raises(InputError, match=r"series network's lengths expects \[B\] and got \[2, 1\]"):
        SeriesRNN(3, 2)(series=torch.zeros(2, 5, 3), lengths=torch.ones(2, 1))
    with pytest.raises(InputError, match=r"forecaster expects \[B, 4 or more, 3\] and got \[2, 3, 3\]"):
        SeriesForecaster(3, 2, start="season", season=4)(window=torch.zeros(2, 3, 3))
