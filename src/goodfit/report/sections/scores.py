"""The score with its interval beside the baselines', by every metric; for several labels, each label's own."""

from __future__ import annotations

from typing import Any

from goodfit.report.charts import standings
from goodfit.report.markup import Html, el, folded, join, table
from goodfit.report.measures import headline_metric, interval, measure, written
from goodfit.report.notation import clip, count, is_number, named, number, seconds, words
from goodfit.report.records import Records
from goodfit.report.sections.each import per_target

_OPEN = 20  # labels in view
_MOST = 500  # labels on the page


def scores(records: Records) -> Html:
    return per_target("score", "The score beside the baselines", records, "the score", _of)


def _of(target: dict[str, Any], records: Records) -> list[Any]:
    measured = target.get("scores") or {}
    metrics = {name: entry for name, entry in (measured.get("metrics") or {}).items() if isinstance(entry, dict)}
    if not metrics:
        return [el("p", "No score was recorded.")]
    baselines = [baseline for baseline in target.get("baselines") or [] if isinstance(baseline, dict)]
    part = "validation rows, there being no test part" if measured.get("part") == "valid" else "rows of the sealed test set"
    said = f"Measured on {count(measured.get('rows'))} {part}. The 95\u202f% interval says how far the choice of these rows alone could move the score."
    if not baselines:
        said += " No baseline was trained."
    metric = headline_metric(target, records.score)
    figure = [_figure(metric, metrics[metric], baselines)] if metric is not None and metric in metrics else []
    return [
        el("p", said, class_="quiet"),
        el("div", *figure, _table(metrics, baselines, records), class_="pair"),
        *_labels(target.get("labels") or [], "h3" if len(records.targets) == 1 else "h4"),
    ]


def _figure(metric: str, entry: dict[str, Any], baselines: list[dict[str, Any]]) -> Html:
    about = measure(metric)
    value, span = interval(metric, entry)
    entries = [{"name": "this network", "text": value, **{key: entry.get(key) for key in ("value", "low", "high")}}]
    compared = [(words(b.get("name")), b["metrics"][metric]) for b in baselines if is_number((b.get("metrics") or {}).get(metric))]
    for name, other in sorted(compared, key=lambda pair: pair[1], reverse=about.maximise):
        entries.append({"name": name, "value": other, "text": interval(metric, {**entry, "value": other})[0]})
    told = "; ".join(f"{clip(item['name'], 40)} {item['text']}" for item in entries)
    better = "higher" if about.maximise else "lower"
    chart = standings(
        entries,
        title=about.title,
        share=about.share,
        description=f"{about.title}: {told}. Interval of the network: {span or 'not recorded'}.",
    )
    caption = el(
        "figcaption", el("b", about.title), f", {better} is better; the band is the network's interval" if span else f", {better} is better"
    )
    return el("figure", caption, chart, class_="chart")


def _table(metrics: dict[str, Any], baselines: list[dict[str, Any]], records: Records) -> Html:
    head = ["", "This network", *(words(baseline.get("name")) for baseline in baselines)]
    rows: list[list[Any]] = []
    for metric, entry in metrics.items():
        value, span = interval(metric, entry)
        others = [(baseline.get("metrics") or {}).get(metric) for baseline in baselines]
        known = [item for item in [entry.get("value"), *others] if is_number(item)]
        top = (max if measure(metric).maximise else min)(known) if len(known) > 1 else None
        ours = join([_best(value, top is not None and entry.get("value") == top), el("span", span, class_="span") if span else None])
        theirs = [_best(_like(metric, other, entry), top is not None and other == top) for other in others]
        rows.append([measure(metric).title, ours, *theirs])
    learned = [baseline.get("rows") for baseline in baselines]
    train = ((records.data or {}).get("split") or {}).get("train")
    if any(is_number(n) and n != train for n in learned):  # a baseline that had no time for all rows is not as good as it could be
        rows.append(["Rows learned from", count(train), *(count(n) for n in learned)])
    took = [seconds(baseline.get("seconds")) for baseline in baselines]
    if baselines:
        rows.append(["Time", seconds((records.run or {}).get("seconds")), *took])
    return table("Every metric; the best of a row is bold", head, rows, numeric=range(1, len(head)), class_="scores")


def _best(text: str, best: bool) -> Html:
    return el("b", text) if best else el("span", text)


def _like(metric: str, value: Any, entry: dict[str, Any]) -> str:
    """A baseline's value with as many digits as the network's."""
    if is_number(entry.get("low")) and is_number(entry.get("high")):
        return interval(metric, {**entry, "value": value})[0]
    return written(metric, value, None if not is_number(value) else 4 if abs(value) < 10 else None)


def _labels(found: list[dict[str, Any]], heading: str) -> list[Any]:
    if not found:
        return []
    rows = [[named(label.get("label", ""), 100), number(label.get("f1_score"), 3), count(label.get("support"))] for label in found[:_MOST]]
    head = ("Label", "F1", "Rows with it")
    parts: list[Any] = [el(heading, "Each label"), table("F1 of each label", head, rows[:_OPEN], numeric=(1, 2), hidden=True)]
    if len(rows) > _OPEN:
        parts.append(
            folded(
                f"The other {count(len(rows) - _OPEN, 'label')}",
                table("F1 of the other labels", head, rows[_OPEN:], numeric=(1, 2), hidden=True),
            )
        )
    if len(found) > _MOST:
        parts.append(el("p", f"{count(len(found) - _MOST)} labels are left out here; analysis.json has them all.", class_="quiet"))
    return parts
