"""What gives the target away: judged rows that were trained on, features that are functions of it, answers that change with what follows.

N rows, F features, C classes, T positions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.doctor.case import Case
from goodfit.doctor.program import Data, Part, tensors_of
from goodfit.doctor.replay import Copies, ReplayError, run_tape
from goodfit.doctor.supervised import Supervised

WITHIN = (
    0.0025  # of a feature's variance left within the classes, or unexplained by the target: a copy with a twentieth of noise has so much
)
NEARLY_WITHIN = 0.04  # of that variance: classes ten spreads apart in one column, as no measurement of a hard problem has them
NEARLY_SAME = 0.16  # for a column of two values: it agrees with 96 of 100 targets
FEWEST_FEATURES = 3  # with fewer, a simple rule is more likely than a leak
MOST_LOOKED = 2000  # rows
FEWEST_GROUPS = 30  # fewer are clusters of the data rather than rows of one origin
FEWEST_OF_TARGET = 4  # groups of each class: else a group is a class
MOST_GROUPED = 1200  # rows: their distances take a tenth of a second
LEAP = 1.25  # of one edge over the last: in rows without groups, two edges of a thousand neighbouring ones differ by a hundredth
FEWEST_RECALLED, MOST_RECALLED = 100, 500  # rows of each side; columns
RECALLED = 5.0  # standard errors by which a correlation must fall: once in a million columns by chance
LOST = 0.15  # of a correlation
SUBSET = 0.6  # of the trained rows: more is the score on all of them, which many programs print and none takes for a test


def keys(rows: Tensor) -> Tensor:
    """[N] float64: equal for equal rows [N, ...], and for hardly any others."""
    flat = rows.detach().cpu().flatten(1).double().nan_to_num(nan=0.123, posinf=1e30, neginf=-1e30)
    draw = torch.rand(flat.shape[1], generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    return (flat * draw).sum(1)


def judged_and_trained(case: Case) -> tuple[Tensor, float, bool]:
    """The training rows that evaluations judged, by their inputs; their share of what was judged; and whether nothing else was judged.

    Evaluations of all that was trained on, or of a batch, are none: they are a training score, and meant so. Neither are those of a program that judges by
    other rows as well.
    """
    none = torch.empty(0, dtype=torch.int64), 0.0, False
    view = case.view
    if view.pool is None or not view.inputs():
        return none
    first = view.inputs()[0]
    trained = torch.unique(torch.cat([view.trained, view.held])) if view.carved else view.trained
    own = keys(view.pool.whole(first)[trained])
    order = own.argsort()
    found: list[tuple[Tensor, float, int]] = []
    for evaluation in case.program.evaluations:
        parts = [given for tape in evaluation.tapes if (given := _first_input(view, first, tape.nodes, tape.data)) is not None]
        if not parts:
            continue
        batches = [keys(part) for part in parts]
        known = [one for one in batches if bool(torch.isin(one, own).all())]
        if len(known) < len(batches) and known and len(torch.cat(known).unique()) > SUBSET * len(trained):
            batches = [one for one in batches if not bool(torch.isin(one, own).all())]  # the training score in the same breath
        judged = torch.cat(batches)
        at = torch.searchsorted(own[order], judged).clamp_max(len(own) - 1)
        same = own[order][at] == judged
        found.append((trained[order[at[same]]].unique(), float(same.double().mean()), len(judged)))
    if not found:
        return none
    apart = [one for one in found if one[1] < 0.5]
    mixed = [one for one in found if 0 < one[1] < 0.95]
    if mixed:
        rows, share, _ = max(mixed, key=lambda one: one[1])
        return rows, share, False
    if apart:
        return none
    inside = [one for one in found if view.batch_size < one[2] <= SUBSET * len(trained)]
    if len(inside) < len(found):
        return none
    rows, share, _ = inside[-1]
    return rows, share, True


def _first_input(view: Supervised, first: int, nodes: object, data: tuple[Tensor, ...]) -> Tensor | None:
    """[n, chunk, ...] what an evaluation gave to the network in the place of the tape's first input."""
    assert view.pool is not None
    slot, whole = view.pool.slots[first], view.pool.whole(first)
    ours = next(node for node in view.tape.nodes if isinstance(node.call, Part))
    assert isinstance(nodes, tuple)
    for node in nodes:
        if isinstance(node.call, Part) and node.call == ours.call:
            for leaf in tensors_of((node.args, dict(node.kwargs))):
                if isinstance(leaf, Data):
                    given = data[leaf.number]
                    if given.dim() <= slot.dim or given.shape[slot.dim] % slot.chunk:
                        return None
                    cut = slot.cut(given, given.shape[slot.dim] // slot.chunk)
                    return cut if cut.shape[1:] == whole.shape[1:] else None
    return None


def telling_features(case: Case) -> tuple[Tensor, bool]:
    """[n] int64: the columns of the first input, laid flat, that are functions of the target; empty where there are none, or where all are. And whether
    they are so exactly, or but for some noise."""
    view = case.view
    none = torch.empty(0, dtype=torch.int64), True
    if (
        view.kind not in {"classes", "one-hot", "binary", "regression"}
        or view.pool is None
        or len(view.inputs()) != 1
        or len(view.trained) < 50
    ):
        return none
    rows = view.trained[torch.randperm(len(view.trained), generator=torch.Generator().manual_seed(0))[:MOST_LOOKED]]
    x = view.features(rows)
    if x is None or not FEWEST_FEATURES <= x.shape[1] <= 20_000:
        return none
    x = x.detach().cpu().double()
    targets = view.targets(rows).detach().cpu()
    y = (targets.argmax(-1) if view.kind == "one-hot" else targets).double()
    if y.numel() != len(rows) or not bool(torch.isfinite(x).all()) or not bool(torch.isfinite(y).all()):
        return none
    y = y.reshape(-1)
    if view.kind == "regression":
        left = 1 - torch.maximum(_alike(x, y), _alike(_ranks(x), _ranks(y.unsqueeze(1)).squeeze(1)))
    else:
        left = _within(x, y)
    telling, exact = (left <= WITHIN).nonzero().flatten(), True
    if not len(telling) and view.kind != "regression":
        two = ((x == x.amin(0)) | (x == x.amax(0))).all(0)
        telling, exact = (left <= torch.where(two, NEARLY_SAME, NEARLY_WITHIN)).nonzero().flatten(), False
    return (telling, exact) if len(telling) <= x.shape[1] - 2 else none


def recalled_features(case: Case) -> Tensor:
    """[n] int64: the columns of the only input that know the training rows' targets far better than the judged rows': made of the targets, as the mean target
    of a customer is, over the rows that it is then taught with."""
    view = case.view
    none = torch.empty(0, dtype=torch.int64)
    known = view.kind in {"classes", "one-hot", "binary", "regression"} and view.pool is not None and len(view.inputs()) == 1
    if not known or view.carved or min(len(view.trained), len(view.held)) < FEWEST_RECALLED:
        return none
    sides = []
    for rows in (view.trained, view.held):
        some = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:MOST_LOOKED]]
        x, targets = view.features(some), view.targets(some).detach().cpu()
        y = (targets.argmax(-1) if view.kind == "one-hot" else targets).double()
        if x is None or not 1 < x.shape[1] <= MOST_RECALLED or y.numel() != len(some) or not bool(torch.isfinite(x).all()):
            return none
        x, y = x.detach().cpu().double(), y.reshape(-1)
        share = _alike(x, y) if view.kind == "regression" else 1 - _within(x, y)
        sides.append((share.clamp(0, 0.999).sqrt().atanh(), len(some)))
    (taught, many), (judged, few) = sides
    lost = (taught - judged) / (1 / (many - 3) + 1 / (few - 3)) ** 0.5  # Fisher's transformation has a spread of 1 / sqrt(n - 3)
    found = ((lost > RECALLED) & (taught - judged > LOST)).nonzero().flatten()
    return found if 0 < len(found) <= 2 else none


def _alike(x: Tensor, y: Tensor) -> Tensor:
    """[F] squared correlation of each column with the target."""
    a, b = x - x.mean(0), y - y.mean()
    return (a * b.unsqueeze(1)).sum(0).square() / (a.square().sum(0) * b.square().sum()).clamp_min(1e-30)


def _ranks(x: Tensor) -> Tensor:
    return x.argsort(0).argsort(0).double()


def _within(x: Tensor, y: Tensor) -> Tensor:
    """[F] share of each column's variance that lies within the classes; 1 for columns that never change."""
    total = x.var(0, unbiased=False)
    inside = torch.zeros_like(total)
    for one in y.unique():
        part = x[y == one]
        inside += part.var(0, unbiased=False) * (len(part) / len(x))
    return torch.where(total > 0, inside / total.clamp_min(1e-30), torch.ones_like(total))


def future_seen(case: Case) -> tuple[float, float, float] | None:
    """Where targets are the inputs one position further: the skill of the program's networks as they ended, the skill with all that follows a position
    exchanged between rows, and the standard error of the difference. None where the targets are no such thing."""
    view = case.view
    if (
        view.kind != "classes"
        or view.pool is None
        or view.meeting is None
        or len(view.inputs()) != 1
        or view.inputs()[0] == view.meeting.target
    ):
        return None
    number = view.inputs()[0]
    tokens, targets = view.pool.whole(number), view.pool.whole(view.meeting.target)
    rows = view.held[:64] if len(view.held) >= 16 else view.trained[:64]
    x, y = tokens[rows].reshape(len(rows), -1), targets[rows].reshape(len(rows), -1)
    T = x.shape[1]
    if x.is_floating_point() or x.shape != y.shape or T < 4 or float((x[:, 1:] == y[:, :-1]).double().mean()) < 0.99:
        return None
    copies = Copies(case.program.finals, case.program.loose_finals)
    copies.set_modes(view.tape, False)
    told: list[list[Tensor]] = [[], []]
    mixed = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    for place in sorted({T // 4, T // 2, 3 * T // 4}):
        only = torch.full_like(targets[rows], view.answers.ignored)
        only.reshape(len(rows), -1)[:, place] = y[:, place]
        wanted = view.pool.slots[view.meeting.target].joined(only)
        other = x.clone()
        other[:, place + 1 :] = x[mixed][:, place + 1 :]
        for side, given in zip(told, (x, other), strict=True):
            data = view.data(rows)
            data[number] = view.pool.slots[number].joined(given.reshape(tokens[rows].shape))
            try:
                with torch.no_grad():
                    answer = run_tape(view.tape, copies, data, until=view.meeting.output)
            except ReplayError:
                return None
            points = view.answers.points(answer, wanted, len(rows))
            if points is None:
                return None
            side.append(points.cpu().double())
    seen, blind = (torch.cat(side) for side in told)
    room = max(1 - view.answers.base, 1e-6)
    error = float((seen - blind).std()) / len(seen) ** 0.5 / room
    return (float(seen.mean()) - view.answers.base) / room, (float(blind.mean()) - view.answers.base) / room, error


def shared_groups(case: Case) -> Tensor | None:
    """[n, 2] int64: row and number of its group, where rows lie in many tight groups far from each other and judged rows share theirs with training rows;
    only groups of a target that other groups have as well. None where there is no such thing.

    Groups are told by the edges of the tree that spans all rows at the least length: sorted, they leap from those within groups to those between. Rows
    that are no groups leave no leap, and rows that repeat exactly (columns of few values) are none of these.
    """
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    view = case.view
    if (
        view.carved
        or view.kind not in {"classes", "one-hot", "binary", "regression"}
        or len(view.held) < FEWEST_GROUPS
        or view.pool is None
    ):
        return None
    both = torch.cat([view.trained, view.held])
    rows = both[torch.randperm(len(both), generator=torch.Generator().manual_seed(0))[:MOST_GROUPED]]
    x = view.features(rows)
    if x is None or x.shape[1] > 4096 or x.shape[1] < FEWEST_FEATURES:
        return None
    x = x.detach().cpu().float()
    x = (x - x.mean(0)) / x.std(0).clamp_min(1e-12)
    far = torch.cdist(x, x)
    tree = minimum_spanning_tree(far.clamp_min(1e-9).fill_diagonal_(0).numpy())
    edges = torch.from_numpy(tree.data.copy()).double().sort().values
    low, high = len(rows) - len(rows) // 3, len(rows) - FEWEST_GROUPS  # edges kept: a third as many groups as rows at most
    if high <= low or len(edges) < high + 1 or float(edges[low]) < 1e-6:
        return None
    leaps = edges[low : high + 1] / edges[low - 1 : high]
    at = int(leaps.argmax())
    if float(leaps[at]) < LEAP:
        return None
    cut = float(edges[low + at - 1])
    tree.data[tree.data > cut * 1.0001] = 0
    tree.eliminate_zeros()
    groups = torch.from_numpy(connected_components(tree, directed=False)[1].copy()).long()
    trained = torch.isin(rows, view.trained)
    shared = torch.isin(groups[~trained], groups[trained]).double().mean()
    if float(shared) < 0.5:
        return None
    if view.kind != "regression":
        targets = view.targets(rows).detach().cpu()
        codes = (
            targets.argmax(-1)
            if view.kind == "one-hot"
            else (targets > view.answers.middle.cpu()).long()
            if view.kind == "binary"
            else targets
        ).reshape(-1)
        if codes.numel() != len(rows):
            return None
        for one in codes.unique():
            if len(groups[codes == one].unique()) < FEWEST_OF_TARGET:
                return None  # groups are what is to be told apart
    return torch.stack([rows, groups], 1)
