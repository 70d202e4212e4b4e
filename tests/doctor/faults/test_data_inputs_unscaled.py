"""`data.inputs-unscaled`: raised by the rows, proven by standardised inputs, acquitted where the network normalises."""

from __future__ import annotations

import torch
from tests.doctor.faults.made import examined, made, net
from torch import nn

from goodfit.doctor.faults.data_inputs_unscaled import CODE, suspect
from goodfit.doctor.program import Place

SCALES = torch.tensor([1.0, 1000.0, 0.02, 30.0, 5.0, 200.0])


def rows(count: int = 400, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=generator)
    return x, (x[:, 0] + x[:, 2] + x[:, 3] * x[:, 4] > 0).long()


def test_features_of_unlike_scales_are_found_and_standardising_them_is_proven() -> None:
    x, y = rows()
    suspicion, proof = examined(suspect, made(net(6, 2), x * SCALES, y))
    assert suspicion is not None
    assert suspicion.code == CODE
    assert suspicion.always
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.1
    assert proof.remedy is not None
    assert "Standardise" in proof.remedy.words


def test_scaled_inputs_raise_nothing() -> None:
    x, y = rows()
    suspicion, _ = examined(suspect, made(net(6, 2), x, y))
    assert suspicion is None


def test_a_network_that_normalises_by_itself_is_acquitted() -> None:
    x, y = rows()
    suspicion, proof = examined(suspect, made(nn.Sequential(nn.BatchNorm1d(6), *net(6, 2)), x * SCALES, y))
    assert suspicion is not None
    assert proof is None


def test_codes_and_yes_or_no_features_are_left_alone() -> None:
    x, y = rows()
    suspicion, _ = examined(suspect, made(net(6, 2), (x > 0).float() * 255, y))
    assert suspicion is None


def test_the_edit_scales_what_goes_into_the_network(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "train.py"
    file.write_text("import torch\nfrom torch import nn\nmodel = nn.Linear(6, 2)\nout = model(x)\n")
    x, y = rows(100)
    program = made(net(6, 2), x * SCALES + 3, y, epochs=3, places={"model": Place(str(file), 3)})
    suspicion, _ = examined(suspect, program)
    assert suspicion is not None
    edit = suspicion.remedies[0].source()  # type: ignore[misc]
    given = {"x": x * SCALES + 3}
    lines = edit.after.splitlines()
    scope: dict[str, object] = {"model": nn.Identity()}
    exec(lines[-1], scope)
    out = scope["model"](given["x"])  # type: ignore[operator]
    assert float(out.mean(0).abs().max()) < 0.4  # the rows held back are not in the mean
    assert float((out.std(0) - 1).abs().max()) < 0.4


def test_inputs_unscaled_at_a_rate_that_is_too_high_besides() -> None:
    """Neither remedy alone helps; the finding keeps the rate, which is a fault of its own."""
    x, y = rows(600)
    y = ((x[:, 0].abs() < 0.7) & (x[:, 1] + x[:, 2] > 0)).long()
    program = made(net(6, 2), x * SCALES * 10 + 300, y, epochs=20, options={"lr": 0.4})
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert proof is not None
    assert proof.setup is not None
    assert proof.setup.rate == 1.0
    assert proof.gain is not None
    assert proof.gain.value > 0.1
