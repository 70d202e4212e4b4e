"""What a stack is worth: updates of a member per second, stacked against one by one: `python benchmarks/populations.py`.

MLPs of two hidden layers over 13 numbers and three classes, batch 32, AdamW, dropout 0.1, each member with its own weights, rate, draws and order of
its rows. Both ways run in this process on one thread, through the same loops that training runs through (`fit`, `fit_stacked`), without evaluations,
in turn (A, B, A, B, ...), so that what the machine does meanwhile hits both alike. A figure is the median over the rounds; the gain is the median of
the ratios within a round. Wants a quiet machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import torch

import record as store
from goodfit.base.parts import OptimPart
from goodfit.data.batches import Batches
from goodfit.data.encoded import Encoded
from goodfit.data.member_batches import MemberBatches
from goodfit.models.mlp import MLP
from goodfit.optim.build import build
from goodfit.tasks.multiclass import Multiclass
from goodfit.training.loop import Plan, fit
from goodfit.training.stacked_loop import fit_stacked
from goodfit.training.stacked_state import StackState
from goodfit.training.state import State, Stopper
from record import OURS, Record

WIDTHS = (32, 64, 128, 256)
MEMBERS = (8, 25, 32, 64)
ROWS, NUMBERS, CLASSES, BATCH = 1024, 13, 3, 32
GOALS = {32: 12.0, 64: 2.5, 128: 1.0, 256: 1.0}  # of issue 5
PACKAGES = ("torch", "goodfit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of both ways (default 7)")
    parser.add_argument("--width", action="append", type=int, choices=WIDTHS, help="this one alone; may be given again")
    parser.add_argument("--members", action="append", type=int, choices=MEMBERS, help="this many alone; may be given again")
    parser.add_argument("--again", action="store_true", help="measure anew what is there already")
    parser.add_argument("--quick", action="store_true", help="one epoch once, to see that both ways run; nothing is kept")
    given = parser.parse_args()

    store.end_on_signal()
    torch.set_num_threads(1)
    record = None if given.quick else Record("populations")
    for width in given.width or WIDTHS:
        for members in given.members or MEMBERS:
            key = {"what": "stack", "width": width, "members": members, "batch": BATCH}
            if record is not None and not given.again and record.has(key):
                continue
            values = measure(width, members, 1 if given.quick else given.rounds, epochs=1 if given.quick else 4)
            print(f"width {width}, {members} members: {values['gain']:.1f} times", file=sys.stderr, flush=True)
            if record is not None:
                record.put(key, values, store.environment(OURS, PACKAGES))
    if record is not None:
        print(store.publish(record, render))


def measure(width: int, members: int, rounds: int, *, epochs: int) -> dict[str, Any]:
    """Updates of a member per second both ways, and their ratio."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(ROWS, NUMBERS, generator=generator)
    encoded = Encoded({"numbers": numbers}, torch.randint(0, CLASSES, (ROWS,), generator=generator), None, ROWS)
    updates = epochs * ROWS // BATCH
    alone, stacked = [], []
    for number in range(rounds + 1):  # the first round warms up
        seconds = [_alone(encoded, width, epochs, member) for member in range(3)]
        alone.append(updates / statistics.median(seconds))
        stacked.append(members * updates / _stacked(encoded, width, epochs, members))
        if number == 0 and rounds > 1:
            alone, stacked = [], []
    return {
        "alone": round(statistics.median(alone), 1),
        "stacked": round(statistics.median(stacked), 1),
        "gain": round(statistics.median(s / a for s, a in zip(stacked, alone, strict=True)), 3),
        "rounds": len(alone),
        "threads": 1,
    }


def _member(width: int, seed: int) -> tuple[MLP, OptimPart]:
    torch.manual_seed(seed)
    return MLP(NUMBERS, [], CLASSES, width=width, depth=2, dropout=0.1), OptimPart(lr=1e-3 * (1 + seed % 5))


def _rows(encoded: Encoded, seed: int) -> Batches:
    return Batches(encoded, torch.arange(ROWS), batch_size=BATCH, seed=seed, shuffle=True)


def _plan(optim: OptimPart, epochs: int) -> Plan:
    return Plan(epochs=epochs, lr=optim.lr or 1e-3, score="log_loss")


def _alone(encoded: Encoded, width: int, epochs: int, seed: int) -> float:
    """Seconds that one network trains for."""
    network, optim = _member(width, seed)
    state = State(network, build(network, optim, lr=optim.lr or 1e-3), Stopper(False, None), seed=seed)
    batches = _rows(encoded, seed)
    begun = time.perf_counter()
    for _ in fit(state, batches, Multiclass(CLASSES), _plan(optim, epochs)):
        pass
    return time.perf_counter() - begun


def _stacked(encoded: Encoded, width: int, epochs: int, members: int) -> float:
    """Seconds that a stack of networks trains for."""
    made = [_member(width, seed) for seed in range(members)]
    state = StackState.of(
        [network for network, _ in made],
        [build(network, optim, lr=optim.lr or 1e-3) for network, optim in made],
        [Multiclass(CLASSES)] * members,
        seeds=range(members),
        stoppers=[Stopper(False, None) for _ in made],
    )
    batches = MemberBatches([_rows(encoded, seed) for seed in range(members)])
    plans = [_plan(optim, epochs) for _, optim in made]
    begun = time.perf_counter()
    for _ in fit_stacked(state, batches, plans):
        pass
    return time.perf_counter() - begun


def render(record: Record) -> str:
    """One row per width and number of members."""
    rows = []
    for width in WIDTHS:
        for members in MEMBERS:
            for cell in record.cells(what="stack", width=width, members=members):
                values = cell["values"]
                rows.append(
                    [
                        str(width),
                        str(members),
                        f"{values['alone']:,.0f}",
                        f"{values['stacked']:,.0f}",
                        f"{values['gain']:.1f}",
                        f"{GOALS[width]:g}",
                    ]
                )
    title = f"# Populations\n\nUpdates of a member per second, MLP of two hidden layers, batch {BATCH}, one thread."
    header = ["width", "members", "alone", "stacked", "gain", "goal"]
    return "\n\n".join([title, store.table(header, rows), store.describe(record, record.cells())])


if __name__ == "__main__":
    main()
