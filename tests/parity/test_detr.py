"""DETR against transformers': outputs of every decoder layer, gradients, the positions of pixels, and the whole loss."""

from __future__ import annotations

import itertools
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.models.detr import DETR
from goodfit.nn.pixel_positions import pixel_positions
from goodfit.tasks.matching import match, matches, set_loss

with warnings.catch_warnings():  # of transformers' own imports
    warnings.simplefilter("ignore")
    from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig
    from transformers.loss.loss_for_object_detection import ForObjectDetectionLoss, HungarianMatcher
    from transformers.models.detr.modeling_detr import DetrSinePositionEmbedding

CLASSES, QUERIES, WIDTH, LAYERS = 5, 6, 16, 3


class FeatureMap(nn.Module):
    """Their backbone as a module from images to a feature map."""

    def __init__(self, theirs: nn.Module) -> None:
        super().__init__()
        self.theirs = theirs

    def forward(self, image: Tensor) -> Tensor:
        return self.theirs(image, torch.ones_like(image[:, 0]))[-1][0]


def their_detr() -> DetrForObjectDetection:
    torch.manual_seed(0)
    backbone = ResNetConfig(embedding_size=4, hidden_sizes=[4, 6, 8, 10], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage4"])
    config = DetrConfig(
        backbone_config=backbone, num_labels=CLASSES, num_queries=QUERIES, d_model=WIDTH, encoder_layers=2, decoder_layers=LAYERS,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=24, decoder_ffn_dim=24,
    )  # fmt: skip
    theirs = DetrForObjectDetection(config).double().eval()
    with torch.no_grad():
        for name, tensor in itertools.chain(theirs.named_parameters(), theirs.named_buffers()):
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.randn_like(tensor).abs() if "running_var" in name else 0.1 * torch.randn_like(tensor))
    return theirs


def named(theirs: str) -> str:
    """The name of a parameter of ours, by that of theirs."""
    pairs = [
        ("model.backbone.", "backbone.theirs."), ("model.query_position_embeddings.weight", "queries"), ("model.input_projection", "project"),
        ("model.decoder.layernorm", "norm"), ("model.encoder.layers", "encoder"), ("model.decoder.layers", "decoder"),
        ("class_labels_classifier", "kind"), ("bbox_predictor.layers.0", "box.0"), ("bbox_predictor.layers.1", "box.2"),
        ("bbox_predictor.layers.2", "box.4"), ("mlp.fc1", "mlp.up"), ("mlp.fc2", "mlp.down"), ("final_layer_norm", "mlp_norm"),
        ("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value"), ("o_proj", "output"),
    ]  # fmt: skip
    name = theirs
    for before, after in pairs:
        name = name.replace(before, after)
    if name.startswith("decoder."):
        name = name.replace("self_attn_layer_norm", "among_norm").replace("self_attn", "among")
        name = name.replace("encoder_attn_layer_norm", "attention_norm").replace("encoder_attn", "attention")
    elif name.startswith("encoder."):
        name = name.replace("self_attn_layer_norm", "attention_norm").replace("self_attn", "attention")
    return name


def our_detr(theirs: DetrForObjectDetection) -> DETR:
    ours = DETR(
        3, CLASSES, queries=QUERIES, width=WIDTH, heads=4, encoder_depth=2, decoder_depth=LAYERS, hidden=24,
        backbone=FeatureMap(theirs.model.backbone), backbone_channels=10,
    ).double()  # fmt: skip
    ours.load_state_dict({named(name): tensor for name, tensor in theirs.state_dict().items()}, strict=True)
    return ours.eval()


@pytest.mark.parametrize("padded", [False, True])
def test_outputs_of_every_layer_and_gradients(padded: bool) -> None:
    theirs = their_detr()
    ours = our_detr(theirs)
    image = torch.randn(2, 3, 70, 100, dtype=torch.float64)
    mask = torch.ones(2, 70, 100, dtype=torch.bool)
    if padded:
        mask[1, 40:], mask[1, :, 60:] = False, False
        image = image * mask[:, None]
    out = ours(image=image, mask=mask if padded else None)
    assert out.shape == (2, LAYERS, QUERIES, CLASSES + 1 + 4)
    wanted = theirs(pixel_values=image, pixel_mask=mask.long(), output_hidden_states=True)
    torch.testing.assert_close(out[:, -1, :, :-4], wanted.logits, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(out[:, -1, :, -4:], wanted.pred_boxes, rtol=1e-9, atol=1e-9)
    layers = [theirs.model.decoder.layernorm(hidden) for hidden in wanted.decoder_hidden_states[1:]]
    if len(layers) == LAYERS:  # what each layer says, through the norm and the heads, as the authors' code trains it
        for layer in range(LAYERS - 1):
            torch.testing.assert_close(out[:, layer, :, :-4], theirs.class_labels_classifier(layers[layer]), rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(out[:, layer, :, -4:], theirs.bbox_predictor(layers[layer]).sigmoid(), rtol=1e-9, atol=1e-9)
    else:
        pytest.fail(f"{len(wanted.decoder_hidden_states)} hidden states of {LAYERS} layers")
    (out[:, -1, :, :-4].sin().sum() + out[:, -1, :, -4:].sin().sum()).backward()
    mine = {name: None if p.grad is None else p.grad.clone() for name, p in ours.named_parameters()}
    theirs.zero_grad()
    (wanted.logits.sin().sum() + wanted.pred_boxes.sin().sum()).backward()
    for name, parameter in theirs.named_parameters():
        if "backbone" not in name:
            torch.testing.assert_close(mine[named(name)], parameter.grad, rtol=1e-8, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")
    torch.testing.assert_close(ours.float()(image=image.float(), mask=mask)[:, -1, :, :-4], wanted.logits.float(), rtol=1e-5, atol=1e-5)


def test_positions_of_pixels() -> None:
    mask = torch.ones(2, 5, 7, dtype=torch.bool)
    mask[1, 3:], mask[1, :, 4:] = False, False
    theirs = DetrSinePositionEmbedding(6, normalize=True)(torch.Size([2, 1, 5, 7]), "cpu", torch.float64, mask)
    torch.testing.assert_close(pixel_positions(mask, 12, dtype=torch.float64), theirs.flatten(2).transpose(1, 2))


def answers(seed: int, rows: int = 4) -> tuple[Tensor, Tensor, list[dict[str, Tensor]]]:
    """Random outputs of three layers, and targets in both ways of writing them; one image has no object."""
    generator = torch.Generator().manual_seed(seed)
    output = torch.randn(rows, LAYERS, QUERIES, CLASSES + 5, generator=generator, dtype=torch.float64)
    output[..., -4:] = output[..., -4:].sigmoid()
    target = torch.full((rows, 4, 5), -1.0, dtype=torch.float64)
    labels = []
    for row in range(rows):
        count = row % 4
        places = torch.randperm(4, generator=generator)[:count].sort().values
        target[row, places, 0] = torch.randint(0, CLASSES, (count,), generator=generator).double()
        target[row, places, 1:] = torch.rand(count, 4, generator=generator, dtype=torch.float64)
        labels.append({"class_labels": target[row, places, 0].long(), "boxes": target[row, places, 1:]})
    return output, target, labels


def configuration(auxiliary: bool) -> Any:
    return SimpleNamespace(
        class_cost=1, bbox_cost=5, giou_cost=2, num_labels=CLASSES, eos_coefficient=0.1, auxiliary_loss=auxiliary, bbox_loss_coefficient=5,
        giou_loss_coefficient=2, decoder_layers=LAYERS,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("layers", [1, LAYERS])
def test_the_whole_loss_and_its_gradient(seed: int, layers: int) -> None:
    output, target, labels = answers(seed)
    output = output[:, -layers:].requires_grad_()
    loss = set_loss(output, target)
    assert loss.shape == (4,)
    logits, boxes = output[..., :-4], output[..., -4:]
    labels = [{name: tensor.float() if name == "boxes" else tensor for name, tensor in label.items()} for label in labels]
    theirs, parts, _ = ForObjectDetectionLoss(
        logits[:, -1].float(), labels, "cpu", boxes[:, -1].float(), configuration(layers > 1),
        logits.transpose(0, 1).float(), boxes.transpose(0, 1).float(),
    )  # fmt: skip
    assert len(parts) == 4 * layers
    torch.testing.assert_close(loss.mean().float(), theirs.float(), rtol=1e-5, atol=1e-5)
    ours = torch.autograd.grad(loss.mean(), output, retain_graph=True)[0]
    torch.testing.assert_close(ours.float(), torch.autograd.grad(theirs, output)[0].float(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_those_of_the_other_matcher(seed: int) -> None:
    output, target, labels = answers(seed)
    image, layer, query, one = matches(output, target)
    for number in range(LAYERS):
        given = {"logits": output[:, number, :, :-4], "pred_boxes": output[:, number, :, -4:]}
        for row, (queries, objects) in enumerate(HungarianMatcher(1, 5, 2)(given, labels)):
            here = (image == row) & (layer == number)
            places = (target[row, :, 0] >= 0).nonzero().flatten()
            assert query[here].tolist() == queries.tolist()
            assert one[here].tolist() == places[objects].tolist()


@pytest.mark.parametrize(("rows", "columns"), [(4, 3), (3, 3), (3, 5), (4, 0)])
def test_a_match_is_the_cheapest_of_all(rows: int, columns: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    for _ in range(20):
        cost = torch.randn(rows, columns, generator=generator, dtype=torch.float64).numpy()
        taken, given = match(cost)
        assert len(taken) == len(given) == min(rows, columns)
        assert len(set(taken.tolist())) == len(taken)
        assert len(set(given.tolist())) == len(given)
        if rows >= columns:
            every = (sum(cost[row, column] for column, row in enumerate(some)) for some in itertools.permutations(range(rows), columns))
        else:
            every = (sum(cost[row, column] for row, column in enumerate(some)) for some in itertools.permutations(range(columns), rows))
        assert cost[taken, given].sum() == pytest.approx(min(every))
