"""The doctor's callback in Keras' own fit, on torch."""

from __future__ import annotations

import copy
import os
import sys
from typing import Any

import numpy as np
import pytest
import torch
from tests.doctor.made import mlp, rings
from torch import nn

import goodfit as gf
from goodfit.base.errors import InputError
from goodfit.doctor import instruments
from goodfit.doctor.keras_networks import KerasNetwork
from goodfit.doctor.keras_optimizers import twin_of

os.environ["KERAS_BACKEND"] = "torch"
keras = pytest.importorskip("keras")
pytestmark = pytest.mark.filterwarnings("ignore")


def made(
    *,
    rate: float = 1e-2,
    optimizer: str = "Adam",
    end: str = "softmax",
    loss: Any = "sparse_categorical_crossentropy",
    units: int = 3,
    **options: Any,
) -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((2,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.01),
            layers.Dense(units, activation=end),
        ]
    )
    model.compile(getattr(keras.optimizers, optimizer)(rate, **options), loss, metrics=["mae"] if units == 1 else ["accuracy"])
    return model


def fit(model: Any, callbacks: list[Any], epochs: int = 10, kind: str = "classes") -> Any:
    (x, y), (v, w) = rings(), rings(300, seed=1)
    if kind == "numbers":
        y, w = (one[:, 0] * 3000 + one[:, 1].square() * 1500 + 20000 for one in (x, v))
    elif kind == "yes or no":
        y, w = (y > 1).float(), (w > 1).float()
    model.fit(
        x.numpy(), y.numpy(), batch_size=32, epochs=epochs, verbose=0, validation_data=(v.numpy(), w.numpy()), callbacks=callbacks
    )  # fmt: skip
    return model


LOGITS = {"end": None, "loss": "from_logits"}


def with_loss(options: dict[str, Any]) -> dict[str, Any]:
    given = options.get("loss") == "from_logits"
    return options | {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True)} if given else options


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, "classes"),
        (LOGITS | {"global_clipnorm": 1.0}, "classes"),
        ({"optimizer": "SGD", "momentum": 0.9, "rate": 0.1, "gradient_accumulation_steps": 2}, "classes"),
        ({"optimizer": "Lion", "rate": 3e-3}, "classes"),
        ({"end": "sigmoid", "units": 1, "loss": "binary_crossentropy"}, "yes or no"),
    ],
    ids=["adam", "logits and clipping", "accumulation", "an optimiser torch lacks", "yes or no"],
)
def test_a_healthy_training_is_as_without_and_hears_nothing(options: dict[str, Any], kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    plain = fit(made(**with_loss(options)), [], kind=kind)
    before = capsys.readouterr().out
    callback = gf.doctor.KerasCallback(seconds=15)
    watched = fit(made(**with_loss(options)), [callback], kind=kind)
    assert all(np.array_equal(one, other) for one, other in zip(plain.get_weights(), watched.get_weights(), strict=True))
    assert plain.history.history == watched.history.history
    assert capsys.readouterr().out == before
    assert callback.examination.verdict == "healthy"
    assert callback.examination.examined["looked_at"][0].startswith(
        f"{'binary' if kind == 'yes or no' else 'classes'} answers; 800 rows to train on and 300 of its own evaluations"
    )
    assert not any("Got Int" in said for said in callback.examination.examined["not_seen"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "kind", "code"),
    [
        ({"rate": 3.0}, "classes", "optim.rate-high"),
        ({"rate": 1e-6}, "classes", "optim.rate-low"),
        ({"units": 1, "end": None, "loss": "mse"}, "numbers", "data.targets-unscaled"),
        ({"end": "softmax", "loss": "from_logits", "rate": 1e-3}, "classes", "head.activation"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_planted_fault_is_found(options: dict[str, Any], kind: str, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    callback = gf.doctor.KerasCallback(seconds=25)
    fit(made(**with_loss(options)), [callback], kind=kind)
    assert callback.examination.verdict == "faulty"
    found = callback.examination.findings[0]
    assert found.code == code
    assert f"1. {code}" in capsys.readouterr().out
    assert found.edit is None
    assert "In Keras: " in found.remedy


def test_a_training_that_raises_can_be_examined_and_leaves_torch_and_keras_as_they_were() -> None:
    class Fails(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise RuntimeError("the user's own")

    doors = nn.Module.__call__, keras.layers.Layer.__call__, keras.losses.Loss.__call__
    callback = gf.doctor.KerasCallback(seconds=5)
    model = made()
    with pytest.raises(RuntimeError, match="the user's own"):
        fit(model, [callback, Fails()])
    mlp(2, 3)(torch.ones(1, 2))
    assert (nn.Module.__call__, keras.layers.Layer.__call__, keras.losses.Loss.__call__) == doors
    assert not instruments.at_work()
    assert callback.examine().examined["looked_at"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {}),
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("SGD", {"momentum": 0.9, "weight_decay": 0.01}),
        ("Adam", {}),
        ("Adam", {"amsgrad": True}),
        ("AdamW", {"weight_decay": 0.1}),
        ("RMSprop", {"momentum": 0.5, "centered": True}),
        ("Adagrad", {}),
        ("Adamax", {}),
        ("Nadam", {}),
        ("Lion", {}),
        ("Adadelta", {"rho": 0.9}),
    ],
)
def test_torchs_counterpart_makes_the_same_updates(name: str, options: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(40, generator=generator)
    variable = keras.Variable(start.clone(), name="w")
    weight = nn.Parameter(start.clone())
    ours = getattr(keras.optimizers, name)(0.01, **options)
    theirs = twin_of(ours, [weight])
    for _ in range(20):
        gradient = torch.randn(40, generator=generator)
        weight.grad = gradient.clone()
        theirs.step()
        with torch.no_grad():
            ours.apply([gradient], [variable])
    moved = float((weight - start).abs().max())
    assert moved > 1e-5
    assert float((weight - variable.value).abs().max()) < 5e-3 * moved


def test_a_copy_of_a_network_is_its_own() -> None:
    inputs = keras.Input((4,))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(8, activation="relu")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Dropout(0.5)(hidden)))
    network = KerasNetwork(model)
    network.eval()
    x = torch.randn(16, 4)
    twin = copy.deepcopy(network)
    assert torch.equal(network(x), twin(x))
    names = dict(network.named_parameters())
    assert names.keys() == dict(twin.named_parameters()).keys()
    assert all(weight is not names[name] for name, weight in twin.named_parameters())
    before = {name: weight.detach().clone() for name, weight in names.items()}
    twin.train()
    assert not torch.equal(twin(x), twin(x)), "dropout is at work in training mode"
    with torch.no_grad():
        for weight in twin.parameters():
            weight.add_(1)
    assert all(torch.equal(weight, before[name]) for name, weight in network.named_parameters())
    assert not torch.equal(network(x), twin.eval()(x))


def test_another_backend_and_no_keras_are_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="KERAS_BACKEND=torch"):
        gf.doctor.KerasCallback()
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(InputError, match="pip install keras"):
        gf.doctor.KerasCallback()
