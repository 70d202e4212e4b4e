"""Attention within a window beside attention over everything: seconds and memory, forward and back: `python benchmarks/attention.py`.

16,384 tokens, one head of 64 dimensions, a window of 256 on both sides or of the past alone. *full* is attention as it is written down, with a table of all
scores; *torch, band* is torch's fused attention under the window's mask, which gives the same numbers as ours; *torch, all* its fused attention over
everything, which makes no table either. Each runs in a process of its own on all cores; seconds are the fastest of five, memory is what the process
holds at its highest (VmHWM) beyond what it held before the inputs were made.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import record as store
from record import OURS, Record

TOKENS, WINDOW, DIMENSIONS, ROUNDS = 16_384, 256, 64, 5
WAYS = ("windowed", "full", "torch, band", "torch, all")
PACKAGES = ("torch", "goodfit")


def measure(way: str, causal: bool) -> dict[str, float]:
    """In a process of its own: seconds of a forward and a backward pass, and MiB."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention as fused

    from goodfit.nn.attend import attention_weights
    from goodfit.nn.windowed import attend_window, band

    # What threads and kernels keep for themselves is there before, on a piece.
    pieces = [torch.randn(1, 1, 2048, DIMENSIONS, requires_grad=True) for _ in range(3)]
    fused(*pieces, is_causal=causal).sum().backward()
    attend_window(*pieces, WINDOW, causal=causal).sum().backward()
    del pieces
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins here
    before = _status("VmRSS")
    q, k, v = (torch.randn(1, 1, TOKENS, DIMENSIONS, requires_grad=True) for _ in range(3))
    grad = torch.randn(1, 1, TOKENS, DIMENSIONS)

    def once() -> torch.Tensor:
        if way == "windowed":
            return attend_window(q, k, v, WINDOW, causal=causal)
        if way == "full":
            return attention_weights(q, k, causal=causal) @ v
        if way == "torch, band":
            return fused(q, k, v, attn_mask=band(TOKENS, TOKENS, WINDOW, causal=causal, device=q.device))
        return fused(q, k, v, is_causal=causal)

    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        once().backward(grad)
        times.append(time.perf_counter() - begun)
        q.grad = k.grad = v.grad = None
    return {"seconds": min(times), "mebibytes": (_status("VmHWM") - before) / 1024}


def _status(field: str) -> int:
    """KiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1])


def render(record: Record) -> str:
    """Each way, and how much more it takes than ours."""
    lines = []
    for causal in (False, True):
        cells = {cell["key"]["way"]: cell["values"] for cell in record.cells(causal=causal)}
        if "windowed" not in cells:
            continue
        own = cells["windowed"]
        rows = [
            [
                way,
                f"{cells[way]['seconds']:.3f}",
                f"{cells[way]['seconds'] / own['seconds']:.1f}",
                f"{cells[way]['mebibytes']:.0f}",
                f"{cells[way]['mebibytes'] / own['mebibytes']:.1f}",
            ]
            for way in WAYS
            if way in cells
        ]
        what = "the past alone" if causal else "both sides"
        lines += [f"## {TOKENS:,} tokens, {what}", "", store.table(["attention", "s", "times ours", "MiB", "times ours"], rows), ""]
    return "# Attention within a window\n\n" + "\n".join(lines) + "\n" + store.describe(record, record.cells())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="measure what has been measured")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(given.child[0], given.child[1] == "causal")))
        return
    record = Record("attention")
    environment = store.environment(OURS, PACKAGES)
    for causal in (False, True):
        for way in WAYS:
            key: dict[str, Any] = {"way": way, "causal": causal, "tokens": TOKENS, "window": WINDOW}
            if record.has(key) and not given.again:
                continue
            call = [str(OURS), __file__, "--child", way, "causal" if causal else "both"]
            values = json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
            record.put(key, values, environment)
            print(f"{way}, {call[-1]}: {values['seconds']:.3f} s, {values['mebibytes']:.0f} MiB", file=sys.stderr, flush=True)
    print(store.publish(record, render))


if __name__ == "__main__":
    main()
