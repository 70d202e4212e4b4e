"""Data that are made by definition, for tasks whose right answers can be computed: lists to sort, hulls, tours, digits on photographs.

Each function writes train and test files into a folder and returns the words of the command that trains on them. Test rows are drawn from
a stream of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

Answers = Callable[[np.ndarray], list[list[int]]]


def ascending(numbers: np.ndarray) -> list[list[int]]:
    """[n, N] -> the places of each row's numbers as they rise."""
    return numbers.argsort(axis=1, kind="stable").tolist()


def hull(points: np.ndarray) -> list[list[int]]:
    """[n, N, 2] -> the corners of each row's convex hull, counter-clockwise from the corner that stands first in the list (Vinyals et al. 2015)."""
    from scipy.spatial import ConvexHull

    found = []
    for row in points:
        corners = ConvexHull(row).vertices  # counter-clockwise in the plane
        first = int(corners.argmin())
        found.append([*corners[first:].tolist(), *corners[:first].tolist()])
    return found


def tour(points: np.ndarray) -> list[list[int]]:
    """[n, N, 2] -> the shortest round trip of each row from its first point, of both directions the one whose second point stands first.

    By dynamic programming over sets of points (Held and Karp 1962), all rows at once: 2^(N - 1) (N - 1)^2 steps, for N up to 10 or so.
    """
    n, N, _ = points.shape
    apart = np.sqrt(((points[:, :, None] - points[:, None]) ** 2).sum(3))  # n N N
    M = N - 1  # the points that are left to go to
    cost = np.full((n, 1 << M, M), np.inf)
    before = np.zeros((n, 1 << M, M), np.int64)
    for j in range(M):
        cost[:, 1 << j, j] = apart[:, 0, j + 1]
    for chosen in range(1, 1 << M):
        for j in range(M):
            rest = chosen ^ (1 << j)
            if chosen >> j & 1 and rest:
                ways = cost[:, rest] + apart[:, 1:, j + 1]  # n M, infinite from what is not in the rest
                before[:, chosen, j] = ways.argmin(1)
                cost[:, chosen, j] = ways.min(1)
    last = (cost[:, -1] + apart[:, 1:, 0]).argmin(1)
    rows, path, left = np.arange(n), np.zeros((n, N), np.int64), np.full(n, (1 << M) - 1)
    for place in range(M, 0, -1):
        path[:, place] = last + 1
        last, left = before[rows, left, last], left ^ (1 << last)
    turned = path[:, 1] > path[:, -1]
    path[turned, 1:] = path[turned, :0:-1]
    return path.tolist()


def lists(folder: Path, answers: Answers, *, size: int, channels: int, train: int, test: int = 5_000) -> list[str]:
    """Parquet files of lists of `size` numbers or points, drawn evenly from 0 to 1, and the places that `answers` names."""
    for part, count, seed in (("train", train, 0), ("test", test, 1)):
        drawn = np.random.default_rng(seed).random((count, size, channels) if channels > 1 else (count, size))
        written = drawn.astype(np.float32)  # what the network reads decides, to the last digit
        frame = pl.DataFrame({"points": pl.Series(written.tolist()), "order": pl.Series(answers(written.astype(np.float64)))})
        frame.write_parquet(folder / f"{part}.parquet")
    return [str(folder / "train.parquet"), "--target", "order", "--test", str(folder / "test.parquet")]


def sorting(data: Path, folder: Path) -> list[str]:
    """Ten numbers."""
    return lists(folder, ascending, size=10, channels=1, train=100_000)


def hulls(data: Path, folder: Path) -> list[str]:
    """Ten points, as in the paper."""
    return lists(folder, hull, size=10, channels=2, train=500_000)


def tours(data: Path, folder: Path) -> list[str]:
    """Eight points."""
    return lists(folder, tour, size=8, channels=2, train=200_000)


def digits_on_photographs(data: Path, folder: Path, *, train: int = 8_000, test: int = 1_000) -> list[str]:
    """Pictures of 64 to 96 pixels a side: a piece of one of scikit-learn's two photographs, with one to five digits of mnist_5k, white, black or coloured.

    Digits are 14 to 32 pixels high, upright, wholly inside and hardly over each other. Training has 4,000 of the digits and the left three fifths of the photographs, the
    test the other 1,000 and the right two fifths. Boxes fit the ink.
    """
    archive = np.load(data / "images/mnist_5k.npz")
    images, labels = archive["images"], archive["labels"].astype(int)
    order = np.random.RandomState(0).permutation(len(labels))
    paste(
        folder, {"train": (images[order[:4000]], labels[order[:4000]], train), "test": (images[order[4000:]], labels[order[4000:]], test)}
    )
    return [str(folder)]


def paste(folder: Path, parts: dict[str, tuple[np.ndarray, np.ndarray, int]]) -> None:
    """`<part>.json` and `<part>/` of pictures for each part: digits [n, side, side] with their labels [n], and how many pictures to make."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    for seed, (part, (digits, labels, count)) in enumerate(parts.items()):
        generator = np.random.default_rng(seed)
        (folder / part).mkdir()
        described, boxes = [], []
        for number in range(1, count + 1):
            height, width = generator.integers(64, 97, 2)
            photograph = photographs[generator.integers(len(photographs))]
            cut = 3 * photograph.shape[1] // 5
            side = photograph[:, :cut] if part == "train" else photograph[:, cut:]
            top, left = generator.integers(side.shape[0] - height), generator.integers(side.shape[1] - width)
            picture = side[top : top + height, left : left + width].astype(np.float32)
            taken: list[tuple[int, int, int, int]] = []
            for _ in range(generator.integers(1, 6)):
                which = generator.integers(len(labels))
                if (box := _pasted(picture, digits[which], generator, taken)) is not None:
                    taken.append(box)
                    boxes.append({"image_id": number, "category_id": int(labels[which]) + 1, "bbox": [int(side) for side in box]})
            name = f"{part}/{number:06d}.png"
            Image.fromarray(picture.round().astype(np.uint8)).save(folder / name)
            described.append({"id": number, "file_name": name, "width": int(width), "height": int(height)})
        numbered = [{"id": index, "iscrowd": 0, "area": box["bbox"][2] * box["bbox"][3]} | box for index, box in enumerate(boxes, 1)]
        categories = [{"id": label + 1, "name": str(label)} for label in range(10)]
        document = {"images": described, "annotations": numbered, "categories": categories}
        (folder / f"{part}.json").write_text(json.dumps(document))


def _pasted(
    picture: np.ndarray, digit: np.ndarray, generator: np.random.Generator, taken: list[tuple[int, int, int, int]]
) -> tuple[int, int, int, int] | None:
    """Put a digit into a picture [H, W, 3], in place; its box, None where ten places are all taken."""
    from PIL import Image

    rows, columns = np.flatnonzero(digit.max(1) > 60), np.flatnonzero(digit.max(0) > 60)
    ink = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    high = int(generator.integers(14, 33))
    wide = max(3, round(high * ink.shape[1] / ink.shape[0]))
    share = np.asarray(Image.fromarray(ink.astype(np.uint8)).resize((wide, high), Image.Resampling.BILINEAR), np.float32)[:, :, None] / 255
    bright = picture.mean() < 128
    colour = generator.uniform(170, 255, 3) if bright else generator.uniform(0, 85, 3)  # so that a digit stands out
    for _ in range(10):
        if wide >= picture.shape[1] or high >= picture.shape[0]:
            return None
        x, y = int(generator.integers(picture.shape[1] - wide)), int(generator.integers(picture.shape[0] - high))
        apart = [x >= a + w - 2 or a >= x + wide - 2 or y >= b + h - 2 or b >= y + high - 2 for a, b, w, h in taken]
        if all(apart):
            place = picture[y : y + high, x : x + wide]
            place[:] = share * colour + (1 - share) * place
            return x, y, wide, high
    return None
