"""Networks of the user's own: whole ones and backbones, as modules, functions and names, from the data to the prediction and back from the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from tests import own_networks
from tests.own_networks import Eyes, columns, eyes
from torch import nn

import goodfit as gf
from goodfit.api.scoring import describe, evaluate, predict
from goodfit.base.errors import BundleError, InputError, SettingError
from goodfit.base.files import read_tensors
from goodfit.base.protocols import Silent
from goodfit.cli.main import main
from goodfit.models.called import places
from goodfit.models.headed import Headed

QUICK = ("train.epochs=8", "train.threads=1", "optim.lr=0.01", "train.precision=float32", "train.channels_last=no", "train.batch_size=32")


def table(n: int = 240) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    x, kind = generator.normal(size=n), generator.choice(["p", "q", "r"], n)
    return pl.DataFrame({"x": x, "kind": kind, "y": np.where((x > 0) ^ (kind == "p"), "yes", "no")})


def pictures(n: int = 120) -> dict[str, Any]:
    """Red ones and blue ones."""
    generator = np.random.default_rng(0)
    colour = generator.integers(0, 2, n)
    pixels = generator.integers(0, 90, (n, 12, 12, 3), dtype=np.uint8)
    pixels[np.arange(n), :, :, 2 * colour] += 120
    return {"picture": pixels, "colour": np.array(["red", "blue"])[colour]}


def test_a_whole_network_from_a_function(tmp_path: Path) -> None:
    run = gf.train(table(), "y", network=columns, sets=(*QUICK, "train.epochs=40", "model.arguments={width: 16}"), out=tmp_path / "run")
    assert run.about["model"] == "own"
    assert run.metrics["accuracy"]["value"] > 0.8
    assert run.predict(table()).height == 240
    assert run.bundle.members[0].network.module.layers[0].out_features == 16
    assert columns_of(gf.load(tmp_path / "run", network=columns).predict(table())) == columns_of(run.predict(table()))
    assert describe(run)["parameters"] == sum(p.numel() for p in run.bundle.members[0].network.parameters())
    assert (tmp_path / "run/report.html").is_file()


def columns_of(frame: pl.DataFrame) -> dict[str, list[Any]]:
    return frame.to_dict(as_series=False)


def test_a_whole_network_from_a_module_begins_with_its_weights_and_leaves_them(tmp_path: Path) -> None:
    class Given(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def forward(self, numbers: torch.Tensor) -> torch.Tensor:
            return self.layer(numbers)

    module = Given()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    data = table().drop("kind")
    run = gf.train(data, "y", network=module, sets=(*QUICK, "optim.lr=1e-9", "train.epochs=1"), out=tmp_path / "run")
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items()), "a copy is trained"
    for name, tensor in run.bundle.members[0].network.module.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("give", ["map", "vector", "tokens", "object"])
@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "fine-tuned"])
def test_a_backbone_in_every_form_of_features(give: str, frozen: bool, tmp_path: Path) -> None:
    sets = (*QUICK, f"model.frozen={str(frozen).lower()}", "data.image_size=16", "train.epochs=20")
    run = gf.train(pictures(), "colour", backbone=eyes(give), sets=sets, out=tmp_path / "run")
    assert run.metrics["accuracy"]["value"] > 0.9
    (member,) = run.bundle.members
    assert isinstance(member.network, Headed)
    assert member.encoder.inputs["image"]["mean"] == [0.485, 0.456, 0.406]
    same = all(torch.equal(tensor, eyes().state_dict()[name]) for name, tensor in member.network.backbone.module.state_dict().items())
    assert same is frozen, "running statistics of a frozen one's norms stay too"
    before = predict(tmp_path / "run", pictures(20), network=lambda: Eyes(give))
    assert columns_of(before) == columns_of(run.predict(pictures(20)))


def test_a_hidden_layer_in_the_head(tmp_path: Path) -> None:
    sets = (*QUICK, "model.depth=1", "model.width=5", "model.activation=tanh", "data.image_size=16", "data.normalise=unit")
    run = gf.train(pictures(), "colour", backbone=eyes(), sets=sets, out=tmp_path / "run")
    (member,) = run.bundle.members
    assert [type(layer).__name__ for layer in member.network.head.hidden] == ["Linear", "Tanh", "Dropout"]
    assert member.encoder.inputs["image"]["std"] == [0.5] * 3


def test_named_on_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table().write_csv(tmp_path / "data.csv")
    name = "tests.own_networks:columns"
    sets = [word for setting in (*QUICK, "model.arguments={width: 4}") for word in ("--set", setting)]
    run, data = str(tmp_path / "run"), str(tmp_path / "data.csv")
    assert main(["train", data, "--target", "y", "--network", name, "--out", run, "--json", *sets]) == 0
    assert json.loads(capfd.readouterr().out)["model"] == "own"
    out = str(tmp_path / "said.csv")
    assert main(["predict", run, data, "--network", name, "--out", out]) == 0
    assert main(["describe", run, "--network", name, "--json"]) == 0
    capfd.readouterr()
    assert main(["predict", run, data, "--out", str(tmp_path / "none.csv"), "--json"]) == 2
    error = json.loads(capfd.readouterr().out)["error"]["message"]
    assert "made by tests.own_networks:columns, and a folder runs no code; hand it over" in error
    assert f"--network {name}" in error
    assert main(["train", "--resume", run, "--network", name]) == 0


class Looks(nn.Module):
    """Branches on values, which shapes alone do not have."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        return self.layer(numbers) if float(numbers.sum()) > 1e9 else -self.layer(numbers)


def test_a_module_that_looks_at_values_is_described_by_its_weights_alone(tmp_path: Path) -> None:
    run = gf.train(table().drop("kind"), "y", network=Looks(), sets=(*QUICK, "train.epochs=1"), out=tmp_path / "run")
    account = describe(run)
    assert account["parameters"] == 2
    assert account["rows"] == ()
    assert account["training_bytes"] > 0
    with pytest.raises(BundleError, match=r"the network that was given is not the one that was trained: 'module\.bias' differs"):
        gf.load(tmp_path / "run", network=nn.Linear(3, 1)).predict(table())


def test_a_folder_runs_nothing_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading, predicting and resuming without a network import nothing, whatever stands in the folder."""
    table().write_csv(tmp_path / "data.csv")
    gf.train(tmp_path / "data.csv", "y", network="tests.own_networks:columns", sets=(*QUICK, "train.epochs=1"), out=tmp_path / "run")
    monkeypatch.setattr("pkgutil.resolve_name", lambda name: pytest.fail(f"{name} was imported"))
    with pytest.raises(BundleError, match="a folder runs no code; hand it over"):
        gf.load(tmp_path / "run").predict(table())
    with pytest.raises(BundleError, match="a folder runs no code"):
        evaluate(tmp_path / "run")
    about = json.loads((tmp_path / "run/run.json").read_text())
    (tmp_path / "run/run.json").write_text(json.dumps(about | {"status": "running"}))
    with pytest.raises(SettingError, match=r"model\.name=own is the network that the call brings; add network="):
        gf.train(tmp_path / "run", resume=True)


@pytest.mark.parametrize(("what", "frozen"), [("network", None), ("backbone", True), ("backbone", False)])
def test_killed_and_resumed_with_another_copy_ends_in_the_same_bits(what: str, frozen: bool | None, tmp_path: Path) -> None:
    sets = (*QUICK, "train.checkpoint_every=0", "data.image_size=16", *([] if frozen is None else [f"model.frozen={str(frozen).lower()}"]))

    def brought(seed: int) -> dict[str, nn.Module]:
        torch.manual_seed(seed)
        return {what: Eyes("vector") if what == "backbone" else nn.Sequential(Eyes("vector"), nn.Linear(4, 1))}

    whole = gf.train(pictures(), "colour", sets=sets, out=tmp_path / "whole", **brought(1))

    class Killed(BaseException):
        pass

    class Killer(Silent):
        epochs = 0

        def advance(self, amount: float = 1.0, **values: Any) -> None:
            self.epochs += "loss" in values
            if self.epochs == 3:
                raise Killed

    with pytest.raises(Killed):
        gf.train(pictures(), "colour", sets=sets, out=tmp_path / "run", progress=Killer(), **brought(1))
    assert (tmp_path / "run/checkpoints").is_dir()
    # The weights that it began with lie in the run, so that a module with others does no harm.
    resumed = gf.train(pictures(), "colour", resume=True, out=tmp_path / "run", **brought(2))
    weights = [read_tensors(run.folder / "model/0/network.safetensors") for run in (whole, resumed)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


def test_several_networks_begin_with_the_same_backbone(tmp_path: Path) -> None:
    run = gf.train(pictures(), "colour", backbone=eyes(), sets=(*QUICK, "train.members=2", "data.image_size=16"), out=tmp_path / "run")
    first, second = (member.network for member in run.bundle.members)
    assert all(torch.equal(tensor, second.backbone.state_dict()[name]) for name, tensor in first.backbone.state_dict().items())
    assert not torch.equal(first.head.output.weight, second.head.output.weight)


def test_how_a_module_is_called() -> None:
    class Many(nn.Module):
        def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
            return inputs["numbers"]

    assert places(Many(), ["numbers", "text"]) == {"numbers": "numbers", "text": "text"}
    assert places(own_networks.Columns(1, [2], 1), ["numbers", "categories"]) == {"numbers": "numbers", "categories": "categories"}
    assert places(Eyes(), ["image"]) == {"image": "x"}
    assert places(nn.Linear(2, 1), ["series", "lengths"]) == {"series": None}
    with pytest.raises(
        InputError, match="must take the inputs numbers, text by keyword; it takes input, and numbers, text would be left out"
    ):
        places(nn.Linear(2, 1), ["numbers", "text"])


class Tokens(nn.Module):
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return input_ids.float()


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"network": own_networks.broken}, InputError, "the function broken that makes the network failed: RuntimeError: no such luck"),
        ({"network": own_networks.no_network}, InputError, "must make an nn.Module; it made str"),
        ({"network": 3}, InputError, "must be an nn.Module, a function that makes one, or the name of such a function; int was given"),
        ({"network": "tests.own_networks"}, InputError, "package.module:function; 'tests.own_networks' was given"),
        ({"network": "tests.own_networks:absent"}, InputError, "cannot be imported"),
        ({"network": "tests.own_networks:NUMBER"}, InputError, "must be a function or a class that makes an nn.Module; it is a int"),
        ({"network": nn.Linear(1, 2)}, InputError, "must take the inputs numbers, categories by keyword"),
        ({"network": columns, "backbone": columns}, InputError, "give one of them"),
        ({"network": columns, "model__name": "mlp"}, SettingError, "model.name=mlp asks for another"),
        ({"network": columns, "model__frozen": True}, SettingError, "'own' does not take model.frozen"),
        (
            {"network": columns, "model__arguments": {"height": 3}},
            InputError,
            "the function columns that makes the network failed: TypeError",
        ),
        ({"network": lambda inputs: columns(inputs, 5)}, InputError, r"must give \[B, 1\], one number, .* for 2 rows it gives \[2, 5\]"),
        ({"network": nn.Linear(1, 1), "model__arguments": {"width": 3}}, SettingError, "no effect on a module that is made already"),
        ({"model__name": "own"}, SettingError, "is the network that the call brings; add network="),
        ({"model__name": "backbone"}, SettingError, "is the network that the call brings; add backbone="),
    ],
)
def test_refused(given: dict[str, Any], kind: type[Exception], said: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=said):
        gf.train(table(), "y", sets=QUICK, out=tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_a_network_of_tokens_is_sent_to_its_folder(tmp_path: Path) -> None:
    texts = {"text": ["one two three four", "five six seven eight"] * 40, "y": ["a", "b"] * 40}
    with pytest.raises(InputError, match=r"write --set model\.name=pretrained"):
        gf.train(texts, "y", backbone=Tokens(), sets=(*QUICK, "data.kinds.text=text"), out=tmp_path / "run")
