"""Keras' optimisers as torch's: the recorder and the short copies know only these.

The training itself is Keras' own, to the bit. Short copies are trained by the optimiser of torch that makes the same update, but for the place of a tiny
epsilon. One that torch does not have is run by Keras in the short copies too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def twin_of(optimizer: Any, weights: Sequence[nn.Parameter]) -> Optimizer:
    """Torch's optimiser that does what this one of Keras' does to these weights."""
    config = optimizer.get_config()
    rate = rate_of(optimizer)
    kind, options = _counterpart(type(optimizer).__name__, config)
    if kind is None:
        return KerasOptimizer([{"params": list(weights), "made": (type(optimizer), config)}], lr=rate)
    return kind(list(weights), lr=rate, **options)


def rate_of(optimizer: Any) -> float:
    """Its learning rate for the next update."""
    rate = optimizer.learning_rate
    return float(rate.value if hasattr(rate, "value") else rate)


def clipping_of(optimizer: Any) -> tuple[str, float] | None:
    """(`norm` or `value`, limit)"""
    for name, kind in (("clipnorm", "norm"), ("global_clipnorm", "norm"), ("clipvalue", "value")):
        if limit := getattr(optimizer, name, None):
            return kind, float(limit)
    return None


def _counterpart(name: str, config: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Class and options, without the rate; (None, {}) where torch has none like it."""
    decay = config.get("weight_decay") or 0.0
    small = config.get("epsilon", 1e-7)
    match name:
        case "SGD" if not (decay and config["momentum"]):  # Keras takes decay from the weights, torch adds it to the gradient
            return torch.optim.SGD, {
                "momentum": config["momentum"],
                "nesterov": bool(config["nesterov"] and config["momentum"]),
                "weight_decay": decay,
            }
        case "Adam" | "AdamW":
            options = {"betas": (config["beta_1"], config["beta_2"]), "eps": small, "amsgrad": config["amsgrad"]}
            return (torch.optim.AdamW, options | {"weight_decay": decay}) if decay or name == "AdamW" else (torch.optim.Adam, options)
        case "RMSprop" if not decay:  # epsilon stands below Keras' root
            return torch.optim.RMSprop, {
                "alpha": config["rho"],
                "momentum": config["momentum"],
                "eps": small**0.5,
                "centered": config["centered"],
            }
        case "Adagrad" if not decay:
            return torch.optim.Adagrad, {"initial_accumulator_value": config["initial_accumulator_value"], "eps": small**0.5}
        case "Adamax" if not decay:
            return torch.optim.Adamax, {"betas": (config["beta_1"], config["beta_2"]), "eps": small}
        case "Nadam" if not decay:  # Keras' momentum follows 0.96^t, torch's 0.96^(t momentum_decay)
            return torch.optim.NAdam, {"betas": (config["beta_1"], config["beta_2"]), "eps": small, "momentum_decay": 1.0}
    return None, {}


class KerasOptimizer(Optimizer):
    """Any optimiser of Keras', over torch's parameters. Each group names its class and its settings as `made`."""

    def __init__(self, params: Any, lr: float = 1e-3) -> None:
        super().__init__(params, {"lr": lr, "made": None})
        self._made: list[tuple[Any, list[Any]]] = []

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every group."""
        if not self._made:
            self._made = [_made(group) for group in self.param_groups]
        for group, (optimizer, variables) in zip(self.param_groups, self._made, strict=True):
            gradients: list[Tensor | None] = [weight.grad for weight in group["params"]]
            if any(gradient is not None for gradient in gradients):
                optimizer.learning_rate = group["lr"]
                with torch.no_grad():
                    optimizer.apply(gradients, variables)


def _made(group: dict[str, Any]) -> tuple[Any, list[Any]]:
    """A fresh optimiser of Keras' and its variables, which are the group's own weights."""
    import keras

    kind, config = group["made"]
    variables = []
    for number, weight in enumerate(group["params"]):
        variable = keras.Variable(weight.detach().clone(), name=f"weight_{number}")
        variable._value = weight
        variables.append(variable)
    optimizer = kind.from_config({**config, "learning_rate": group["lr"]})
    optimizer.build(variables)
    return optimizer, variables
