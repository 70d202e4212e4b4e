"""Word weights against scikit-learn's TF-IDF and against loops; convolution blocks against torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from torch import nn

from goodfit.nn.bag import WordWeights, bag_sum
from goodfit.nn.conv import ConvBlock, ResidualConv


def dense(words: torch.Tensor, weight: torch.Tensor, vocabulary: int) -> torch.Tensor:
    return torch.zeros(words.shape[0], vocabulary, dtype=weight.dtype).scatter_add_(1, words.long(), weight)


def test_with_the_idf_as_importance_it_is_scikit_learns_tfidf() -> None:
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(0, 12, (40, 15), generator=generator, dtype=torch.int32)
    counts = np.stack([np.bincount(row[row > 0], minlength=12) for row in text.numpy()])
    reference = TfidfTransformer(sublinear_tf=True)
    wanted = reference.fit_transform(sparse.csr_matrix(counts)).toarray()
    layer = WordWeights(12).double()
    with torch.no_grad():
        layer.importance.copy_(torch.from_numpy(reference.idf_).log())
    words, weight = layer(text)
    np.testing.assert_allclose(dense(words, weight, 12).detach().numpy(), wanted, atol=1e-12)


def test_order_and_padding_do_not_matter() -> None:
    layer = WordWeights(9)
    nn.init.normal_(layer.importance)
    one, other = torch.tensor([[4, 7, 4, 2]]), torch.tensor([[0, 2, 4, 0, 0, 7, 4]])
    torch.testing.assert_close(dense(*layer(one), 9), dense(*layer(other), 9))


@pytest.mark.parametrize("text", [torch.zeros(2, 0, dtype=torch.int32), torch.zeros(2, 3, dtype=torch.int32)])
def test_an_empty_text_weighs_nothing_and_has_finite_gradients(text: torch.Tensor) -> None:
    layer = WordWeights(5)
    table = nn.Embedding(5, 3)
    out = bag_sum(*layer(text), table)
    assert out.shape == (2, 3)
    assert out.count_nonzero() == 0
    out.sum().backward()
    assert layer.importance.grad is not None
    assert layer.importance.grad.isfinite().all()


def test_bag_sum_is_a_loop() -> None:
    layer, table = WordWeights(9), nn.Embedding(9, 4)
    text = torch.tensor([[4, 7, 4, 2], [1, 0, 0, 0]])
    words, weight = layer(text)
    wanted = torch.stack([sum(w * table.weight[t] for t, w in zip(ts, ws, strict=True)) for ts, ws in zip(words, weight, strict=True)])
    torch.testing.assert_close(bag_sum(words, weight, table), wanted)


def test_dropped_words_are_gone_in_training_alone() -> None:
    layer = WordWeights(200, dropout=0.5)
    text = torch.arange(1, 200)[None]
    torch.manual_seed(0)
    left = (layer(text)[1] > 0).sum().item()
    assert 70 < left < 130
    torch.testing.assert_close(layer(text)[1].norm(), torch.tensor(1.0))
    assert (layer.eval()(text)[1] > 0).sum() == 199


def test_gradcheck() -> None:
    layer, table = WordWeights(6).double(), nn.Embedding(6, 2).double()
    text = torch.tensor([[4, 5, 4, 2], [1, 0, 0, 0]])
    assert torch.autograd.gradcheck(lambda *_: bag_sum(*layer(text), table), (layer.importance, table.weight))


@pytest.mark.parametrize(("pool", "stride", "shape"), [(1, 1, (4, 9, 8)), (2, 1, (4, 4, 4)), (1, 2, (4, 5, 4)), (1, 4, (4, 2, 2))])
def test_convolution_block_is_torchs_layers(pool: int, stride: int, shape: tuple[int, int, int]) -> None:
    block = ConvBlock(3, 4, pool=pool, stride=stride)
    x = torch.randn(2, 3, 9, 8)
    y = F.conv2d(x, block.conv.weight, stride=stride, padding=1 if stride < 3 else 0)
    y = F.max_pool2d(y, pool) if pool > 1 else y
    torch.testing.assert_close(block(x), F.relu(F.batch_norm(y, None, None, training=True)))
    assert block(x).shape[1:] == shape


def test_a_side_of_one_pixel_is_not_pooled() -> None:
    assert ConvBlock(1, 2, pool=2).eval()(torch.randn(1, 1, 1, 5)).shape == (1, 2, 1, 2)


def test_residual_block_adds_its_input() -> None:
    block = ResidualConv(4).eval()
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(block(x), x + block.second(block.first(x)))
    nn.init.zeros_(block.second.conv.weight)
    assert torch.equal(block(x), x)
