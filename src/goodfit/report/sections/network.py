"""The network, layer by layer."""

from __future__ import annotations

from typing import Any

from goodfit.report.markup import Html, code, el, facts, folded, section, table
from goodfit.report.notation import bytes_, clip, count, is_number, large, words
from goodfit.report.records import Records

_OPEN = 24  # layers in view
_MOST = 400  # layers on the page


def network(records: Records) -> Html:
    found = records.network
    if found is None:
        return section("network", "The network", el("p", records.absent("network.json", "the network")))
    layers = [row for row in found.get("rows") or [] if isinstance(row, dict)]
    rows = [_row(layer) for layer in layers[:_MOST]]
    head = ("Layer", "Kind", "Output shape", "Parameters", "Multiply-adds", "Activations")
    run, batch = records.run or {}, found.get("batch_size")
    parts: list[Any] = [
        facts(
            [
                ("Kind", words(run["model"]) if run.get("model") else None),
                ("Parameters", count(found.get("parameters")) if is_number(found.get("parameters")) else None),
                (
                    f"Multiply-adds, batch of {count(batch)}" if is_number(batch) else "Multiply-adds",
                    large(found.get("multiply_adds")) if is_number(found.get("multiply_adds")) else None,
                ),
                ("Averaged", _averaged(found)),
                ("Temperature of the probabilities", _temperatures(found)),
                ("Memory in training", bytes_(found.get("training_bytes")) if is_number(found.get("training_bytes")) else None),
            ]
        )
    ]
    if rows:
        parts.append(table("Layers of the network", head, rows[:_OPEN], numeric=(3, 4, 5), class_="layers", hidden=True))
    if len(rows) > _OPEN:
        parts.append(
            folded(
                f"The other {count(len(rows) - _OPEN, 'layer')}",
                table("The other layers", head, rows[_OPEN:], numeric=(3, 4, 5), class_="layers", hidden=True),
            )
        )
    if len(layers) > _MOST:
        parts.append(el("p", f"{count(len(layers) - _MOST)} layers are left out here; network.json has them all.", class_="quiet"))
    return section("network", "The network", *parts)


def _averaged(found: dict[str, Any]) -> str | None:
    """Which networks are averaged, where there are several; the layers are those of the first."""
    kinds = [kind for kind in found.get("averaged") or [] if isinstance(kind, dict) and is_number(kind.get("networks"))]
    if sum(kind["networks"] for kind in kinds) < 2:
        return None
    return ", ".join(
        f"{count(kind['networks'])} {clip(str(kind.get('model')), 40)}"
        + (f" ({kind['weight']:.0%})" if is_number(kind.get("weight")) else "")
        for kind in kinds
    )


def _temperatures(found: dict[str, Any]) -> str | None:
    """By how much the networks' probabilities are flattened (above 1) or sharpened to be as sure as they are right."""
    known = {name: value for name, value in (found.get("temperatures") or {}).items() if is_number(value)}
    if len(known) == 1:
        return f"{next(iter(known.values())):.2f}"
    return ", ".join(f"{clip(str(name), 40)} {value:.2f}" for name, value in known.items()) or None


def _row(layer: dict[str, Any]) -> list[Any]:
    shape = layer.get("shape")
    written = " × ".join(str(side) for side in shape) if isinstance(shape, list | tuple) else clip(shape if shape is not None else "", 60)
    return [
        code(clip(layer.get("name", ""), 80)),
        clip(layer.get("kind", ""), 60),
        written,
        count(layer.get("parameters")),
        large(layer.get("multiply_adds")),
        bytes_(layer.get("activation_bytes")),
    ]
