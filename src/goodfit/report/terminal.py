"""What `goodfit train` prints at its end: the path of the report, the score beside the baselines, the findings in a line each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.report.measures import called, headline_metric, interval, measure, standing, starved, verdict
from goodfit.report.notation import clip, count, is_number, words
from goodfit.report.records import Records, read

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_FINDINGS = 10  # lines; the page has them all
_METRICS = 3  # columns that fit into 80 signs; the page has them all
_COLOURS = {"error": "red", "warning": "yellow", "remark": "dim"}
_VERDICTS = {
    "beats": ("green", "better than every baseline, beyond the interval"),
    "level": ("yellow", "level with {}, within the interval"),
    "behind": ("red", "behind {}, beyond the interval"),
    "hasty": ("yellow", "better than the baselines, which had little time"),
    "nothing": ("red", "nothing was learned; no better than {}"),
}


def summary(run_folder: Path) -> RenderableType:
    """A renderable of rich: `Report: PATH` first, the score beside the baselines, the findings. Raises BundleError without a folder."""
    from rich.console import Group
    from rich.text import Text

    from goodfit.report.sections.findings import ranked

    records = read(Path(run_folder))
    # Folded, never cut: a path that misses its end is of no use.
    parts: list[Any] = [Text(first_line(records.folder), overflow="fold", no_wrap=False)]
    for target in records.targets:
        parts.extend(_target(target, records))
    if not records.targets:
        parts.append(Text("There is no score yet." if not records.finished else "The run holds no evaluation."))
    if records.openings > 1:
        parts.append(
            Text(f"The sealed test set was opened {records.openings} times; only the first score is one on unseen rows.", style="yellow")
        )
    found = ranked(records.findings or [])
    for item in found[:_FINDINGS]:
        severity = item.get("severity") if item.get("severity") in _COLOURS else "remark"
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{severity}: ", style=_COLOURS[str(severity)])
        line.append(_plain(clip(item.get("message", ""), 400)))
        parts.append(line)
    if len(found) > _FINDINGS:
        parts.append(Text(f"{count(len(found) - _FINDINGS, 'more finding')} in the report"))
    return Group(*parts)


def first_line(run_folder: Path) -> str:
    """`Report: PATH`, or that there is none."""
    path = Path(run_folder) / "report.html"
    return f"Report: {path}" if path.exists() else f"Report: not written yet ({path})"


def show(run_folder: Path, console: Console | None = None) -> None:
    """Print the summary; the path stands on one line however narrow the terminal is, so that it can be copied."""
    from rich.console import Console, Group

    console = console or Console()
    whole = summary(run_folder)
    assert isinstance(whole, Group)
    console.print(first_line(run_folder), soft_wrap=True, markup=False, highlight=False)
    console.print(Group(*whole.renderables[1:]), highlight=False)


def _target(target: dict[str, Any], records: Records) -> list[Any]:
    """The scores of one target, a row for the network and each baseline, the best first, and the verdict."""
    from rich.table import Table
    from rich.text import Text

    scores = target.get("scores") or {}
    metrics = {name: entry for name, entry in (scores.get("metrics") or {}).items() if isinstance(entry, dict)}
    metric = headline_metric(target, records.score)
    if metric is None or metric not in metrics:
        return [Text(_plain(f"{clip(str(target.get('name')), 60)}: no score was recorded"))]
    shown = [metric, *(name for name in metrics if name != metric)][:_METRICS]
    part = "validation rows" if scores.get("part") == "valid" else "test rows"
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(Text(_plain(f"{clip(str(target.get('name')), 40)}, {count(scores.get('rows'))} {part}")))
    for name in shown:
        table.add_column(Text(_plain(measure(name).title)), justify="right")
        if name == metric:
            table.add_column("95 % interval", justify="right", no_wrap=True)
    spans = [interval(name, metrics[name]) for name in shown]
    table.add_row("this network", Text(_plain(spans[0][0]), style="bold"), _plain(spans[0][1]), *(_plain(value) for value, _ in spans[1:]))
    baselines = [baseline for baseline in target.get("baselines") or [] if isinstance(baseline, dict)]
    for baseline in sorted(baselines, key=lambda b: _order(b, metric)):
        values = [(baseline.get("metrics") or {}).get(name) for name in shown]
        texts = [_plain(interval(name, {**metrics[name], "value": value})[0]) for name, value in zip(shown, values, strict=True)]
        table.add_row(Text(_plain(words(baseline.get("name")))), texts[0], "", *texts[1:])
    place = standing(target, metric)
    if place is None or place.outcome not in _VERDICTS:
        return [table]
    short = starved(target, ((records.data or {}).get("split") or {}).get("train"))
    colour, said = _VERDICTS[verdict(place, bool(short))]
    lines = [Text(_plain(f"By {measure(metric).title}: {said.format(called(place.baseline))}"), style=colour)]
    return [table, *lines, *([Text(_plain(short), style="dim")] if short else [])]


def _order(baseline: dict[str, Any], metric: str) -> float:
    """Best first; without the metric last."""
    value = (baseline.get("metrics") or {}).get(metric)
    if not is_number(value):
        return float("inf")
    return -value if measure(metric).maximise else value


def _plain(text: str) -> str:
    """Without narrow spaces, which terminals draw as they please, and without escape sequences of the data."""
    return "".join(sign for sign in text.replace("\u202f", " ").replace("−", "-") if sign.isprintable())
