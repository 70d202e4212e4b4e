"""Autoencoders and the networks of a GAN: the catalogue's promises, and what each is made for."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.base.files import read_tensors, write_tensors
from goodfit.models.autoencoder import Autoencoder, ConvAutoencoder
from goodfit.models.gan import DCDiscriminator, DCGenerator, MLPDiscriminator, MLPGenerator

# network, its settings, the name and shape of a row that it takes, the shape of a row that it gives
CASES: dict[str, tuple[type[nn.Module], dict[str, Any], str, tuple[int, ...], tuple[int, ...]]] = {
    "autoencoder": (Autoencoder, {"shape": 7, "code": 3, "width": 8}, "numbers", (7,), (7,)),
    "autoencoder, linear": (Autoencoder, {"shape": 7, "code": 3, "depth": 0}, "numbers", (7,), (7,)),
    "autoencoder, linear, tied": (Autoencoder, {"shape": 7, "code": 3, "depth": 0, "tied": True}, "numbers", (7,), (7,)),
    "autoencoder, tied, noise": (
        Autoencoder,
        {"shape": 7, "code": 3, "width": 8, "depth": 2, "tied": True, "noise": 0.3},
        "numbers",
        (7,),
        (7,),
    ),
    "autoencoder, image": (Autoencoder, {"shape": (2, 5, 4), "code": 3, "width": 8, "masking": 0.3}, "image", (2, 5, 4), (2, 5, 4)),
    "convolutional": (ConvAutoencoder, {"image": (1, 28, 28), "code": 5, "width": 4}, "image", (1, 28, 28), (1, 28, 28)),
    "convolutional, odd sides": (
        ConvAutoencoder,
        {"image": (3, 13, 21), "code": 5, "width": 4, "noise": 0.1},
        "image",
        (3, 13, 21),
        (3, 13, 21),
    ),
    "convolutional, tiny": (ConvAutoencoder, {"image": (3, 4, 5), "code": 5, "width": 4}, "image", (3, 4, 5), (3, 4, 5)),
    "generator, 28": (DCGenerator, {"image": (1, 28, 28), "noise": 6, "width": 4}, "noise", (6,), (1, 28, 28)),
    "generator, 32": (DCGenerator, {"image": (3, 32, 32), "noise": 6, "width": 4}, "noise", (6,), (3, 32, 32)),
    "generator, 64": (DCGenerator, {"image": (3, 64, 64), "noise": 6, "width": 2}, "noise", (6,), (3, 64, 64)),
    "generator, numbers": (MLPGenerator, {"shape": 2, "noise": 6, "width": 8}, "noise", (6,), (2,)),
    "generator, tiny image": (MLPGenerator, {"shape": (1, 8, 8), "noise": 6, "width": 8}, "noise", (6,), (1, 8, 8)),
    "discriminator, 28": (DCDiscriminator, {"image": (1, 28, 28), "width": 4}, "image", (1, 28, 28), (1,)),
    "discriminator, 32, layer": (DCDiscriminator, {"image": (3, 32, 32), "width": 4, "norm": "layer"}, "image", (3, 32, 32), (1,)),
    "discriminator, 64, none": (DCDiscriminator, {"image": (3, 64, 64), "width": 4, "norm": "none"}, "image", (3, 64, 64), (1,)),
    "discriminator, numbers": (MLPDiscriminator, {"shape": 2, "width": 8}, "numbers", (2,), (1,)),
    "discriminator, tiny image": (MLPDiscriminator, {"shape": (1, 8, 8), "width": 8}, "image", (1, 8, 8), (1,)),
}
NOISY = [
    case for case, (_, settings, *_) in CASES.items() if (settings.get("noise") and "generator" not in case) or settings.get("masking")
]


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Iterator[str]:
    with torch.random.fork_rng():
        yield request.param


def build(case: str, seed: int = 0) -> nn.Module:
    network, settings, *_ = CASES[case]
    torch.manual_seed(seed)
    return network(**settings)


def batch(case: str, rows: int = 6, seed: int = 0) -> dict[str, Tensor]:
    _, _, name, shape, _ = CASES[case]
    return {name: torch.randn(rows, *shape, generator=torch.Generator().manual_seed(seed))}


def trained(case: str) -> nn.Module:
    network = build(case)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    network.train()
    for seed in range(3):
        network(**batch(case, 16, seed))
    return network.eval()


@pytest.mark.parametrize("rows", [0, 1, 2, 6])
def test_shape_and_finite(case: str, rows: int) -> None:
    out = trained(case)(**batch(case, rows))
    assert out.shape == (rows, *CASES[case][4])
    assert out.isfinite().all()
    if "generator" in case and "numbers" not in case:
        assert (out.abs() <= 1).all()


def test_a_single_row_can_be_trained_on(case: str) -> None:
    network = build(case).train()
    network(**batch(case, 1)).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_gradients_reach_every_parameter(case: str) -> None:
    network = build(case).train()
    for seed in range(3):
        network(**batch(case, 32, seed)).sin().square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.count_nonzero() > 0, name


def test_a_rows_output_depends_on_that_row_alone(case: str) -> None:
    network = trained(case).double()
    ((name, x),) = batch(case).items()
    x = x.double()
    whole = network(**{name: x})
    torch.testing.assert_close(torch.cat([network(**{name: row[None]}) for row in x]), whole)
    torch.testing.assert_close(network(**{name: x.flip(0)}).flip(0), whole)


def test_training_differs_from_evaluation_only_by_noise_and_batch_norm(case: str) -> None:
    network, inputs = trained(case), batch(case)
    quiet = network(**inputs)
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    assert torch.equal(network(**inputs), quiet) == (case not in NOISY)
    if case in NOISY:
        network.corrupt.noise = network.corrupt.masking = 0.0  # type: ignore[union-attr]
        assert torch.equal(network(**inputs), quiet)


def test_evaluation_draws_nothing_and_changes_nothing(case: str) -> None:
    network, inputs = trained(case), batch(case)
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    given = {name: tensor.clone() for name, tensor in inputs.items()}
    assert torch.equal(network(**inputs), network(**inputs))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    network.train()(**inputs).sum().backward()
    assert all(torch.equal(inputs[name], tensor) for name, tensor in given.items())


def test_a_network_and_a_step_are_functions_of_the_seed(case: str) -> None:
    def run(seed: int) -> list[Tensor]:
        network = build(case, seed).train()
        torch.manual_seed(5)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(2):
            network(**batch(case)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        return [p.detach() for p in network.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(run(0), run(0), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(run(0), run(1), strict=True))


def test_weights_through_a_file(case: str, tmp_path: Path) -> None:
    network, inputs = trained(case), batch(case)
    write_tensors(tmp_path / "w.safetensors", network.state_dict())
    other = build(case, seed=9).eval()
    other.load_state_dict(read_tensors(tmp_path / "w.safetensors"), strict=True)
    assert torch.equal(other(**inputs), network(**inputs))
    assert torch.equal(copy.deepcopy(network)(**inputs), network(**inputs))


def test_double_precision_agrees_with_single(case: str) -> None:
    network, inputs = trained(case), batch(case)
    doubled = copy.deepcopy(network).double()(**{k: v.double() for k, v in inputs.items()})
    assert doubled.dtype == torch.float64
    torch.testing.assert_close(network(**inputs), doubled.float(), rtol=2e-4, atol=2e-5)


def test_bfloat16_autocast_stays_close(case: str) -> None:
    network, inputs = trained(case), batch(case)
    exact = network(**inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(**inputs)
    assert (rough.float() - exact).abs().max() <= 0.04 * exact.abs().max() + 0.02
    network.train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = network(**inputs).float().square().mean()
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_export(case: str) -> None:
    network, inputs = trained(case), batch(case)
    rows = torch.export.Dim("rows", min=2, max=1024)
    program = torch.export.export(network, (), inputs, dynamic_shapes={name: {0: rows} for name in inputs})
    other = batch(case, 9, seed=3)
    torch.testing.assert_close(program.module()(**other), network(**other))


def test_a_missing_input_and_a_wrong_shape_are_named(case: str) -> None:
    network = build(case)
    ((name, x),) = batch(case).items()
    with pytest.raises(InputError, match=f"built for {name} and the batch holds none"):
        network()
    with pytest.raises(InputError, match=r"expects \[B, .*\] and got \[6, "):
        network(**{name: torch.cat([x, x], 1)})


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][0] in (Autoencoder, ConvAutoencoder)])
def test_the_answer_is_decoded_from_a_code_of_the_size_asked_for(case: str) -> None:
    network = trained(case)
    ((_, x),) = batch(case).items()
    code = network.encode(x)  # type: ignore[operator]
    assert code.shape == (6, CASES[case][1]["code"])
    assert torch.equal(network.decode(code), network(**batch(case)))  # type: ignore[operator]
    with pytest.raises(InputError, match=r"code expects \[B, . *\] and got \[6, \d+\]"):
        network.decode(torch.cat([code, code], 1))  # type: ignore[operator]


def test_corruption_in_training() -> None:
    torch.manual_seed(0)
    network = Autoencoder(1000, code=2, noise=0.5, masking=0.25)
    given = network.corrupt(torch.full((50, 1000), 3.0))
    assert 0.24 < (given == 0).float().mean() < 0.26
    kept = given[given != 0]
    assert abs(kept.mean() - 3) < 0.02
    assert abs(kept.std() - 0.5) < 0.01
    assert torch.equal(network.eval().corrupt(given), given)


@pytest.mark.parametrize("tied", [False, True])
def test_the_linear_autoencoder_learns_the_space_of_the_principal_components(tied: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(80, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64) + 5 * torch.randn(6, dtype=torch.float64)
    _, spread, components = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    network = Autoencoder(6, code=2, depth=0, tied=tied).double()
    optimizer = torch.optim.LBFGS(
        network.parameters(), lr=1, max_iter=2000, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (network(numbers=x) - x).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    loss = (network(numbers=x) - x).square().sum()
    assert loss.item() == pytest.approx(spread[2:].square().sum().item(), rel=1e-8)
    ways = network.encoder[0].weight.t() if tied else network.decoder[0].weight  # type: ignore[union-attr]
    assert np.degrees(subspace_angles(ways.detach().numpy(), components[:2].t().numpy())).max() < 1e-2


def test_tied_weights_are_the_encoders_turned_round() -> None:
    network = trained("autoencoder, tied, noise").double()
    x = torch.randn(4, 7, dtype=torch.float64)
    first, second, third = (layer.weight for layer in network.encoder)  # type: ignore[union-attr]
    code = network.encode(x)  # type: ignore[operator]
    wanted = code @ third + network.biases[0]  # type: ignore[index]
    wanted = wanted.relu() @ second + network.biases[1]  # type: ignore[index]
    wanted = wanted.relu() @ first + network.biases[2]  # type: ignore[index]
    torch.testing.assert_close(network.decode(code), wanted)  # type: ignore[operator]
    free = sum(p.numel() for p in Autoencoder(7, code=3, width=8, depth=2).parameters())
    assert free - sum(p.numel() for p in network.parameters()) == 7 * 8 + 8 * 8 + 8 * 3


def test_dcgan_at_64_pixels_has_the_papers_layers() -> None:
    generator, discriminator = DCGenerator((3, 64, 64)), DCDiscriminator((3, 64, 64))
    sizes = [(m.in_channels, m.out_channels, m.kernel_size[0]) for m in generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert sizes == [(100, 512, 4), (512, 256, 4), (256, 128, 4), (128, 64, 4), (64, 3, 4)]
    sizes = [(m.in_channels, m.out_channels, m.kernel_size[0]) for m in discriminator.modules() if isinstance(m, nn.Conv2d)]
    assert sizes == [(3, 64, 4), (64, 128, 4), (128, 256, 4), (256, 512, 4), (512, 1, 4)]
    for weight in (p.detach() for network in (generator, discriminator) for p in network.parameters() if p.dim() == 4):
        assert weight.std().item() == pytest.approx(0.02, rel=0.1)
        assert abs(weight.mean().item()) < 0.002


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(InputError, match="sides must be even and at least 8; got 27 x 28; set 28, 32 or 64 pixels"):
        DCGenerator((1, 27, 28))
    with pytest.raises(InputError, match="halves images down to 4 to 7 pixels; 36 x 36 ends at 9 x 9"):
        DCDiscriminator((1, 36, 36))
    with pytest.raises(SettingError, match="norm of a discriminator must be batch, layer or none; 'group' was given"):
        DCDiscriminator((1, 28, 28), norm="group")
    with pytest.raises(SettingError, match="code of at least 1 number and a depth of at least 0; got code=0, depth=1"):
        Autoencoder(3, code=0)
    with pytest.raises(SettingError, match=r"masking a share below 1; 0\.0 and 1\.0 were given"):
        Autoencoder(3, masking=1.0)
    with pytest.raises(InputError, match="at least 4 x 4 pixels; got 3 x 9"):
        ConvAutoencoder((1, 3, 9))
