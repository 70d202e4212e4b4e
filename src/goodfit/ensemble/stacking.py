"""Stacking: a second network learns how far to believe each of the first ones, from what these say of rows that they did not learn from.

Wolpert, "Stacked generalization", *Neural Networks* 5 (1992). It begins as their plain mean and is held near it, since few rows say little about many weights
(Ting and Witten 1999 found the same for linear ones).

K networks, n rows, B rows, C classes; H hidden units.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.base.streams import numpy_stream, torch_stream

PENALTIES = (1.0, 0.1, 0.01, 0.001, 0.0001)  # of the distance from the mean: from hardly free to free, for features of unit size
_FOLDS = 5  # by which the penalty is chosen
_FLOOR = 1e-6  # probabilities below it say no more than "surely not", and their logarithms would rule the rest


class SecondLevel(nn.Module):
    """What the first networks say [B, K, C] -> logits [B, C]; of numbers, [B, K] -> [B].

    Linear in log-probabilities, those of the networks and those of their mean (of numbers, in standardised predictions), plus a hidden layer where H > 0,
    which begins as nothing. mean, std: of the numbers, from the rows that it learned from.
    """

    def __init__(self, networks: int, classes: int | None, hidden: int = 0, *, mean: float = 0.0, std: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        self.networks, self.classes, self.mean, self.std = networks, classes, mean, std
        width = classes or 1
        wide = networks if classes is None else (networks + 1) * classes
        self.linear = nn.Linear(wide, width, dtype=torch.float64)
        with torch.no_grad():
            self.linear.weight.fill_(1 / networks)
            if classes is not None:
                self.linear.weight.zero_()[:, -classes:].copy_(torch.eye(classes))
            self.linear.bias.zero_()
        self.first = self.second = None
        if hidden:
            self.first, self.second = (nn.Linear(*sizes, dtype=torch.float64) for sizes in ((wide, hidden), (hidden, width)))
            with torch.no_grad():
                bound = wide**-0.5
                self.first.weight.uniform_(-bound, bound, generator=torch_stream(seed, "init", "second"))
                for tensor in (self.first.bias, self.second.weight, self.second.bias):
                    tensor.zero_()

    def features(self, said: Tensor) -> Tensor:
        """[B, K, C] -> [B, (K + 1) * C], or [B, K] -> [B, K]."""
        if self.classes is None:
            return (said.double() - self.mean) / self.std
        both = torch.cat([said.double(), said.double().mean(1, keepdim=True)], dim=1)  # B K+1 C
        logs = both.clamp_min(_FLOOR).log()
        return (logs - logs.mean(-1, keepdim=True)).flatten(1)  # B K+1 C -> B (K+1)*C, each network's logs around 0

    def forward(self, said: Tensor) -> Tensor:
        x = self.features(said)
        out: Tensor = self.linear(x)
        if self.first is not None and self.second is not None:
            out = out + self.second(torch.tanh(self.first(x)))
        return out if self.classes is not None else out[:, 0] * self.std + self.mean

    @torch.no_grad()
    def predict(self, predictions: np.ndarray) -> np.ndarray:
        """Decoded predictions of the first networks, [K, n, C] or [K, n] -> probabilities [n, C] or numbers [n]."""
        said = _asked(predictions, self.networks, self.classes)
        out = self(said)
        return (out if self.classes is None else out.softmax(-1)).numpy()


def stack(
    predictions: np.ndarray,
    target: np.ndarray,
    *,
    hidden: int = 0,
    penalty: float | None = None,
    weight: np.ndarray | None = None,
    seed: int = 0,
) -> SecondLevel:
    """The second level for out-of-fold predictions: probabilities [K, n, C] with codes [n], or numbers [K, n] with numbers [n].

    hidden: units of a hidden layer. penalty: of the squared distance of the weights from those of the mean; found by 5 folds of the rows when None.
    weight: [n] or None. Raises InputError for shapes that do not belong together, and for fewer rows than 10.
    """
    given = np.asarray(predictions, dtype=np.float64)
    y = np.asarray(target)
    if given.ndim not in (2, 3) or y.shape != given.shape[1:2] or len(y) < 10:
        raise InputError(
            f"stacking needs out-of-fold predictions [K, n, C] or [K, n] and a target [n] of at least 10 rows; {given.shape} and {y.shape} were given"
        )
    if hidden < 0 or (penalty is not None and not 0 <= penalty < float("inf")):
        raise InputError(f"hidden and penalty must be at least 0; {hidden} and {penalty} were given")
    classes = given.shape[2] if given.ndim == 3 else None
    if classes is not None and (y.min() < 0 or y.max() >= classes):
        raise InputError(f"codes must lie from 0 to {classes - 1}; {y.min()} to {y.max()} were given")
    said = _asked(given, len(given), classes)
    truth = torch.from_numpy(y.astype(np.int64) if classes is not None else y.astype(np.float64))
    w = torch.ones(len(y), dtype=torch.float64) if weight is None else torch.from_numpy(np.asarray(weight, dtype=np.float64))
    if penalty is None:
        fold = numpy_stream(seed, "split", "stacking").permutation(len(y)) % _FOLDS
        costs = []
        for candidate in PENALTIES:
            cost = 0.0
            for number in range(_FOLDS):
                inside, outside = (torch.from_numpy(np.flatnonzero(mask)) for mask in (fold != number, fold == number))
                network = _fit(said[inside], truth[inside], w[inside], classes, hidden, candidate, seed)
                with torch.no_grad():
                    cost += float((w[outside] * _loss(network, said[outside], truth[outside])).sum())
            costs.append(cost)
        penalty = PENALTIES[int(np.argmin(costs))]
    return _fit(said, truth, w, classes, hidden, penalty, seed)


def _fit(said: Tensor, truth: Tensor, weight: Tensor, classes: int | None, hidden: int, penalty: float, seed: int) -> SecondLevel:
    mean, std = (0.0, 1.0) if classes is not None else (float(truth.mean()), float(truth.std().clamp_min(1e-12)))
    network = SecondLevel(said.shape[1], classes, hidden, mean=mean, std=std, seed=seed)
    start = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        away = torch.stack([(p - start[name]).square().sum() for name, p in network.named_parameters()]).sum()
        loss = (weight * _loss(network, said, truth)).sum() / weight.sum() + penalty * away
        loss.backward()
        return loss

    optimizer.step(closure)
    return network.eval()


def _loss(network: SecondLevel, said: Tensor, truth: Tensor) -> Tensor:
    """[B] nats, or squared standard deviations."""
    out = network(said)
    if network.classes is not None:
        return F.cross_entropy(out, truth, reduction="none")
    return ((out - truth) / network.std).square()


def _asked(predictions: np.ndarray, networks: int, classes: int | None) -> Tensor:
    """[K, n, C] or [K, n] as a tensor [n, K, C] or [n, K]. Raises InputError for others."""
    given = np.asarray(predictions, dtype=np.float64)
    wanted = f"[{networks}, n]" if classes is None else f"[{networks}, n, {classes}]"
    if given.ndim != (2 if classes is None else 3) or len(given) != networks or (classes is not None and given.shape[2] != classes):
        raise InputError(f"predictions of the first networks must be {wanted}; {given.shape} was given")
    if not np.isfinite(given).all():
        raise InputError("predictions of the first networks must be finite; leave out the network that diverged")
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(given, 0, 1)))
