"""An exponential moving average of the weights, which is what gets evaluated and kept (Polyak and Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from goodfit.base.errors import CheckpointError


class Average:
    """`average <- decay * average + (1 - decay) * weights` after every update, corrected for its start.

    The correction is Adam's (Kingma and Ba 2015): after t updates the average is the mean of the t weights seen, weighted
    by decay^age; the initial weights have no part in it. Trainable parameters are averaged. Buffers, such as the running
    statistics of batch norm, are averages themselves: those of the network are used.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.count = 0
        self._live = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self._mean = {name: p.detach().clone(memory_format=torch.preserve_format) for name, p in self._live.items()}
        self._network = network

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the weights of `network` into the average."""
        self.count += 1
        share = (1 - self.decay) / (1 - self.decay**self.count)
        torch._foreach_lerp_(list(self._mean.values()), list(self._of(network).values()), share)

    def restart(self) -> None:
        """Forget the weights seen so far: the average begins anew with the next update."""
        self.count = 0

    def tensors(self, network: nn.Module) -> dict[str, Tensor]:
        """The network's state dict with the averaged weights in place of its own."""
        own = {id(parameter): self._mean[name] for name, parameter in self._of(network).items()}
        tied = {name: own[id(p)] for name, p in network.named_parameters(remove_duplicate=False) if id(p) in own}
        return dict(network.state_dict()) | tied

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """Within the context the network has the averaged weights; after it its own again, the same bits."""
        self._exchange(network)
        try:
            yield
        finally:
            self._exchange(network)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages under the names of the parameters, and `count`, the number of updates."""
        return {f"mean/{name}": mean for name, mean in self._mean.items()} | {"count": torch.tensor(self.count)}

    @torch.no_grad()
    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `state_dict` gave; raises CheckpointError when it is of another network."""
        wanted = {f"mean/{name}": tuple(mean.shape) for name, mean in self._mean.items()} | {"count": ()}
        if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != wanted:
            raise CheckpointError("the averaged weights in the checkpoint are of another network; start anew without --resume")
        for name, mean in self._mean.items():
            mean.copy_(tensors[f"mean/{name}"])
        self.count = int(tensors["count"])

    def _of(self, network: nn.Module) -> dict[str, nn.Parameter]:
        if network is not self._network:
            return {name: p for name, p in network.named_parameters() if name in self._mean}
        return self._live

    @torch.no_grad()
    def _exchange(self, network: nn.Module) -> None:
        for name, parameter in self._of(network).items():
            own = parameter.detach().clone(memory_format=torch.preserve_format)
            parameter.copy_(self._mean[name])
            self._mean[name].copy_(own)
