"""The vision transformer against transformers' ViTForImageClassification."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import ViTConfig, ViTForImageClassification

from goodfit.models.vit import ViT


def reference(image: tuple[int, int, int], patch: int) -> ViTForImageClassification:
    """transformers' network with random weights, none of them 0."""
    config = ViTConfig(
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        layer_norm_eps=1e-6,
        image_size=image[1:],
        patch_size=patch,
        num_channels=image[0],
        num_labels=5,
    )
    network = ViTForImageClassification(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network


def renamed(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their names and shapes as ours."""
    words = {
        "vit.embeddings.cls_token": "class_token",
        "vit.embeddings.position_embeddings": "positions.weight",
        "vit.embeddings.patch_embeddings.projection.": "patches.project.",
        "vit.layers.": "blocks.",
        "q_proj.": "query.",
        "k_proj.": "key.",
        "v_proj.": "value.",
        "o_proj.": "output.",
        "layernorm_before.": "attention_norm.",
        "layernorm_after.": "mlp_norm.",
        "mlp.fc1.": "up.",
        "mlp.fc2.": "down.",
        "vit.layernorm.": "norm.",
        "classifier.": "head.",
    }
    ours = {}
    for name, value in theirs.items():
        for theirs_word, our_word in words.items():
            name = name.replace(theirs_word, our_word)
        ours[name] = value.flatten() if name == "class_token" else value.squeeze(0) if name == "positions.weight" else value
    return ours


@pytest.mark.parametrize(("image", "patch"), [((3, 12, 12), 4), ((1, 8, 20), 4)])
def test_outputs_and_gradients_are_transformers(image: tuple[int, int, int], patch: int) -> None:
    torch.manual_seed(0)
    theirs = reference(image, patch).double().eval()
    ours = ViT(image, 5, width=24, depth=3, heads=4, patch=patch, stem="patch", pool="class", positions="learned").double().eval()
    ours.load_state_dict(renamed(theirs.state_dict()), strict=True)
    pixels = torch.randn(3, *image, dtype=torch.float64)
    wanted, out = theirs(pixel_values=pixels).logits, ours(image=pixels)
    torch.testing.assert_close(out, wanted, rtol=0, atol=1e-10)
    assert wanted.std(0).min() > 0.01
    wanted.square().sum().backward()
    out.square().sum().backward()
    gradients = renamed({name: parameter.grad for name, parameter in theirs.named_parameters()})
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-6, atol=1e-8, msg=name)


def test_single_precision_is_transformers() -> None:
    torch.manual_seed(0)
    theirs = reference((3, 16, 16), 2).eval()
    ours = ViT((3, 16, 16), 5, width=24, depth=3, heads=4, patch=2, stem="patch", pool="class").eval()
    ours.load_state_dict(renamed(theirs.state_dict()), strict=True)
    pixels = torch.randn(3, 3, 16, 16)
    torch.testing.assert_close(ours(image=pixels), theirs(pixel_values=pixels).logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("width", "depth", "heads", "parameters"), [(768, 12, 12, 86_567_656), (1024, 24, 16, 304_326_632)])
def test_the_papers_sizes_have_the_known_number_of_weights(width: int, depth: int, heads: int, parameters: int) -> None:
    """ViT-B/16 and ViT-L/16 for 1,000 classes: 86 and 307 million in Table 1 of the paper, which counts another head; these are the published weights'."""
    with torch.device("meta"):
        network = ViT((3, 224, 224), 1_000, width=width, depth=depth, heads=heads, patch=16, stem="patch", pool="class")
    assert sum(p.numel() for p in network.parameters()) == parameters
