"""The catalogue: names, refusals, defaults that fit the data and the time, and settings that take effect."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from tests.models.networks import ALL, CATEGORIES, IMAGE, NUMBERS, TABLE, TEXT
from torch import nn

from goodfit.base.errors import InputError, SettingError
from goodfit.base.parts import ModelPart
from goodfit.models import catalogue, sizing

OWN_TASKS = {
    "tokens": "tagging",
    "source": "sequence",
    "stream": "language",
    "caption": "caption",
    "window": "forecast",
    "noise": "generation",
    "points": "pointing",
    "boxes": "detection",
}  # of inputs


def size(name: str, inputs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    given = {"rows": 20_000, "outputs": 2, "time_limit": 600.0, "threads": 2, "preset": "good", "numeric": False} | changes
    return catalogue.defaults(name, inputs, **given)


def test_every_entry_speaks_for_itself() -> None:
    for listed in catalogue.listed():
        assert listed["name"] in {*catalogue.names(), *catalogue.BROUGHT}
        assert len(listed["purpose"]) > 20
        assert any(character.isdigit() for character in listed["source"]) or "TabM" in listed["source"]
        assert set(listed["inputs"]) <= set(ALL)
        rows = {"binary", "multiclass", "multilabel", "regression", "several"}
        rows -= {"multilabel", "several"} if catalogue.entry(listed["name"]).solved else set()
        rows |= {"caption"} if listed["name"] in ("pretrained", "backbone") else set()
        own = [task for kind, task in OWN_TASKS.items() if kind in listed["inputs"]]
        assert set(listed["tasks"]) == ({"reconstruction"} if "autoencoder" in listed["name"] else set(own) or rows)
        assert set(listed["settings"]) <= set(ModelPart.model_fields)
        assert all(len(reason) > 5 for reason in listed["reasons"].values())
    json.dumps(catalogue.listed())


def test_defaults_are_settings_that_a_recipe_takes() -> None:
    for name in catalogue.names():
        part = ModelPart(name=name, **catalogue.entry(name).defaults)
        assert catalogue.taken(part) == {key: value for key, value in catalogue.entry(name).defaults.items() if value is not None}


@pytest.mark.parametrize(
    ("kinds", "name"),
    [
        ({"number", "category"}, "tabm"),
        ({"boolean", "datetime", "identifier"}, "tabm"),
        ({"image"}, "resnet9"),
        ({"series"}, "series_lstm"),
        ({"tokens"}, "lstm_tagger"),
        ({"window"}, "forecast_lstm"),
        ({"source"}, "seq2seq_transformer"),
        ({"neighbours", "vector"}, "graphsage"),
        ({"edges", "nodes"}, "gin"),
        ({"stream"}, "gpt"),
        ({"caption"}, "caption_rnn"),
        ({"noise"}, "dcgan"),
        ({"points"}, "pointer_transformer"),
        ({"boxes"}, "anchor_detr"),
        ({"image", "identifier"}, "resnet9"),
        ({"text"}, "bag"),
        ({"text", "number"}, "mixed"),
        ({"text", "image"}, "mixed"),
        ({"numbers", "image"}, "mixed"),
        (set(), "tabm"),
    ],
)
def test_choice(kinds: set[str], name: str) -> None:
    assert catalogue.choose(kinds, 1000, "good") == name


def test_unknown_names_and_settings_are_refused_with_what_there_is() -> None:
    with pytest.raises(SettingError, match=r"there is no network 'tabn'; did you mean 'tabm'\?"):
        catalogue.entry("tabn")
    with pytest.raises(SettingError, match=r"there is no network 'xyz'; goodfit models lists those"):
        catalogue.build("xyz", NUMBERS, 1, {})
    with pytest.raises(SettingError, match=r"'resnet9' does not take model\.heads; it takes model\.width, model\.dropout"):
        catalogue.build("resnet9", IMAGE, 1, {"heads": 2})
    with pytest.raises(SettingError, match=r"does not take model\.witdh; .*; did you mean 'width'\?"):
        catalogue.checked("mlp", {"witdh": 3})
    with pytest.raises(SettingError, match=r"'linear' does not take model\.width; it takes no settings"):
        catalogue.checked("linear", {"width": 3})


def test_runs_of_letters_are_for_bags() -> None:
    assert catalogue.grams("bag", None) == catalogue.GRAMS
    assert catalogue.grams("bag", 0) == catalogue.grams("gru", 0) == catalogue.grams("gru", None) == catalogue.grams("mixed", None) == 0
    assert catalogue.grams("mixed", 4) == 4
    with pytest.raises(SettingError, match=r"'gru' reads tokens in their order, .* leave out data\.grams, or take linear or mixed or bag"):
        catalogue.grams("gru", 3)


def test_inputs_that_a_network_does_not_read_are_refused_with_those_that_do() -> None:
    with pytest.raises(SettingError, match=r"'tabm' reads numbers, categories, the data have .*; take linear or mixed"):
        catalogue.build("tabm", TABLE | TEXT | IMAGE, 1, {})
    with pytest.raises(SettingError, match=r"take linear or mlp or mixed or resnet9 or lenet5 or .* or vit"):
        catalogue.build("gru", IMAGE, 1, {})
    with pytest.raises(InputError, match="needs as many tensors of bin edges"):
        catalogue.build("tabm", {"numbers": {"names": ["a"]}}, 1, {})


@pytest.mark.parametrize("name", catalogue.names())
def test_every_setting_has_an_effect(name: str) -> None:
    """A setting that changes neither the parameters, nor the layers, nor the output would be a lie in the recipe."""
    entry = catalogue.entry(name)
    inputs = {kind: spec for kind, spec in ALL.items() if kind in entry.inputs}
    other: dict[str, Any] = {
        "width": 16 if "caption" in inputs else 12, "depth": 1, "members": 2, "dropout": 0.5, "activation": "silu", "norm": "layer", "embedding": "none",
        "embedding_dim": 6, "bins": 7, "heads": 1, "bidirectional": not entry.defaults.get("bidirectional", True), "crf": True, "words": False, "context": 4, "grams": 2,
        "stem": "patch" if name == "vit" else "imagenet", "residual": "graph" in entry.inputs, "convolutions": 1, "dense": 2, "patch": 4, "positions": "sine",
        "pool": "class" if name == "vit" else "max" if "graph" in entry.inputs else "none", "latent_dim": 5, "noise": 0.5, "queries": 16,
    }  # fmt: skip
    base = {"width": 8, "depth": 2, "heads": 2, "members": 3, "embedding_dim": 4, "embedding": "periodic"}
    base = {key: value for key, value in base.items() if key in entry.settings}

    def seen(settings: dict[str, Any]) -> list[Any]:
        torch.manual_seed(0)
        network = catalogue.build(name, inputs, 2, settings)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.1)
        batch = catalogue.example(inputs, 3)
        torch.manual_seed(1)
        shapes = [tuple(parameter.shape) for parameter in network.parameters()]
        return [shapes, [str(module) for module in network.modules() if not list(module.children())], network(**batch).tolist()]

    for setting in entry.settings:
        if setting not in ("bins", "penalty", "loss", "tube") and (name, setting) != ("dcgan", "latent_dim"):
            # Counts that make the inputs, see below; what solvers read, see tests/api/test_solved.
            assert seen(base) != seen({**base, setting: other[setting]}), setting


def test_bins_are_edges_in_the_inputs() -> None:
    network = catalogue.build("tabm", NUMBERS, 1, {"width": 4, "members": 2, "embedding": "piecewise"})
    assert network.columns.embed.encoding.bins == 8


def test_weights_come_from_torchs_generator_alone() -> None:
    for name in catalogue.names():
        inputs = {kind: spec for kind, spec in ALL.items() if kind in catalogue.entry(name).inputs}
        states = []
        for _ in range(2):
            torch.manual_seed(4)
            states.append(catalogue.build(name, inputs, 2, {}).state_dict())
        assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


@pytest.mark.parametrize("name", catalogue.names())
def test_example_batches_fit(name: str) -> None:
    inputs = {kind: spec for kind, spec in ALL.items() if kind in catalogue.entry(name).inputs}
    network = catalogue.build(name, inputs, 2, {}).eval()
    assert network(**catalogue.example(inputs, 3)).shape[0] == 3


def test_less_time_or_more_rows_never_give_a_larger_table_network() -> None:
    def cost(**changes: Any) -> float:
        s = size("tabm", TABLE, **changes)
        return sizing.tabm_cost(3, [4, 90], 2, width=s["width"], depth=s["depth"], members=s["members"], dim=s["embedding_dim"], bins=48)

    for preset in ("fast", "good", "best"):
        times = [cost(preset=preset, time_limit=t) for t in (1.0, 10.0, 60.0, 600.0, 6_000.0, None)]
        assert times == sorted(times)
        rows = [cost(preset=preset, rows=r) for r in (2_000, 20_000, 200_000, 10_000_000)]
        assert rows == sorted(rows, reverse=True)
    assert cost(preset="fast") <= cost(preset="good") <= cost(preset="best")
    assert cost(threads=1) <= cost(threads=8)


def test_table_sizes_keep_the_plan_unless_the_smallest_is_too_large() -> None:
    for limit in (20.0, 60.0, 600.0):
        s = size("tabm", TABLE, time_limit=limit)
        cost = sizing.tabm_cost(3, [4, 90], 2, width=s["width"], depth=s["depth"], members=s["members"], dim=s["embedding_dim"], bins=48)
        seconds = sizing.PASSES * cost * sizing.epochs(20_000) * 20_000 / (2 * sizing.THROUGHPUT)
        assert seconds <= sizing.SHARE * limit or (s["width"], s["members"]) == sizing.TABM_SIZES[-1][:2]


def test_the_papers_size_for_few_and_for_enough_rows() -> None:
    assert size("tabm", TABLE, preset="best", time_limit=None)["width"] == 512
    assert size("tabm", TABLE, preset="best", time_limit=None, rows=1_000)["width"] == 256
    assert size("tabm", CATEGORIES)["embedding"] == "none"
    assert size("tabm", CATEGORIES)["depth"] == 3


def test_a_wide_table_has_a_network_that_fits_the_time() -> None:
    wide = {"numbers": {"names": [f"n{i}" for i in range(1_500)]}}
    s = size("tabm", wide, rows=5_000)
    assert sizing.tabm_cost(1_500, [], 2, width=s["width"], depth=2, members=s["members"], dim=s["embedding_dim"], bins=48) < 2e7


@pytest.mark.parametrize("name", catalogue.names())
def test_numbers_are_learned_from_columns_without_dropout(name: str) -> None:
    inputs = {kind: spec for kind, spec in ALL.items() if kind in catalogue.entry(name).inputs}
    usual = 0.1 if "graph" in inputs else catalogue.entry(name).defaults.get("dropout")
    assert size(name, inputs).get("dropout") == usual
    without = name in ("mlp", "tabm", "mixed")
    assert size(name, inputs, numeric=True).get("dropout") == (0 if without else usual)
    if "image" in inputs:
        assert size(name, {"image": inputs["image"]}, numeric=True).get("dropout") == usual


def test_image_sizes() -> None:
    mnist = {"image": {"column": "i", "channels": 1, "height": 28, "width": 28}}
    assert size("resnet9", mnist, rows=4_000, time_limit=60.0)["width"] == 16
    assert size("resnet9", mnist, rows=4_000)["width"] == 32
    assert size("resnet9", mnist, rows=4_000, preset="best", time_limit=None)["width"] == 64
    assert size("resnet9", mnist, rows=4_000, time_limit=1.0)["width"] == sizing.RESNET_WIDTHS[-1]


def test_the_cost_models_are_the_networks_products() -> None:
    from goodfit.models.account import describe

    settings = {"width": 24, "members": 5, "embedding_dim": 6, "embedding": "piecewise"}
    network = catalogue.build("tabm", TABLE, 3, settings)
    counted = describe(network, catalogue.example(TABLE, 1), 1, "adamw").multiply_adds
    cost = sizing.tabm_cost(3, [4, 90], 3, width=24, depth=2, members=5, dim=6, bins=8)
    assert cost == counted
    for image in ((3, 32, 32), (1, 64, 64), (3, 128, 96)):
        spec = {"image": {"column": "i", "channels": image[0], "height": image[1], "width": image[2]}}
        counted = describe(catalogue.build("resnet9", spec, 2, {"width": 8}), catalogue.example(spec, 1), 1, "sgd").multiply_adds
        assert sizing.resnet_cost(image, 8) == pytest.approx(counted, rel=0.02)


def test_no_network_holds_state_that_a_file_would_lose() -> None:
    for name in catalogue.names():
        inputs = {kind: spec for kind, spec in ALL.items() if kind in catalogue.entry(name).inputs}
        network = catalogue.build(name, inputs, 2, {})
        assert all(not isinstance(module, nn.Module) or "generator" not in module.__dict__ for module in network.modules())
        assert isinstance(network, nn.Module)


def test_text_networks_build_from_the_encoders_specification() -> None:
    for name in ("bag", "gru", "transformer"):
        assert catalogue.build(name, TEXT, 2, {})(text=torch.ones(2, 3, dtype=torch.int32)).shape == (2, 2)
