"""Functions of torch that leave the numbers for ordinary arguments (log of 0, division by 0, exp of 100), and the same kept inside of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.doctor.trail import SHAPES, Call, Changed

LEAST = 1e-7  # of what goes into log or under a fraction: float32 tells 1 - 1e-7 from 1
LEAST_ROOT = 1e-8  # of what goes under a root: its slope is then at most 5000
MOST_EXPONENT = 80.0  # exp of 88 is more than float32 holds
UNMASKED = -1e9  # in place of minus infinity: a row that is masked altogether then gives equal shares


def _above(least: float) -> Callable[[Call], Any]:
    return lambda call: _again(call, call.first.clamp_min(least))


def _apart(divisor: Any) -> Any:
    if not isinstance(divisor, Tensor) or not divisor.is_floating_point():
        return divisor
    return torch.where(divisor.abs() < LEAST, torch.where(divisor < 0, -LEAST, LEAST).to(divisor.dtype), divisor)


def _divided(call: Call) -> Any:
    divisor = call.argument("other", 1)
    return torch.div(call.first, _apart(divisor), **{key: value for key, value in call.kwargs.items() if key == "rounding_mode"})


def _powered(call: Call) -> Any:
    exponent = call.argument("exponent", 1)
    whole = isinstance(exponent, int) or (isinstance(exponent, float) and exponent.is_integer())
    if whole and exponent >= 0:
        return call.run()
    return torch.pow(call.first.clamp_min(LEAST_ROOT) if not whole else _apart(call.first), exponent)


def _spread(call: Call) -> Any:
    given = {key: value for key, value in call.kwargs.items() if key != "input"}
    found = torch.var(call.first, *call.args[1:], **given).nan_to_num(0.0)
    return (found + LEAST_ROOT).sqrt() if call.name == "std" else found


def _again(call: Call, first: Tensor) -> Any:
    function = getattr(torch, call.name.strip("_"), None) or getattr(torch.nn.functional, call.name)
    return function(first, *call.args[1:], **{key: value for key, value in call.kwargs.items() if key != "input"})


GUARDS: dict[str, Callable[[Call], Any]] = {
    "log": _above(LEAST), "log2": _above(LEAST), "log10": _above(LEAST), "log1p": _above(LEAST - 1), "sqrt": _above(LEAST_ROOT), "rsqrt": _above(LEAST_ROOT),
    "div": _divided, "true_divide": _divided, "divide": _divided, "__truediv__": _divided, "reciprocal": lambda call: torch.reciprocal(_apart(call.first)),
    "__rdiv__": lambda call: call.args[1] / _apart(call.args[0]), "__rtruediv__": lambda call: call.args[1] / _apart(call.args[0]),
    "exp": lambda call: _again(call, call.first.clamp_max(MOST_EXPONENT)), "expm1": lambda call: _again(call, call.first.clamp_max(MOST_EXPONENT)),
    "pow": _powered, "__pow__": _powered, "std": _spread, "var": _spread,
    "acos": lambda call: _again(call, call.first.clamp(LEAST - 1, 1 - LEAST)), "asin": lambda call: _again(call, call.first.clamp(LEAST - 1, 1 - LEAST)),
    "arccos": lambda call: _again(call, call.first.clamp(LEAST - 1, 1 - LEAST)), "atanh": lambda call: _again(call, call.first.clamp(LEAST - 1, 1 - LEAST)),
    "logit": lambda call: torch.logit(call.first, eps=LEAST), "norm": lambda call: _again(call, call.first + LEAST_ROOT),
    "softmax": lambda call: _again(call, call.first.clamp_min(UNMASKED)), "log_softmax": lambda call: _again(call, call.first.clamp_min(UNMASKED)),
}  # fmt: skip


class Guarded(Changed):
    """For `Setup.around`: every such call is kept where the function gives numbers. The logarithm of a share, log(softmax(x)), log(sigmoid(x)) and
    log(1 - sigmoid(x)), is computed as one, as torch's own losses do: kept above 0 alone, a share that is rounded to 0 would have no slope."""

    def __init__(self) -> None:
        super().__init__(self._guard)
        self._logs: dict[
            int, tuple[Tensor, Callable[[], Tensor], Callable[[], Tensor] | None]
        ] = {}  # of a share, and of what it lacks to 1

    def _guard(self, call: Call) -> Any:
        first = call.first
        if not isinstance(first, Tensor) or not first.is_floating_point() or "out" in call.kwargs:
            return call.run()
        known = self._logs.get(id(first))
        if known is not None and call.name == "log":
            return known[1]()
        guard = GUARDS.get(call.name)
        answer = call.run() if guard is None else guard(call)
        if not isinstance(answer, Tensor):
            return answer
        if call.name == "softmax":
            dim = call.argument("dim", 1)
            self._logs[id(answer)] = (answer, lambda: torch.log_softmax(first.clamp_min(UNMASKED), -1 if dim is None else dim), None)
        elif call.name == "sigmoid":
            self._logs[id(answer)] = (answer, lambda: F.logsigmoid(first), lambda: F.logsigmoid(-first))
        elif known is not None and call.name in {"__rsub__", "rsub"} and call.argument("other", 1) == 1 and known[2] is not None:
            self._logs[id(answer)] = (answer, known[2], known[1])
        elif known is not None and call.name in SHAPES and answer is not first:
            self._logs[id(answer)] = (answer, self._shaped(call, known[1]), None if known[2] is None else self._shaped(call, known[2]))
        return answer

    @staticmethod
    def _shaped(call: Call, log: Callable[[], Tensor]) -> Callable[[], Tensor]:
        return lambda: getattr(Tensor, call.name)(log(), *call.args[1:], **call.kwargs)
