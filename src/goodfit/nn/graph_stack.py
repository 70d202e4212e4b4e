"""Graph layers on top of each other, for nodes and for whole graphs. N nodes, F features, W width, O outputs, G graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.nn.activation import activation as activation_named
from goodfit.nn.dropout import Dropout
from goodfit.nn.graph import READOUTS, readout
from goodfit.nn.norm import norm as norm_named
from goodfit.nn.shapes import required
from goodfit.nn.sparse import SparseRows, features, linear, sparse_dropout


def stack_widths(inputs: int, outputs: int, *, width: int, depth: int, readout: str) -> list[int]:
    """Widths before, between and after the layers of a `GraphStack`."""
    if depth < 1:
        raise SettingError(f"a graph network needs a depth of at least 1; {depth} was given", value=depth)
    return [inputs] + [width] * depth if readout != "none" else [inputs] + [width] * (depth - 1) + [outputs]


class GraphStack(nn.Module):
    """Hidden layers of dropout, layer (plus what went in, where `residual`), norm, activation; then, for nodes, dropout and the last layer:
    [N, F] -> [N, O]; or, with a `readout` (mean, sum, max), one vector per graph, dropout and a linear layer: [N, F] -> [G, O].

    layers: one between each two of `widths`, which `stack_widths` gives. residual: the first layer's passes a linear map (Luo, Shi and
    Wu 2024 found residuals, norms and dropout to matter more than the kind of layer).
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        widths: Sequence[int],
        outputs: int,
        *,
        activation: str,
        norm: str,
        residual: bool,
        dropout: float,
        readout: str,
    ) -> None:
        super().__init__()
        if readout not in ("none", *READOUTS):
            raise SettingError(f"readout must be one of none, {', '.join(READOUTS)}; {readout!r} was given", value=readout)
        hidden = len(layers) if readout != "none" else len(layers) - 1
        if not hidden and (residual or norm != "none"):
            raise SettingError("residual and norm are of hidden layers, and a depth of 1 has none; set depth=2 or more")
        self.inputs, self.readout, self.hidden = widths[0], readout, hidden
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList([norm_named(norm, width) for width in widths[1 : hidden + 1]])
        self.activation = activation_named(activation)
        self.dropout = Dropout(dropout)
        self.residuals: nn.ModuleList | None = None
        if residual:
            first = nn.Linear(widths[0], widths[1])  # what goes in may be sparse
            self.residuals = nn.ModuleList([first, *(nn.Identity() for _ in range(hidden - 1))])
        self.head = nn.Linear(widths[-1], outputs) if readout != "none" else None

    def forward(
        self, nodes: Tensor | None, run: Callable[[nn.Module, Tensor | SparseRows], Tensor], graph: Tensor | None, graphs: int | None
    ) -> Tensor:
        """run: calls a layer on what stands before it, with the edges."""
        x = features("a graph network", required("nodes", nodes), self.inputs)
        for index in range(self.hidden):
            x = sparse_dropout(x, self.dropout.p, self.training)
            out = run(self.layers[index], x)
            if self.residuals is not None:
                out = out + _passed(self.residuals[index], x)
            x = self.activation(self.norms[index](out))
        if self.head is None:
            if graph is not None:
                raise InputError("the network was built for nodes and got graph=...; build it with readout=mean for one output per graph")
            return run(self.layers[-1], sparse_dropout(x, self.dropout.p, self.training))
        assert isinstance(x, Tensor)
        return self.head(self.dropout(readout(x, required("graph", graph), graphs, how=self.readout)))


def _passed(residual: nn.Module, x: Tensor | SparseRows) -> Tensor:
    if isinstance(residual, nn.Linear):
        return linear(residual, x)
    assert isinstance(x, Tensor)
    return x
