"""What was learned, in sentences that need no knowledge of the field, and the figures beside them."""

from __future__ import annotations

from typing import Any

from goodfit.report.markup import Html, el, facts, join, note, table
from goodfit.report.measures import Standing, called, headline_metric, interval, measure, standing, starved, verdict, written
from goodfit.report.notation import clip, count, is_number, large, listed, number, seconds, words
from goodfit.report.records import Records

_NAME = 60  # characters of a target's name in a headline

_MOST = 3  # targets that get sentences of their own; more get a table

_VERDICTS = {
    "beats": ("good", "Better than every baseline", "The best of them lies outside the interval, so the difference is more than chance."),
    "hasty": ("even", "Better than the baselines, which had little time", "The best of them lies outside the interval."),
    "level": (
        "even",
        "Level with {baseline}",
        "The baseline lies within the interval: the network neither beats it beyond chance nor falls behind.",
    ),
    "behind": (
        "bad",
        "Behind {baseline}",
        "The baseline lies outside the interval, so the difference is more than chance: use the baseline, or look below for what limits the network.",
    ),
    "nothing": (
        "bad",
        "Nothing was learned",
        "The network is no better than {baseline}, which never looks at a row; look below for the reason.",
    ),
}


def headline(records: Records) -> Html:
    targets = records.targets
    names = [clip(str(target.get("name")), _NAME) for target in targets] or _target_names(records)
    title = f"Predicting {listed(names)}" if names else "A run of goodfit"
    parts: list[Any] = [
        el("p", "goodfit report", class_="kicker"),
        el("h1", title if len(names) <= _MOST else f"Predicting {len(names)} targets"),
    ]
    if len(targets) > _MOST:
        parts.extend(_many(targets, records))
    else:
        for target in targets:
            parts.extend(_learned(target, records, several=len(targets) > 1))
    if not targets:
        parts.append(_unfinished(records))
    if records.openings > 1:
        parts.append(
            note(
                el("b", f"The sealed test set was opened {records.openings} times."),
                " A network that was chosen after a look at its test score is no longer measured on unseen rows; trust the first opening.",
                kind="warning",
            )
        )
    parts.append(facts(_figures(records), class_="figures"))
    return el("header", *parts, id="headline")


def _learned(target: dict[str, Any], records: Records, *, several: bool) -> list[Any]:
    metric = headline_metric(target, records.score)
    place = standing(target, metric) if metric else None
    name = clip(str(target.get("name")), _NAME)
    if metric is None or place is None:
        return [el("p", "No score was recorded for ", el("b", name), ".", class_="lead")]
    parts = [el("p", *_sentence(target, place, name), class_="lead")]
    if place.outcome != "alone":
        short = starved(target, ((records.data or {}).get("split") or {}).get("train"))
        kind, title, reason = _VERDICTS[verdict(place, bool(short))]
        baseline = called(place.baseline)
        also = _also(target, records.score, place)
        parts.append(
            el(
                "p",
                el("b", title.format(baseline=baseline), "." if not several else f" on {name}."),
                " ",
                " ".join(text for text in (reason.format(baseline=baseline), short, also) if text),
                class_=f"verdict {kind}",
            )
        )
    else:
        why = "No interval was recorded" if place.baseline else "No baseline was trained"
        parts.append(el("p", f"{why}, so whether the network is worth having cannot be said here.", class_="verdict even"))
    if (target.get("scores") or {}).get("part") == "valid":
        parts.append(note(_NO_TEST, kind="warning"))
    return parts


_NO_TEST = "There is no test part. The score is measured on validation rows, which training used to decide when to stop, so it flatters the network a little."


def _many(targets: list[dict[str, Any]], records: Records) -> list[Any]:
    """Many targets: how many are better, level and behind, and a row for each."""
    said = {
        "beats": "better than every baseline",
        "hasty": "better than baselines with little time",
        "level": "level with the best baseline",
        "behind": "behind the best baseline",
        "nothing": "nothing was learned",
        "alone": "no comparison",
    }
    train = ((records.data or {}).get("split") or {}).get("train")
    rows, outcomes, short = [], [], ""
    for target in targets:
        metric = headline_metric(target, records.score)
        place = standing(target, metric) if metric else None
        if metric is None or place is None:
            continue
        value, span = interval(metric, place.entry)
        own = starved(target, train)
        short = short or own
        outcomes.append(place.outcome)
        other = interval(metric, {**place.entry, "value": place.baseline_value})[0] if place.baseline else ""
        name, best = clip(str(target.get("name")), 100), f"{other} ({called(place.baseline)})" if other else "–"
        rows.append([name, measure(metric).title, el("b", value), span, best, said[verdict(place, bool(own))]])
    counted = [
        (outcomes.count("beats"), "better than every baseline on"),
        (outcomes.count("level"), "level with the best baseline on"),
        (outcomes.count("behind"), "behind the best baseline on"),
    ]
    known = [f"{text} {n}" for n, text in counted if n]
    lead = (
        f"Of {len(targets)} targets, the network is {listed(known)}."
        if known
        else f"The network has {len(targets)} targets; none could be compared."
    )
    head = ("Target", "Measure", "Score", "95\u202f% interval", "Best baseline", "Verdict")
    flattered = any((target.get("scores") or {}).get("part") == "valid" for target in targets)
    return [
        el("p", lead, class_="lead"),
        table("Each target", head, rows, numeric=(2, 3), hidden=True),
        note(short) if short else None,
        note(_NO_TEST, kind="warning") if flattered else None,
    ]


def _sentence(target: dict[str, Any], place: Standing, name: str) -> list[Any]:
    scores = target.get("scores") or {}
    rows = scores.get("rows")
    seen = "validation rows" if scores.get("part") == "valid" else "rows that it had never seen"
    about = measure(place.metric)
    value, span = interval(place.metric, place.entry)
    slots = {
        "value": join([el("strong", value), f" (95\u202f% interval {span})" if span else ""]),
        "target": el("b", name),
        "rows": f"{count(rows)} {seen}" if is_number(rows) else seen,
        "title": about.title,
    }
    parts: list[Any] = ["The network ", *_filled(about.says, slots)]
    if place.baseline is not None:
        low, high = place.entry.get("low"), place.entry.get("high")
        shown = written(place.metric, place.baseline_value)
        if is_number(low) and is_number(high):
            shown = interval(place.metric, {"value": place.baseline_value, "low": low, "high": high})[0]
        parts += [f"; the best baseline, {called(place.baseline)}, ", *_filled(about.beside, {"value": el("strong", shown)})]
    return [*parts, "."]


def _filled(template: str, slots: dict[str, Any]) -> list[Any]:
    """The template's text with its slots filled by markup."""
    parts: list[Any] = []
    for piece in template.split("{"):
        slot, brace, rest = piece.partition("}")
        parts += [slots[slot], rest] if brace else [piece]
    return parts


def _also(target: dict[str, Any], score: str | None, place: Standing) -> str:
    """What the metric that decided in training says, where it is another and says otherwise."""
    other = standing(target, score) if score and score != place.metric else None
    if other is None or other.outcome in (place.outcome, "alone"):
        return ""
    says = {
        "beats": "better than every baseline",
        "level": f"level with {called(other.baseline)}",
        "behind": f"behind {called(other.baseline)}",
    }
    title = measure(other.metric).title
    return f"By {title[:1].lower() + title[1:]}, which decided when to stop, the network is {says[other.outcome]}."


def _unfinished(records: Records) -> Html:
    epochs = [line for line in records.history or [] if is_number(line.get("epoch"))]
    if records.finished:
        return el("p", "The run is finished, but it holds no evaluation (analysis.json), so there is no score to report.", class_="lead")
    if not epochs:
        return el("p", "This run has not been trained yet, or was interrupted before its first epoch ended.", class_="lead")
    best = [line for line in epochs if line.get("improved")] or epochs
    score = best[-1].get("score")
    title = measure(records.score).title.lower() if records.score else "score"
    known = f" The best validation {title} so far is {number(score)}, at epoch {best[-1]['epoch']}." if is_number(score) else ""
    last = max(line["epoch"] for line in epochs)
    return el(
        "p",
        f"This run was interrupted at epoch {last} and has no test score.{known} Go on with ",
        el("code", f"goodfit train {records.quoted} --resume"),
        ".",
        class_="lead",
    )


def _figures(records: Records) -> list[tuple[str, Any]]:
    run, data = records.run or {}, records.data or {}
    members = run.get("members")
    return [
        ("Network", words(run["model"]) if run.get("model") else None),
        ("Task", words(run["task"]) if run.get("task") else None),
        ("Rows", count(data["rows"]) if is_number(data.get("rows")) else None),
        ("Parameters", large(records.network["parameters"]) if records.network and is_number(records.network.get("parameters")) else None),
        ("Networks averaged", count(members) if is_number(members) and members > 1 else None),
        ("Time", seconds(run["seconds"]) if is_number(run.get("seconds")) else None),
        ("Date", str((records.environment or {}).get("date") or "")[:16].replace("T", " ") or None),
    ]


def _target_names(records: Records) -> list[str]:
    columns = (records.data or {}).get("columns") or []
    return [clip(str(c.get("name")), _NAME) for c in columns if isinstance(c, dict) and c.get("role") == "target"]
