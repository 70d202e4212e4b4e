"""Products beside dense matrices that torch makes another way, to 1e-10 in float64; and what is refused."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F
from tests.curvature.landscapes import NAMES, Landscape, landscape, softmax
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.base.records import Batch
from goodfit.curvature.objective import Objective, gradient, task_objective
from goodfit.curvature.products import Product, curvature_by_batch, dense_product, gauss_newton_product, hessian_product
from goodfit.tasks.multiclass import Multiclass

CUTS = pytest.mark.parametrize("sizes", [(), (5, 3, 2)], ids=["one batch", "three batches"])
KEEP = pytest.mark.parametrize("keep", [False, True], ids=["anew", "kept"])


def dense(product: Product) -> Tensor:
    return torch.stack([product(row) for row in torch.eye(product.size, dtype=product.dtype)], 1)


def close(one: Tensor, other: Tensor) -> None:
    assert (one - other).abs().max() <= 1e-10 * other.abs().max()


def gauss_newton(given: Landscape, *sizes: int, keep: bool | None = None) -> Product:
    return gauss_newton_product(
        lambda batch: given.network(batch[0]), lambda out, batch: given.loss(out, batch[1]), given.network, given.batches(*sizes), keep=keep
    )


@pytest.mark.parametrize("name", NAMES)
@CUTS
@KEEP
def test_the_hessian_is_the_dense_one(name: str, sizes: tuple[int, ...], keep: bool) -> None:
    given = landscape(name)
    close(dense(hessian_product(given.objective(*sizes), keep=keep)), given.hessian())


@pytest.mark.parametrize("name", NAMES)
@CUTS
@KEEP
def test_the_gauss_newton_matrix_is_the_dense_one(name: str, sizes: tuple[int, ...], keep: bool) -> None:
    given = landscape(name)
    found, wanted = dense(gauss_newton(given, *sizes, keep=keep)), given.gauss_newton()
    close(found, wanted)
    assert torch.linalg.eigvalsh(found)[0] > -1e-12 * wanted.abs().max()
    assert (wanted - given.hessian()).abs().max() > 1e-6, "the two matrices differ, or the test could not tell them apart"


def test_the_gradient_and_its_noise_are_those_of_a_naive_loop() -> None:
    given = landscape("mlp, softmax")
    objective = given.objective(2, 2, 2, 2, 2)
    per_batch = []
    for x, target in given.batches(2, 2, 2, 2, 2):
        parts = torch.autograd.grad(softmax(given.network(x), target).mean(), list(given.network.parameters()))
        per_batch.append(torch.cat([part.flatten() for part in parts]))
    rows = torch.stack(per_batch)
    found = gradient(objective)
    close(found.mean, rows.mean(0))
    assert found.noise == pytest.approx(float((rows.var(0) / 5).sum().sqrt()), rel=1e-10)
    assert gradient(given.objective()).noise is None
    assert objective.value == pytest.approx(float(softmax(given.network(given.x), given.target).mean().detach()), rel=1e-12)


def test_the_curvature_of_each_batch_adds_up_to_that_of_all() -> None:
    given = landscape("mlp, squared")
    v = torch.randn(len(given.flat()), dtype=torch.float64)
    objective = given.objective(5, 3, 2)
    found = curvature_by_batch(objective, v)
    assert len(set(found)) == 3
    total = sum(c * share for c, share in zip(found, objective.shares, strict=True))
    assert total == pytest.approx(float(v @ given.hessian() @ v / (v @ v)), rel=1e-10)


def test_float32_is_near_float64() -> None:
    given = landscape("conv, softmax")
    v = torch.randn(len(given.flat()), dtype=torch.float64)
    exact = given.hessian() @ v
    network = given.network.float()
    objective = Objective(lambda batch: softmax(network(batch[0].float()), batch[1]), network, given.batches(5, 5))
    found = hessian_product(objective)(v.float())
    assert found.dtype == torch.float32
    assert (found.double() - exact).norm() < 1e-4 * exact.norm()


def test_a_graph_that_is_kept_follows_the_weights() -> None:
    given = landscape("mlp, softmax")
    product = hessian_product(given.objective())
    before = dense(product)
    with torch.no_grad():
        given.network[0].weight.mul_(1.5)
    after = dense(product)
    close(after, given.hessian())
    assert (after - before).abs().max() > 1e-3


def test_parameters_that_take_no_part() -> None:
    used, idle = torch.tensor([2.0], requires_grad=True), torch.tensor([1.0, 1.0], requires_grad=True)
    still = torch.tensor([5.0])
    objective = Objective(lambda _: used**3 + 0 * idle.sum(), [used, still, idle], [None])
    assert objective.size == 3
    assert hessian_product(objective)(torch.ones(3)).tolist() == [12.0, 0.0, 0.0]
    linear = Objective(lambda x: used * x, [used, idle], [torch.tensor([1.0, 3.0])])
    assert hessian_product(linear)(torch.ones(3)).tolist() == [0.0, 0.0, 0.0]
    assert gauss_newton_product(lambda x: used * x, lambda out, x: 4 * out, [used], [torch.ones(2)])(torch.ones(1)).tolist() == [0.0]


def test_a_product_adds_to_what_is_there() -> None:
    given = landscape("mlp, softmax")
    product = hessian_product(given.objective(5, 5))
    v = torch.randn(product.size, dtype=torch.float64)
    out = torch.ones_like(v)
    product.add_(out, v)
    torch.testing.assert_close(out, 1 + product(v), rtol=1e-12, atol=1e-12)
    matrix = torch.tensor([[1.0, 2.0], [2.0, 0.0]])
    assert dense_product(matrix)(torch.tensor([1.0, 1.0])).tolist() == [3.0, 2.0]


def test_rows_that_weigh() -> None:
    w = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
    batches = [torch.tensor([1.0, 2.0]), torch.tensor([4.0])]
    by_row = Objective(lambda x: (w * x) ** 2, [w], batches)
    by_mean = Objective(lambda x: ((w * x) ** 2).mean(), [w], batches, rows=[2, 1])
    assert by_row.value == by_mean.value == pytest.approx(9 * 21 / 3)
    assert float(hessian_product(by_mean)(torch.ones(1, dtype=torch.float64))) == pytest.approx(2 * 21 / 3)
    none = Objective(lambda x: (w * x) ** 2, [w], batches, rows=[0, 1])
    assert none.value == pytest.approx(9 * 16)


def test_a_task_with_its_weights() -> None:
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3).double()

        def forward(self, *, numbers: Tensor) -> Tensor:
            return self.layer(numbers)

    network, x, y = Net(), torch.randn(6, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])
    weight = torch.tensor([1.0, 2.0, 0.0, 1.0, 3.0, 1.0], dtype=torch.float64)
    rows = torch.arange(6)
    batches = [Batch({"numbers": x[part]}, y[part], weight[part], rows[part]) for part in (slice(0, 4), slice(4, 6))]
    objective = task_objective(network, Multiclass(3), batches)
    losses = F.cross_entropy(network(numbers=x), y, reduction="none")
    assert objective.value == pytest.approx(float((losses * weight).sum().detach() / weight.sum()))


class Noisy(nn.Module):
    """Draws from a generator of its own, which only the losses can tell."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 3).double()
        self.random = torch.Generator().manual_seed(0)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x + torch.randn(x.shape, generator=self.random, dtype=x.dtype))


def stormy(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name == "dropout":
        return nn.Sequential(nn.Linear(5, 6), nn.Dropout(0.5), nn.Linear(6, 3)).double()
    if name == "batch norm":
        return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)).double()
    return Noisy()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dropout", r"the pass over batch 0 drew random numbers.*network.eval\(\)"),
        ("batch norm", r"each pass changes the buffer '1\..*network.eval\(\)"),
        ("own noise", "the loss of batch 0 was .* and then "),
    ],
)
def test_passes_that_differ_are_refused(name: str, words: str) -> None:
    given, network = landscape("mlp, softmax"), stormy(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(InputError, match=re.compile(words)) as raised:
        Objective(lambda batch: softmax(network(batch[0]), batch[1]), network, given.batches(5, 5))
    assert ". " not in raised.value.message, "one sentence"
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items()), "a refusal leaves no trace"


@pytest.mark.parametrize("name", ["dropout", "batch norm"])
def test_the_same_networks_are_examined_in_eval_mode(name: str) -> None:
    given, network = landscape("mlp, softmax"), stormy(name).eval()
    objective = Objective(lambda batch: softmax(network(batch[0]), batch[1]), network, given.batches(5, 5))
    assert dense(hessian_product(objective)).isfinite().all()
    network.train()
    with pytest.raises(InputError, match="passes that agree"):  # later too
        hessian_product(objective)(torch.ones(objective.size, dtype=torch.float64))


def test_dropout_is_refused_where_the_loss_cannot_tell() -> None:
    """At weights of 0 every pass has the same loss and gradient, and yet not the same Hessian."""
    given, network = landscape("mlp, softmax"), stormy("dropout")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    with pytest.raises(InputError, match="drew random numbers"):
        Objective(lambda batch: softmax(network(batch[0]), batch[1]), network, given.batches())


class Remembering(nn.Module):
    """Works out a table on its first pass and keeps it, as positions are."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 3).double()
        self.register_buffer("table", torch.zeros(0, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        if not len(self.table):
            self.table = torch.arange(5, dtype=x.dtype)
        return self.layer(x + self.table)


def test_what_is_worked_out_once_is_no_difference() -> None:
    given, network = landscape("mlp, softmax"), Remembering()
    objective = Objective(lambda batch: softmax(network(batch[0]), batch[1]), network, given.batches(5, 5))
    assert dense(hessian_product(objective)).isfinite().all()


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return grad * 2


def test_what_else_is_refused() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    for call, words in [
        (lambda: Objective(lambda _: w.sum(), [w], []), "at least one batch"),
        (lambda: Objective(lambda _: w.sum(), [w.detach()], [None]), "parameters that require a gradient"),
        (lambda: Objective(lambda _: w.sum(), [w, w.double().detach().requires_grad_()], [None]), "one precision on one device"),
        (lambda: Objective(lambda _: w.sum(), [w], [None, None]), "give rows="),
        (lambda: Objective(lambda _: w.sum(), [w], [None, None], rows=[1]), "one number per batch"),
        (lambda: Objective(lambda _: w.sum(), [w], [None], rows=[0]), "not all be 0"),
        (lambda: Objective(lambda _: w.sum() / 0, [w], [None]), "finite loss, and that of batch 0 is inf"),
        (lambda: Objective(lambda _: w.view(1, 2), [w], [None]), r"one number per row, \[n\]"),
        (lambda: hessian_product(Objective(lambda _: w.detach(), [w], [None]))(torch.ones(2)), "was it detached"),
        (lambda: hessian_product(Objective(lambda _: w**2, [w], [None]))(torch.ones(3)), r"has the shape \[2\] and this one has \[3\]"),
        (lambda: hessian_product(Objective(lambda _: Once.apply(w) ** 2, [w], [None]))(torch.ones(2)), "differentiated twice"),
    ]:
        with pytest.raises(InputError, match=words):
            call()
