"""The doctor beside a loop of the user's, and on a network with its data."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.doctor.engine import examine_program
from goodfit.doctor.examination import Examination
from goodfit.doctor.record import Recorder


class Watch:
    """What `watch` gives: after the block, `examine()` runs the examination, once; `findings` are its findings."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._examination: Examination | None = None

    def __enter__(self) -> Watch:
        self._recorder.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._recorder.__exit__(kind, error, trace)

    def examine(self, *, seconds: float | None = None, seed: int = 0) -> Examination:
        """Examines what the block did. seconds: about what it may take, 60 when not given. Raises InputError where the block trained nothing."""
        if self._examination is None:
            self._examination = examine_program(self._recorder.program(), seconds=seconds, seed=seed)
        return self._examination

    @property
    def findings(self) -> tuple[Any, ...]:
        """Of `examine()`."""
        return self.examine().findings


def watch(
    model: nn.Module | Sequence[nn.Module], optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer], loss_fn: Any = None
) -> Watch:
    """Watches any PyTorch loop in a `with` block; the loop itself is as without.

    >>> import torch
    >>> model = torch.nn.Linear(2, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> x = torch.randn(64, 2); y = x.sum(1, keepdim=True)
    >>> with watch(model, optimizer, torch.nn.functional.mse_loss) as seen:
    ...     for _ in range(60):
    ...         optimizer.zero_grad()
    ...         torch.nn.functional.mse_loss(model(x), y).backward()
    ...         optimizer.step()
    >>> seen.examine(seconds=10).verdict
    'healthy'

    loss_fn: the loss, where it is a network with weights of its own; functions are seen by themselves.
    """
    networks = [model] if isinstance(model, nn.Module) else list(model)
    optimizers = [optimizer] if isinstance(optimizer, torch.optim.Optimizer) else list(optimizer)
    if not all(isinstance(one, nn.Module) for one in networks) or not all(isinstance(one, torch.optim.Optimizer) for one in optimizers):
        raise InputError("watch takes networks (nn.Module) and torch optimisers; give watch(model, optimizer, loss_fn)")
    if isinstance(loss_fn, nn.Module) and any(True for _ in loss_fn.parameters()):
        networks.append(loss_fn)
    return Watch(Recorder(networks=networks, optimizers=optimizers))


def examine(
    model: nn.Module,
    loss: Callable[[Any, Tensor], Tensor],
    data: Iterable[tuple[Any, Tensor]],
    optimizer: torch.optim.Optimizer,
    *,
    held: Iterable[tuple[Any, Tensor]] | None = None,
    epochs: int = 1,
    seconds: float | None = None,
    seed: int = 0,
) -> Examination:
    """Examines a network with its loss, batches and optimiser by a plain loop, on copies: the network and the optimiser are left as they were.

    data: batches of (inputs, targets), gone over `epochs` times; inputs a tensor, a tuple of them, or a dict by the names of `forward`.
    held: batches to judge by; a quarter of the rows when not given.
    """
    batches = list(data)
    if not batches or not all(isinstance(batch, tuple | list) and len(batch) == 2 for batch in batches):
        raise InputError("examine takes data as batches of two, (inputs, targets), and at least one of them")
    twin = copy.deepcopy(model)
    names = {id(weight): name for name, weight in model.named_parameters()}
    own = dict(twin.named_parameters())
    groups = [
        {**group, "params": [own[names[id(weight)]] for weight in group["params"] if id(weight) in names]}
        for group in optimizer.param_groups
    ]
    if not any(group["params"] for group in groups):
        raise InputError("the optimiser must hold parameters of the network; it holds none of them: make it with model.parameters()")
    double = type(optimizer)(groups, **{"lr": groups[0]["lr"]} if "lr" in groups[0] else {})
    with Recorder(networks=[twin], optimizers=[double]) as recorder:
        for _ in range(epochs):
            for inputs, targets in batches:
                double.zero_grad()
                loss(_called(twin, inputs), targets).backward()
                double.step()
        if held is not None:
            mode = twin.training
            twin.eval()
            with torch.no_grad():
                for inputs, targets in held:
                    loss(_called(twin, inputs), targets)
            twin.train(mode)
    return examine_program(recorder.program(), seconds=seconds, seed=seed)


def _called(model: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple | list) else model(inputs)
