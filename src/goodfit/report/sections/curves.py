"""How training went: loss, the score that decided, and the learning rate against the epoch."""

from __future__ import annotations

from typing import Any

from goodfit.report.charts import lines
from goodfit.report.markup import Html, el, facts, section
from goodfit.report.measures import measure
from goodfit.report.notation import count, is_number, number, seconds
from goodfit.report.records import Records
from goodfit.report.svg import ACCENT, SECOND

# Validation metrics in the unit of the training loss: the loss itself, and for classes the log loss (nats both).
_LOSSES = ("loss", "log_loss")

Points = list[tuple[float, float]]


def curves(records: Records) -> Html:
    history = [line for line in records.history or [] if is_number(line.get("epoch"))]
    if not history:
        return section("training", "Training", el("p", records.absent("history.jsonl", "how training went")))
    members = sorted({line["member"] for line in history if is_number(line.get("member"))})
    groups = [[line for line in history if line.get("member") == member] for member in members] or [history]
    best = _best(records, history) if len(groups) == 1 else None
    parts: list[Any] = [
        el("p", _sentence(records, history, groups, best), class_="quiet"),
        el("div", *_figures(records, groups, best), class_="pair"),
    ]
    return section("training", "Training", *parts)


def _best(records: Records, history: list[dict[str, Any]]) -> float | None:
    """The epoch whose weights were kept."""
    recorded = (records.run or {}).get("best_epoch")
    if is_number(recorded):
        return recorded
    improved = [line["epoch"] for line in history if line.get("improved")]
    return improved[-1] if improved else None


def _sentence(records: Records, history: list[dict[str, Any]], groups: list[list[dict[str, Any]]], best: float | None) -> str:
    last = max(line["epoch"] for line in history)
    said = (
        f"{count(len(groups), 'network')} trained for up to {count(last, 'epoch')}."
        if len(groups) > 1
        else f"Trained for {count(last, 'epoch')}."
    )
    if best is not None:
        said += f" The weights of epoch {best:g}, the best on the validation rows, were kept."
    elif len(groups) > 1:
        said += (
            " A line is a network; of each, the weights that were best on its validation rows were kept, and the predictions are averaged."
        )
    if not records.finished:
        said += " The run has not finished."
    return said


def _figures(records: Records, groups: list[list[dict[str, Any]]], best: float | None) -> list[Html]:
    figures = []
    train, valid = _series(groups, lambda line: line.get("train_loss")), _series(groups, _valid_loss)
    one, other = "training", "validation"
    if any("generator_loss" in group[0] for group in groups):
        train, valid = (_series(groups, lambda line, key=key: line.get(key)) for key in ("generator_loss", "discriminator_loss"))
        one, other = "generator", "discriminator"
    if any(train):
        colours = {one: SECOND, other: ACCENT}
        series = [(one, points) for points in train if points] + [(other, points) for points in valid if points]
        keys = [(one, "second")] + ([(other, "accent")] if any(valid) else [])
        chart = lines(series, description=_described("Loss", series), best=best, colours=colours)
        figures.append(el("figure", el("figcaption", el("b", "Loss"), " per epoch", _legend(keys)), chart, class_="chart"))
    scores = _series(groups, lambda line: line.get("score"))
    if any(scores):
        title = measure(records.score).title if records.score else "Score"
        direction = (
            "higher is better"
            if (measure(records.score).maximise if records.score else (records.run or {}).get("maximise"))
            else "lower is better"
        )
        series = [("validation", points) for points in scores if points]
        chart = lines(series, description=_described(f"Validation {title}", series), best=best, log_ratio=1e3)
        figures.append(el("figure", el("figcaption", el("b", title), f" on the validation rows, {direction}"), chart, class_="chart"))
    rates = _series(groups, lambda line: line.get("lr"))
    if any(rates):
        series = [("learning rate", points) for points in rates if points]
        chart = lines(series, description=_described("Learning rate", series), height=130, log_ratio=200, colours={"learning rate": ACCENT})
        figures.append(el("figure", el("figcaption", el("b", "Learning rate")), chart, class_="chart"))
    return [*figures, _speed(records, groups)]


def _speed(records: Records, groups: list[list[dict[str, Any]]]) -> Html:
    last = [group[-1] for group in groups if group]
    speeds = sorted(line["rows_per_second"] for group in groups for line in group if is_number(line.get("rows_per_second")))
    steps = [line["step"] for line in last if is_number(line.get("step"))]
    run = records.run or {}
    return facts(
        [
            ("Updates", count(max(steps)) if steps else None),
            ("Rows a second (median epoch)", count(speeds[len(speeds) // 2]) if speeds else None),
            ("Last learning rate", number(last[-1].get("lr")) if last and is_number(last[-1].get("lr")) else None),
            ("Whole run", seconds(run.get("seconds")) if is_number(run.get("seconds")) else None),
        ],
        class_="facts aside",
    )


def _series(groups: list[list[dict[str, Any]]], pick: Any) -> list[Points]:
    return [[(line["epoch"], pick(line)) for line in group if is_number(pick(line))] for group in groups]


def _valid_loss(line: dict[str, Any]) -> Any:
    valid = line.get("valid") or {}
    return next((valid[name] for name in _LOSSES if name in valid), None)


def _described(what: str, series: list[tuple[str, Points]]) -> str:
    """The course of each line in words, for those who do not see it."""
    told = [
        f"{name} from {number(points[0][1])} at epoch {points[0][0]:g} to {number(points[-1][1])} at epoch {points[-1][0]:g}"
        for name, points in series[:4]
    ]
    return f"{what} against the epoch: {'; '.join(told)}."


def _legend(keys: list[tuple[str, str]]) -> Html:
    return el("span", *(el("span", el("span", class_=f"swatch {kind}"), name) for name, kind in keys), class_="keys")
