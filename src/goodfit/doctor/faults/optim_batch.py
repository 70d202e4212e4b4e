"""`optim.batch`: batches so small that updates are mostly noise, or so large that there are hardly any updates.

Signal: a bad outcome with at most 4 rows in a batch where there are over 50 times as many, or with batches of at least an eighth of all rows and fewer than 300 updates. Proof: another
batch size over as many rows in all (so that it costs the same), and it gains more than the best rate at the present one: a lower rate averages noise too, and a higher
one makes up for few updates. Source: McCandlish et al. 2018, the scale of the gradient's noise; Masters and Luschi 2018.
"""

from __future__ import annotations

from dataclasses import replace

from goodfit.doctor import source_layers
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.rates import beyond, margin, usual
from goodfit.doctor.short import Setup

CODE = "optim.batch"
TINY = 4  # rows: the gradient of one in four directions is as large as its noise at best
MANY = 50  # times the batch: with fewer rows small batches are all there is
HUGE = 0.125  # of the rows in a batch: a pass over the data has eight updates or fewer
FEW = 300  # updates: with more of them whole batches are a choice, as in physics-informed networks
USUAL = (16, 64)  # rows in a batch that nearly always do; the one nearer to a hundredth of the rows is tried


def suspect(case: Case) -> Suspicion | None:
    """Very few or nearly all rows in a batch."""
    view, size = case.view, batch_size(case)
    rows = len(view.trained) + (len(view.held) if view.carved else 0)
    if view.pool is None or case.setup.batch != 1.0 or view.per_update > 1 or case.setup.stretch != 1.0:
        return None
    tiny = size <= TINY and rows >= MANY * size
    huge = size >= HUGE * rows and rows >= 4 * USUAL[0] and case.program.updates < FEW and case.whole
    if not tiny and not huge:
        return None
    return Suspicion(
        CODE, 0.45, {"batch_size": size, "rows": rows, "updates": case.program.updates}, probe=proof, would_have="no gain from another batch size over as many rows",
        message=f"Batches of {size} of {rows} rows make " + ("each update mostly noise." if tiny else "too few updates."),
    )  # fmt: skip


def batch_size(case: Case) -> int:
    """Rows in a batch of the program: copies have fewer where rows were taken from it to judge by."""
    view = case.view
    if view.pool is None or not view.inputs():
        return view.batch_size
    slot = view.pool.slots[view.inputs()[0]]
    return max(int(view.tape.data[slot.number].shape[slot.dim]) // slot.chunk, view.batch_size)


def wanted(rows: int, size: int) -> int:
    """A batch size that does for nearly all."""
    return USUAL[1] if rows >= 100 * USUAL[0] and size <= TINY else 32 if size <= TINY else USUAL[0] if rows < 1000 else USUAL[1]


def proof(case: Case) -> Proof | None:
    """Another batch size against this one; once for what was accepted so far. None too where nothing is suspected."""
    return case.once(CODE, case.setup, lambda: _proof(case) if suspect(case) is not None else None)


def _proof(case: Case) -> Proof | None:
    size = batch_size(case)
    new = wanted(len(case.view.trained), size)
    factor = new / size

    def change(setup: Setup) -> Setup:
        return replace(setup, name=f"batches of {new}", batch=factor, stretch=1 / factor)

    place = next((use.place for use in case.program.loaders if use.batch_size == size and use.place is not None), None)
    step = case.program.places.get("step")
    file = step.file if step else None
    remedy = Remedy(
        f"Use batches of {new} rows.",
        change,
        lambda: source_layers.set_batch(place, file, size, new),
    )
    found = case.duel(Suspicion(CODE, 1.0, {}, margin=margin(case)), remedy)
    return found if found is not None and (usual(case) or beyond(case, found)) else None
