"""Both ends of a Hessian's spectrum, and a way out of a saddle, measured: `python benchmarks/curvature.py`.

*Ends*: a network of a million parameters (64 pixels of the digits, two layers of 960 units, 10 classes) on 1,024 rows in float32, at its start and after 15
updates. Who: goodfit; goodfit begun warm, from the ends of 128 of the rows, all counted (both with the rows in four batches whose graphs are kept);
curvlinops with scipy's eigsh at the same tolerance of 1 % (its `which="BE"`, both ends); PyHessian by power iteration, which gives the end of larger size
alone, and by its density of 40 steps, whose outermost nodes are both ends (with 30 the low end is off by more than 1 %). Each in a process of its own on all
cores, with the seconds and the memory of a gradient measured in the same process. The error is that from eigsh in float64 to 1e-6 on products that torch
makes by differentiating twice. Seconds are the median of five, after one that is not counted; memory is what the process holds at its highest (VmHWM)
beyond what it held with network and rows in place.

*Saddle*: 32 hidden units that all begin alike, on all the digits. Descent makes one unit of them and stands still. One run waits; one asks what kind of
point it is at whenever 500 updates have gained less than 1 %, and steps out where it is a saddle. Both get the same number of updates.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import record as store
from record import OURS, PEERS, Record

WHO = {"goodfit": OURS, "goodfit, warm": OURS, "curvlinops, eigsh": PEERS, "PyHessian, power": PEERS, "PyHessian, density": PEERS}
STATES = {"at its start": 0, "after 15 updates": 15}
WIDTH, ROWS, BATCH, FEW, ROUNDS, TOLERANCE, DENSITY_STEPS = 960, 1024, 256, 128, 5, 0.01, 40
UPDATES, LOOK, GAIN = 12_000, 500, 0.01  # of a run; between two looks; what must have been gained to go on without a question
PACKAGES = ("torch", "scipy", "scikit-learn", "goodfit", "curvlinops-for-pytorch", "pyhessian")


def network_and_rows(updates: int, dtype: str = "float32") -> tuple[Any, Any, Any]:
    """The same network and rows in every process: a pure function of the seed and of the number of updates."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    inputs = torch.from_numpy(x).to(torch.float32)[:ROWS] / 16
    target = torch.from_numpy(y)[:ROWS].long()
    network = nn.Sequential(nn.Linear(64, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 10))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for _ in range(updates):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), target).backward()
        optimizer.step()
    optimizer.zero_grad()
    return network.to(getattr(torch, dtype)), inputs.to(getattr(torch, dtype)), target


def measure_ends(who: str, updates: int, rounds: int, memory: bool = False) -> dict[str, Any]:
    """In a process of its own: ends and seconds, or MiB, and those of a gradient."""
    import torch
    from torch import nn

    network, inputs, target = network_and_rows(updates)
    criterion = nn.CrossEntropyLoss()
    parameters = list(network.parameters())

    def gradient() -> Any:
        return torch.autograd.grad(criterion(network(inputs), target), parameters)

    find = finder(who, network, criterion, inputs, target)
    if memory:
        return {"gradient_mebibytes": _mebibytes(gradient), "mebibytes": _mebibytes(find)}
    low, high = find()
    values = {"parameters": sum(p.numel() for p in parameters), "low": low, "high": high}
    return values | {"gradient_seconds": _seconds(gradient, 4 * rounds), "seconds": _seconds(find, rounds)}


def finder(who: str, network: Any, criterion: Any, inputs: Any, target: Any) -> Callable[[], tuple[float | None, float]]:
    """What finds both ends, from the network on: lowest (None where it cannot) and highest."""
    if who.startswith("goodfit"):
        from torch.nn.functional import cross_entropy

        from goodfit.curvature.lanczos import Ends, ends, warm_start
        from goodfit.curvature.objective import Objective
        from goodfit.curvature.products import hessian_product

        def enough(found: Ends) -> bool:
            """Both known to the tolerance of themselves, however faint: what is likely is off by at most two thirds of the error."""
            return found.low_error <= 1.5 * TOLERANCE * abs(found.low) and found.high_error <= 1.5 * TOLERANCE * abs(found.high)

        def ours() -> tuple[float | None, float]:
            def loss(batch: Any) -> Any:
                return cross_entropy(network(batch[0]), batch[1], reduction="none")

            begin = None
            if who.endswith("warm"):
                begin = warm_start(hessian_product(Objective(loss, network, [(inputs[:FEW], target[:FEW])])))
            batches = list(zip(inputs.split(BATCH), target.split(BATCH), strict=True))
            product = hessian_product(Objective(loss, network, batches), keep=True)
            return ends(product, until=enough, begin=begin).likely

        return ours
    if who == "curvlinops, eigsh":
        from curvlinops import HessianLinearOperator
        from scipy.sparse.linalg import eigsh

        def curvlinops() -> tuple[float | None, float]:
            operator = HessianLinearOperator(network, criterion, list(network.parameters()), [(inputs, target)]).to_scipy()
            values = eigsh(operator, k=2, which="BE", tol=TOLERANCE, return_eigenvectors=False)
            return float(values.min()), float(values.max())

        return curvlinops
    import torch
    from pyhessian import hessian

    def power() -> tuple[float | None, float]:
        network.zero_grad()
        (value,), _ = hessian(network, criterion, data=(inputs, target), cuda=False).eigenvalues(maxIter=300, tol=TOLERANCE / 10)
        return None, float(value)

    def eig(matrix: Any, *, eigenvectors: bool) -> tuple[Any, Any]:
        """What torch had until 1.13 and PyHessian 0.1 asks for: real and imaginary parts, [k, 2], and the vectors."""
        values, vectors = torch.linalg.eig(matrix)
        return torch.view_as_real(values), vectors.real

    def density() -> tuple[float | None, float]:
        torch.eig = eig
        network.zero_grad()
        nodes, _ = hessian(network, criterion, data=(inputs, target), cuda=False).density(iter=DENSITY_STEPS, n_v=1)
        return float(min(nodes[0])), float(max(nodes[0]))

    return power if who.endswith("power") else density


def _mebibytes(work: Callable[[], Any]) -> float:
    """Of a second call, so that what a first one leaves for good is not counted. The process has to give back what it frees: MALLOC_MMAP_THRESHOLD_."""
    work()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins here
    before = _status("VmRSS")
    work()
    return (_status("VmHWM") - before) / 1024


def _seconds(work: Callable[[], Any], rounds: int) -> float:
    """The median, after one call that is not counted."""
    work()
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def _status(field: str) -> int:
    """KiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1])


def measure_truth(updates: int) -> dict[str, float]:
    """Both ends in float64 by eigsh, on products made without goodfit."""
    import numpy as np
    import torch
    from scipy.sparse.linalg import LinearOperator, eigsh

    network, inputs, target = network_and_rows(updates, "float64")
    parameters = list(network.parameters())
    size = sum(p.numel() for p in parameters)
    slopes = torch.autograd.grad(torch.nn.functional.cross_entropy(network(inputs), target), parameters, create_graph=True)

    def times(v: Any) -> Any:
        parts = torch.from_numpy(v.ravel()).split([p.numel() for p in parameters])
        along = [part.view_as(p) for part, p in zip(parts, parameters, strict=True)]
        return torch.cat([h.flatten() for h in torch.autograd.grad(slopes, parameters, along, retain_graph=True)]).numpy()

    random = np.random.default_rng(0).normal(size=size)
    values = eigsh(
        LinearOperator((size, size), times, dtype=np.float64), k=2, which="BE", tol=1e-6, ncv=40, v0=random, return_eigenvectors=False
    )
    return {"low": float(values.min()), "high": float(values.max())}


def measure_saddle(leaves: bool, updates: int = UPDATES) -> dict[str, Any]:
    """A run from hidden units that are all alike: its curve, and what it found where it stood."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn
    from torch.nn.functional import cross_entropy

    from goodfit.curvature.critical import critical_point
    from goodfit.curvature.escape import escape
    from goodfit.curvature.objective import Objective

    torch.manual_seed(0)
    rows, classes = load_digits(return_X_y=True)
    inputs, target = torch.from_numpy(rows).to(torch.float32) / 16, torch.from_numpy(classes).long()
    network = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.01)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    batches = list(zip(inputs.split(300), target.split(300), strict=True))
    curve: list[float] = []
    left: list[dict[str, Any]] = []
    begun = time.perf_counter()
    asked = 0.0
    for update in range(updates):
        optimizer.zero_grad()
        loss = cross_entropy(network(inputs), target)
        loss.backward()
        optimizer.step()
        if update % LOOK:
            continue
        curve.append(loss.item())
        if leaves and len(curve) > 1 and curve[-1] > (1 - GAIN) * curve[-2]:
            since = time.perf_counter()
            objective = Objective(lambda batch: cross_entropy(network(batch[0]), batch[1], reduction="none"), network, batches)
            point = critical_point(objective)
            gain = escape(objective, point).gain if point.direction is not None else 0.0
            found = {"kind": point.kind, "confidence": point.confidence, "low": point.ends.low, "high": point.ends.high, "gain": gain}
            left.append({"update": update, "loss": point.loss, "products": point.ends.steps, **found})
            asked += time.perf_counter() - since
    with torch.no_grad():
        output = network(inputs)
        wrong = float((output.argmax(1) != target).float().mean())
        final = float(cross_entropy(output, target))
    return {"loss": final, "wrong": wrong, "curve": curve, "asked": left, "asked_seconds": asked, "seconds": time.perf_counter() - begun}


def render(record: Record) -> str:
    """Ends beside the truth, in gradients; then the two runs."""
    lines = ["# Curvature", ""]
    for state in STATES:
        cells = {cell["key"]["who"]: cell["values"] for cell in record.cells(part="ends", state=state)}
        if "truth" not in cells:
            continue
        truth = cells["truth"]
        rows = []
        for who in WHO:
            own = cells.get(who)
            if own is None or "failed" in own:
                continue
            errors = [_percent(own[end], truth[end], who, truth) for end in ("low", "high")]
            ratio = [own["seconds"] / own["gradient_seconds"], own["mebibytes"] / own["gradient_mebibytes"]]
            rows.append([who, f"{own['seconds']:.2f}", f"{ratio[0]:.0f}", f"{own['mebibytes']:.0f}", f"{ratio[1]:.1f}", *errors])
        lines += [f"## A network of a million parameters, {state}: {truth['low']:.4g} to {truth['high']:.4g}", ""]
        lines += [store.table(["who", "s", "gradients", "MiB", "gradients", "error, low", "error, high"], rows), ""]
    runs = {cell["key"]["who"]: cell["values"] for cell in record.cells(part="saddle")}
    if runs:
        rows = [
            [who, f"{v['loss']:.3f}", f"{v['wrong']:.1%}", str(len(v["asked"])), f"{v['asked_seconds']:.1f}", f"{v['seconds']:.1f}"]
            for who, v in sorted(runs.items())
        ]
        lines += [f"## A run that begins with units all alike, {UPDATES:,} updates", ""]
        lines += [store.table(["run", "nats per row", "wrong", "asked", "s, asking", "s, all"], rows), ""]
        for point in runs.get("leaves", {}).get("asked", []):
            lines.append(
                f"- update {point['update']:,}, {point['loss']:.3f} nats: {point['kind']} (confidence {point['confidence']:.2f}), "
                f"curvature {point['low']:.3g} to {point['high']:.3g}, gained {point['gain']:.3f}"
            )
        lines.append("")
    return "\n".join(lines) + "\n" + store.describe(record, record.cells())


def _percent(found: float | None, true: float, who: str, truth: dict[str, float]) -> str:
    """How far off, of the end's own size; for PyHessian's power iteration, of the end that is larger in size."""
    if found is None:
        return "-"
    if who.endswith("power"):
        true = max(truth.values(), key=abs)
    return f"{abs(found - true) / abs(true):.2%}"


def _called(python: Path, child: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """What a process of its own prints last, or how it failed."""
    call = [str(python), __file__, *child]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=os.environ | environment)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"failed": done.stderr.strip().splitlines()[-1:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="measure what has been measured")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="calls that are timed, for a try with fewer")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        what, how = given.child
        if what == "saddle":
            print(json.dumps(measure_saddle(how == "leaves")))
        elif what == "truth":
            print(json.dumps(measure_truth(int(how))))
        else:
            print(json.dumps(measure_ends(what, int(how), given.rounds, "MALLOC_MMAP_THRESHOLD_" in os.environ)))
        return
    store.need(PEERS, "bench-env")
    record = Record("curvature")
    cells: list[tuple[dict[str, Any], Path, list[str]]] = []
    for state, updates in STATES.items():
        key: dict[str, Any] = {"part": "ends", "state": state, "width": WIDTH, "rows": ROWS}
        cells.append((key | {"who": "truth"}, OURS, ["truth", str(updates)]))
        cells += [(key | {"who": who}, python, [who, str(updates)]) for who, python in WHO.items()]
    cells += [({"part": "saddle", "who": who, "updates": UPDATES}, OURS, ["saddle", who]) for who in ("waits", "leaves")]
    environments = {python: store.environment(python, PACKAGES) for python in (OURS, PEERS)}
    for key, python, child in cells:
        if record.has(key, failed=False) and not given.again:
            continue
        child = ["--rounds", str(given.rounds), "--child", *child]
        values = _called(python, child, {})
        if key["who"] in WHO and "failed" not in values:
            values |= _called(python, child, {"MALLOC_MMAP_THRESHOLD_": "65536"})  # tensors go back to the system where they are freed
        record.put(key, values, environments[python])
        shown = {name: value for name, value in values.items() if name != "curve"}
        print(f"{key['part']}, {key.get('state', '')} {key['who']}: {shown}", file=sys.stderr, flush=True)
    print(store.publish(record, render))


if __name__ == "__main__":
    main()
