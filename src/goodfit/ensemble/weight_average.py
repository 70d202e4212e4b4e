"""One network whose weights are the mean of others': stochastic weight averaging.

Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging weights leads to wider optima and better generalization" (UAI 2018). It costs nothing when
predicting, and works where the weights lie in one basin: of one run, at a high constant or cyclic rate, or of runs from the same start (see `soup`).
The exponential average of each step is `optim.average`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError

State = Mapping[str, Tensor]


def mean_weights(states: Sequence[State]) -> dict[str, Tensor]:
    """The mean of state dicts of one network, each tensor in its own type; what is no floating-point number is the last one's.

    Batch norm's statistics are averaged too, which is not what the mean network has: `renew_statistics` makes them anew.
    """
    if not states:
        raise InputError("averaging weights needs at least one state; none was given")
    shapes = [{name: (tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()} for state in states]
    for number, other in enumerate(shapes[1:], 1):
        if other != shapes[0]:
            name = sorted(dict(set(shapes[0].items()) ^ set(other.items())))[0]
            raise InputError(f"weights are averaged over networks of one form; state {number} differs from the first in {name!r}")
    mean = {}
    for name, last in states[-1].items():
        if last.is_floating_point():
            mean[name] = torch.stack([state[name].double() for state in states]).mean(0).to(last.dtype)
        else:
            mean[name] = last.clone()
    return mean


class WeightAverage:
    """The plain mean of the weights that a network had at every `update`: call it at the end of each epoch, or of each cycle."""

    def __init__(self) -> None:
        self.count = 0
        self._mean: dict[str, Tensor] = {}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the weights of the network into the mean."""
        self.count += 1
        for name, tensor in network.state_dict().items():
            if not tensor.is_floating_point():
                self._mean[name] = tensor.clone()
            elif self.count == 1:
                self._mean[name] = tensor.double().clone()
            else:
                self._mean[name] += (tensor.double() - self._mean[name]) / self.count

    def give(self, network: nn.Module) -> None:
        """Give the network the mean weights. Its batch norm needs `renew_statistics` then."""
        if not self.count:
            raise InputError("there are no weights to give yet; call update(network) at the end of an epoch first")
        network.load_state_dict({name: tensor.to(network.state_dict()[name].dtype) for name, tensor in self._mean.items()})


@torch.no_grad()
def renew_statistics(network: nn.Module, batches: Iterable[Mapping[str, Tensor]]) -> int:
    """Make the running statistics of batch norm anew from a pass over batches of inputs; returns how many layers have them.

    The mean over the batches, each counted alike. Dropout and all else stay as in evaluation. The network is left in the mode that it was in.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats]
    if not norms:
        return 0
    given = iter(batches)
    if (first := next(given, None)) is None:
        raise InputError("renewing the statistics of batch norm needs at least one batch; none was given")
    was_training, momenta = network.training, [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean
        norm.train()
    for inputs in chain([first], given):
        network(**inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(was_training)
    return len(norms)
