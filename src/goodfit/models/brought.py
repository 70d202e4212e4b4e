"""Networks that the user brings, and how they are made again from what a model folder says of them.

    pretrained   a backbone of transformers with its weights, and a head (see `pretrained`)
    backbone     an nn.Module of the user's that gives features, and a head
    own          an nn.Module of the user's from the inputs to O outputs

The folder keeps weights and words, never code: of the user's own modules it holds the name of the function that made them, at most, and nothing is
imported because a folder names it. Whoever loads such a folder hands the module over, or names the function.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.base.errors import BundleError, InputError, SettingError
from goodfit.models import catalogue, pretrained
from goodfit.models.account import Account, describe
from goodfit.models.called import Called
from goodfit.models.caption_head import CaptionHead, HeadedCaption
from goodfit.models.entries.brought import HEAD
from goodfit.models.entry import Inputs
from goodfit.models.features import features_of, places_of
from goodfit.models.headed import Head, Headed, head_settings, mask_of

NAMES = ("pretrained", "backbone", "own")
OWN = ("backbone", "own")  # those whose code the user hands over
Given = nn.Module | Callable[..., nn.Module]


def made(given: Given, arguments: Mapping[str, Any], **offered: Any) -> nn.Module:
    """A module of the user's to be trained: a copy of the one that was given, or what the function makes.

    The function gets `arguments`, and of `offered` what it has parameters for. Raises InputError when it fails or makes no nn.Module.
    """
    if isinstance(given, nn.Module):
        return copy.deepcopy(given)
    name = getattr(given, "__qualname__", type(given).__name__)
    try:
        known = inspect.signature(given).parameters
        module = given(**{key: value for key, value in offered.items() if key in known}, **arguments)
    except InputError:
        raise
    except Exception as error:  # a user's function may raise anything; it is passed on as the cause
        raise InputError(f"the function {name} that makes the network failed: {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise InputError(f"the function {name} must make an nn.Module; it made {type(module).__name__}", value=type(module))
    return module


def assembled(model: Mapping[str, Any], outputs: int, body: nn.Module) -> tuple[nn.Module, dict[str, int]]:
    """The network round `body`, and where it has a head the numbers of its features, and of its places for captions. model: as `bundle.Member` has it.

    The first time, features are counted and outputs looked at by running an example; raises InputError where they do not fit.
    """
    settings, name = model["settings"], model["name"]
    inputs = {kind: spec for kind, spec in model["inputs"].items() if kind != "caption"}  # which the head reads
    body = body if name == "pretrained" else Called(body, list(catalogue.example(inputs, 1)))
    if name == "own":
        if not model.get("known"):
            _refuse_outputs(body, inputs, outputs)
        return body, {}
    if "caption" in model["inputs"]:
        return _captioning(model, outputs, body, inputs)
    pool = settings.get("pool") or "mean"
    features = model.get("features")
    if features is None:
        features = _counted(body, inputs, pool)
    head = Head(features, outputs, **head_settings(settings))
    return Headed(body, head, pool=pool, frozen=settings.get("frozen", True)), {"features": features}


def _captioning(model: Mapping[str, Any], outputs: int, body: nn.Module, inputs: Inputs) -> tuple[nn.Module, dict[str, int]]:
    settings = model["settings"]
    for name in ("pool", "depth", "activation"):
        if settings.get(name) not in (None, HEAD[name].default):
            raise SettingError(
                f"model.{name} has no effect on captions, whose head looks at every place; leave it out", value=settings[name]
            )
    known = {name: model[name] for name in ("features", "places") if name in model}
    if not known:
        places, features = places_of(_run(body, inputs)[0]).shape[1:]
        known = {"features": int(features), "places": int(places)}
    sizes = {name: settings[name] for name in ("width", "dropout") if settings.get(name) is not None}
    head = CaptionHead(known["places"], known["features"], outputs, **sizes)
    return HeadedCaption(body, head, frozen=settings.get("frozen", True)), known


def rebuilt(model: Mapping[str, Any], outputs: int, given: Given | None) -> nn.Module:
    """The network that a folder describes, with weights still to be loaded. given: the user's own module, or what makes it.

    Raises BundleError where the network is the user's own and none was given.
    """
    if model["name"] == "pretrained":
        return assembled(model, outputs, pretrained.built(model["architecture"]))[0]
    if given is None:
        known = f", made by {model['factory']}" if model.get("factory") else ""
        raise BundleError(
            f"the network of this run is one of your own{known}, and a folder runs no code; hand it over: gf.load(folder, network=...) or "
            f"--network {model.get('factory') or 'package.module:function'}"
        )
    return assembled({**model, "known": True}, outputs, made(given, model["arguments"], inputs=model["inputs"], outputs=outputs))[0]


def refuse_another(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Raises BundleError where the module that was handed over is not the one that was trained: its weights have other names or shapes."""
    wanted = {(name, tuple(tensor.shape)) for name, tensor in network.state_dict().items()}
    if other := sorted(wanted ^ {(name, tuple(tensor.shape)) for name, tensor in weights.items()}):
        raise BundleError(f"the network that was given is not the one that was trained: {other[0][0]!r} differs; hand over that one")


def account(network: nn.Module, example: Mapping[str, Tensor], batch_size: int, optimiser: str) -> Account:
    """`account.describe`; of a module that cannot be run on shapes alone, since it looks at values, the weights without its layers."""
    try:
        return describe(network, example, batch_size, optimiser)
    except Exception:  # a user's module may raise anything on tensors without values
        weights = [parameter.numel() * parameter.element_size() for parameter in network.parameters()]
        learned = sum(p.numel() * p.element_size() for p in network.parameters() if p.requires_grad)
        states = {"sgd": 1, "rmsprop": 1, "adagrad": 1}.get(optimiser, 2) * learned
        inputs = sum(tensor[0].numel() * tensor.element_size() * batch_size for tensor in example.values())
        count, size = sum(parameter.numel() for parameter in network.parameters()), sum(weights)
        return Account((), batch_size, count, 0, size, learned, states, 0, inputs, size + learned + states + inputs)


def channels_of(module: nn.Module) -> int | None:
    """Channels of the pictures that a module reads, by its first convolution; None where they are not 1 or 3."""
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return first.in_channels if first is not None and first.in_channels in (1, 3) else None


@torch.no_grad()
def _run(body: nn.Module, inputs: Inputs) -> tuple[Any, dict[str, Tensor]]:
    """What the module gives for two rows of nothing, in the mode in which it predicts; raises InputError where it cannot read them."""
    example = catalogue.example(inputs, 2)
    training = body.training
    try:
        return body.eval()(**example), example
    except InputError:
        raise
    except Exception as error:  # a user's module may raise anything; it is passed on as the cause
        shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in example.items())
        raise InputError(f"the network cannot read the inputs {shapes}: {type(error).__name__}: {error}") from error
    finally:
        body.train(training)


def _counted(body: nn.Module, inputs: Inputs, pool: str) -> int:
    output, example = _run(body, inputs)
    return int(features_of(output, mask_of(example), pool).shape[1])


def _refuse_outputs(body: nn.Module, inputs: Inputs, outputs: int) -> None:
    output, _ = _run(body, inputs)
    if not isinstance(output, Tensor) or output.dim() < 2 or output.shape[0] != 2 or output.shape[-1] != outputs:
        gives = f"{list(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        wanted = (
            "one number, which of two classes is the log-odds of the second" if outputs == 1 else f"a number for each of {outputs} outputs"
        )
        raise InputError(
            f"the network must give [B, {outputs}], {wanted}; for 2 rows it gives {gives}: let its last layer have as many (a function that makes it may "
            "take outputs=), or hand it over as backbone=, which gets a head"
        )
