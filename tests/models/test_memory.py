"""Networks that do not fit are refused before any memory is taken; those that fit are counted as they are when they are built."""

from __future__ import annotations

import re
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models import networks
from torch._subclasses.fake_tensor import FakeTensorMode

from goodfit.base.errors import SettingError
from goodfit.base.machine import free_memory, machine_memory
from goodfit.base.recipe import settings as every_setting
from goodfit.models import catalogue
from goodfit.models.account import describe
from goodfit.models.memory import SIZES, refuse_too_large

GIB = 1 << 30


def refuse(name: str, inputs: dict[str, Any], free: int = 20 * GIB, batch_size: int = 256, **settings: int) -> None:
    refuse_too_large(name, inputs, 3, settings, batch_size=batch_size, optimiser="adamw", copies=1, free=free)


@pytest.mark.parametrize("case", networks.CASES)
def test_shapes_alone_cost_what_the_network_costs(case: str) -> None:
    name, inputs, settings = networks.CASES[case]
    with FakeTensorMode(allow_non_fake_inputs=True):
        shapes = catalogue.build(name, inputs, networks.OUTPUTS, settings)
    example = catalogue.example(inputs, 1)
    assert describe(shapes, example, 8, "adamw") == describe(networks.build(case), example, 8, "adamw")


HUGE: dict[str, tuple[str, dict[str, Any], dict[str, int]]] = {
    "wide and deep": ("mlp", networks.TABLE, {"width": 16_384, "depth": 100}),
    "wide and deep, members": ("tabm", networks.TABLE, {"width": 16_384, "depth": 40, "members": 512}),
    "wide, members": ("tabm", networks.TABLE, {"width": 16_384, "depth": 1, "members": 512}),  # by what the backward pass keeps alone
    "batch": ("mlp", networks.TABLE, {"width": 512, "depth": 2, "batch_size": 1 << 22}),
    "texts": ("transformer", networks.TEXT, {"width": 16_384, "heads": 8, "depth": 24}),
    "images": ("resnet9", networks.IMAGE, {"width": 16_384}),
}


@pytest.mark.parametrize("case", HUGE)
def test_what_does_not_fit_is_refused_before_it_is_made(case: str) -> None:
    name, inputs, settings = HUGE[case]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        SettingError, match=rf"training the network '{name}' with .* would take .* GiB of memory, and 20\.0 GiB are free; "
    ) as caught:
        refuse(name, inputs, **settings)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 19  # KiB: half a GiB
    message = caught.value.message
    for setting, value in settings.items():
        part = "train" if setting == "batch_size" else "model"
        assert setting == "heads" or f"{part}.{setting}={value}" in message
    if recommended := re.search(r"set model.width=(\d+) or less", message):
        refuse(name, inputs, **settings | {"width": int(recommended[1])})  # fits
    else:
        assert message.endswith("lower one of them")


def test_the_limit_is_what_an_update_and_the_copies_hold() -> None:
    network = catalogue.build("mlp", networks.TABLE, 3, {"width": 64})
    account = describe(network, catalogue.example(networks.TABLE, 1), 32, "adamw")
    needed = account.training_bytes + account.parameter_bytes
    refuse("mlp", networks.TABLE, needed, 32, width=64)
    with pytest.raises(SettingError, match="would take about"):
        refuse("mlp", networks.TABLE, needed - 1, 32, width=64)


def test_the_sizes_are_settings() -> None:
    assert set(SIZES) <= set(every_setting())


FILES = {
    "cgroup 2": {"memory.max": "3000", "memory.current": "1000", "memory.stat": "anon 600\ninactive_file 400\n"},
    "cgroup 1": {"memory/memory.limit_in_bytes": "3000", "memory/memory.usage_in_bytes": "1000", "memory/memory.stat": "total_inactive_file 400\n"},
    "no limit": {"memory.max": "max\n", "memory.current": "1000"},
    "used up": {"memory.max": "3000", "memory.current": "3500"},
    "no container": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "free"), [("cgroup 2", 2_400), ("cgroup 1", 2_400), ("no limit", 7_168), ("used up", 0), ("no container", 7_168)]
)
def test_free_memory_is_the_machine_s_or_the_container_s(tmp_path: Path, case: str, free: int) -> None:
    files = {f"sys/fs/cgroup/{name}": text for name, text in FILES[case].items()} | {
        "proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   7 kB\n"
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert free_memory(root=tmp_path) == free
    assert machine_memory(tmp_path) == (
        3_000 if "3000" in FILES[case].values() or case == "cgroup 1" else machine_memory(tmp_path / "none")
    )


def test_free_memory_here() -> None:
    assert 1 << 26 < free_memory() <= machine_memory()
    assert free_memory(torch.device("cpu"), Path("/nowhere")) == machine_memory(Path("/nowhere"))
