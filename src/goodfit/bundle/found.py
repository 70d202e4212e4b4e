"""Found objects as a user reads them: a list for each picture, a row for each box, or COCO's results.

n pictures, Q found boxes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit.data.dataset import Dataset
from goodfit.data.folder import IMAGE
from goodfit.data.objects import HEIGHT, IDENTIFIER, WIDTH, pixels

LEAST = 0.01  # score below which a box is not written: there are as many boxes as queries, and most of them mean nothing
_BOX = pl.Struct({"label": pl.String, "score": pl.Float64} | dict.fromkeys(("x", "y", "width", "height"), pl.Float64))


def found(decoded: Mapping[str, np.ndarray], data: Dataset, labels: tuple[Any, ...]) -> pl.DataFrame:
    """One row per picture: image, image_id, width, height, and `prediction`, its boxes, the surest first: label, score, and x, y, width and height in pixels."""
    frame = data.store.slice(0, data.rows, [IMAGE, IDENTIFIER, WIDTH, HEIGHT])
    rows = []
    for index, (width, height) in enumerate(zip(frame[WIDTH], frame[HEIGHT], strict=True)):
        kept = decoded["score"][index] >= LEAST
        boxes = pixels(decoded["box"][index][kept], width, height)
        rows.append(
            [
                {"label": str(labels[kind]), "score": float(score)} | dict(zip(("x", "y", "width", "height"), map(float, box), strict=True))
                for kind, score, box in zip(decoded["class"][index][kept], decoded["score"][index][kept], boxes, strict=True)
            ]
        )
    return frame.with_columns(pl.Series("prediction", rows, dtype=pl.List(_BOX)))


def by_box(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per box of such a frame, for CSV."""
    pictures = frame.select(IMAGE, IDENTIFIER, pl.col("prediction"))
    return pictures.filter(pl.col("prediction").list.len() > 0).explode("prediction").unnest("prediction")


def write_results(frame: pl.DataFrame, path: Path, numbers: Mapping[str, int | str]) -> None:
    """COCO's results, which its tools evaluate: a list of {"image_id", "category_id", "bbox": [x, y, width, height] in pixels, "score"}; file_name beside them.

    numbers: of the categories, as the annotations of the training had them.
    """
    results = [
        {
            "image_id": row[IDENTIFIER],
            "file_name": row[IMAGE],
            "category_id": numbers[box["label"]],
            "bbox": [round(box[side], 2) for side in ("x", "y", "width", "height")],
            "score": round(box["score"], 5),
        }
        for row in frame.iter_rows(named=True)
        for box in row["prediction"]
    ]
    path.write_text("[\n" + ",\n".join(json.dumps(result) for result in results) + "\n]\n", encoding="utf-8")
