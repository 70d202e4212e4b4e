"""Predicted and measured memory of training: `python benchmarks/memory.py`.

Each network trains three updates in processes of its own, with one thread. *Allocated* is the most that torch's allocator had given out at
once, from the profiler's events. *Resident* is what the third update's peak adds to the process (VmHWM less the memory before the network
was built), with an allocator that hands every large block back to the system at once, so that what is free is not counted.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import record as store
from record import OURS, Record

PACKAGES = ("torch", "goodfit")
COLUMNS: dict[str, Any] = {"numbers": {"names": [f"n{i}" for i in range(12)]}, "categories": {"names": ["a", "b"], "sizes": [20, 200]}}
IMAGES: dict[str, Any] = {"image": {"column": "image", "channels": 3, "height": 32, "width": 32}}
TEXTS: dict[str, Any] = {"text": {"columns": ["text"], "vocabulary": 10_000, "max_tokens": 128}}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], int, str, bool]] = {  # network, inputs, settings, batch, optimiser, bfloat16
    "mlp, wide": ("mlp", COLUMNS, {"width": 2048, "depth": 4}, 256, "adamw", False),
    "mlp, large batch": ("mlp", COLUMNS, {"width": 512, "depth": 4}, 16_384, "sgd", False),
    "mlp, Muon": ("mlp", COLUMNS, {"width": 2048, "depth": 4}, 256, "muon", False),
    "tabm": ("tabm", COLUMNS, {"width": 256}, 256, "adamw", False),
    "tabm, large batch": ("tabm", COLUMNS, {"width": 512}, 1024, "adamw", False),
    "tabm, bf16": ("tabm", COLUMNS, {"width": 512}, 1024, "adamw", True),
    "realmlp": ("realmlp", COLUMNS, {"width": 512}, 8192, "adamw", False),
    "resnet9": ("resnet9", IMAGES, {"width": 16}, 128, "sgd", False),
    "resnet9, bf16": ("resnet9", IMAGES, {"width": 32}, 128, "sgd", True),
    "resnet9, small batch": ("resnet9", IMAGES, {"width": 64}, 16, "sgd", False),
    "transformer": ("transformer", TEXTS, {}, 64, "adamw", False),
    "transformer, bf16": ("transformer", TEXTS, {"width": 256, "depth": 4}, 32, "adamw", True),
    "gru": ("gru", TEXTS, {}, 64, "adamw", False),
    "bag": ("bag", TEXTS, {"width": 256}, 128, "adamw", False),
    "mixed": ("mixed", COLUMNS | IMAGES | TEXTS, {"width": 256}, 64, "adamw", False),
}
# glibc gives blocks of this size back as soon as they are free, and takes others from their own pages.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "0", "MALLOC_ARENA_MAX": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="this one alone; may be given again")
    parser.add_argument("--again", action="store_true", help="measure anew what is there already")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(_measure(*given.child)))
        return
    store.end_on_signal()
    record = Record("memory")
    environment = store.environment(OURS, PACKAGES)
    for case in given.case or CASES:
        if given.again or not record.has({"case": case}):
            values: dict[str, Any] = {}
            for how in ("allocated", "resident"):
                values |= _child(case, how)
            record.put({"case": case}, values, environment)
            print(case, {name: f"{value / 2**20:.1f} MiB" for name, value in values.items()}, flush=True)
    print(store.publish(record, render))


def render(record: Record) -> str:
    """The table, with each prediction's deviation from what was measured."""
    cells = record.cells()
    rows = []
    for cell in cells:
        name, _, settings, batch, optimiser, bfloat16 = CASES[cell["key"]["case"]]
        values = cell["values"]
        about = ", ".join([f"{key} {value}" for key, value in settings.items()] + [f"batch {batch}", optimiser] + ["bfloat16"] * bfloat16)
        rows.append(
            [f"{name}: {about}", f"{values['predicted'] / 2**20:.1f}"]
            + [f"{values[how] / 2**20:.1f} ({values['predicted'] / values[how] - 1:+.1%})" for how in ("allocated", "resident")]
        )
    header = ["memory of training, MiB", "predicted", "allocated", "resident"]
    return "\n\n".join([store.table(header, rows), store.describe(record, cells)])


def _child(case: str, how: str) -> dict[str, Any]:
    command = [str(OURS), str(Path(__file__)), "--child", case, how]
    done = subprocess.run(command, env=store.thread_environment(1) | ALLOCATOR, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{case}: {done.stderr.strip()[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _measure(case: str, how: str) -> dict[str, int]:
    import torch

    name, inputs, _settings, _batch, optimiser, bfloat16 = CASES[case]
    torch.manual_seed(0)
    _train(name, inputs, {"width": 16}, 4, optimiser, bfloat16, lambda: None)  # loads kernels and libraries
    gc.collect()
    if how == "resident":
        before = _resident("VmRSS")
        predicted = _train(*CASES[case], lambda: Path("/proc/self/clear_refs").write_text("5"))
        return {"predicted": predicted, "resident": _resident("VmHWM") - before}
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        predicted = _train(*CASES[case], lambda: None)
    held = most = 0
    for event in sorted(profile.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return {"predicted": predicted, "allocated": most}


def _train(
    name: str, inputs: dict[str, Any], settings: dict[str, Any], batch: int, optimiser: str, bfloat16: bool, before_last: Any
) -> int:
    """Three updates; returns the predicted memory, worked out when the network is gone."""
    import torch

    from goodfit.base.parts import OptimPart
    from goodfit.models import catalogue
    from goodfit.models.account import describe
    from goodfit.optim.build import build

    inputs = {kind: dict(spec) for kind, spec in inputs.items()}
    if "numbers" in inputs:
        inputs["numbers"]["bins"] = [torch.linspace(-3, 3, 49) for _ in inputs["numbers"]["names"]]
    network = catalogue.build(name, inputs, 10, settings)
    optimizer = build(network, OptimPart(name=optimiser), lr=1e-3)  # type: ignore[arg-type]
    rows = catalogue.example(inputs, batch)
    rows = {kind: torch.randn_like(t) if t.is_floating_point() else torch.randint_like(t, 1, 20) for kind, t in rows.items()}
    for update in range(3):
        if update == 2:
            before_last()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            output = network(**rows)
        output.float().square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    del output, optimizer, rows
    return describe(network, catalogue.example(inputs, 1), batch, optimiser, bfloat16=bfloat16).training_bytes


def _resident(what: str) -> int:
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return next(int(line[1]) * 1024 for line in lines if line[0] == what + ":")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
