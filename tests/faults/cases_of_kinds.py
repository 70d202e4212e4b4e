"""Broken series, arrays, pairs of sequences and tags; see `cases`."""

from __future__ import annotations

from cases import LINES, NPZ, SOUND, Case, refused, used
from cases_of_boxes import CASES_OF_BOXES

ARRAYS = [
    used("npz-sound", "2 channels and up to 7 steps", call=NPZ),
    used("npz-parts", "2 channels", call=NPZ),
    used("npz-gaps", "up to 7 steps", call=NPZ),
    refused("npz-objects", "Python objects, which goodfit never opens", call=NPZ),
    refused("npz-truncated", "damaged|zip", call=NPZ),
    refused("npz-byte-changed", "damaged", call=NPZ),
    refused("npz-array-cut", "damaged", call=NPZ),
    refused("npz-nonsense-array", "damaged|never opens", call=NPZ),
    refused("npz-claims-terabytes", "damaged", call=NPZ),
    refused("npz-empty-arrays", "no rows", call=NPZ),
    refused("npz-no-rows-at-all", "no array with rows", call=NPZ),
    refused("npz-rows-differ", "label", call=NPZ),
    refused("npz-parts-differ", "all parts must be alike", call=NPZ),
    refused("npz-lengths-beyond", "from 0 to its 7 steps; row 5 has 8", row=5, column="X", call=NPZ),
    refused("npz-lengths-negative", "row 5 has -1", row=5, column="X", call=NPZ),
    refused("npz-complex", "complex64, which is no value", column="X", call=NPZ),
    used("npz-graph", "9 edges in 'edge_index' join a node to itself", call=NPZ),
    refused("npz-nothing-but-nan", "no column to learn from", call=NPZ),
    refused("npz-absent-target", "label", call=NPZ.replace("label", "lable"), files="npz-sound"),
]

SERIES = [
    used("series-sound", call=LINES),
    used("series-one-empty", call=LINES),
    refused("series-of-texts", "lists of texts, which are read for tagging", column="x", call=LINES),
    refused("series-of-ragged-steps", "must have 2 numbers", row=5, column="x", call=LINES),
    refused("series-unequal", "must be equally long; in row 5", row=5, column="z", call=LINES),
    refused("series-of-nothing", "no column to learn from", call=LINES),
    refused(
        "series-as-category",
        "kind series; data.kinds sets it to category",
        column="x",
        call=f"{LINES} --set data.kinds.x=category",
        files="series-sound",
    ),
    refused("series-as-target", "x", call="train {in}/data.jsonl --target x --out {out}", files="series-sound"),
    refused(
        "series-to-a-table-s-network",
        "reads numbers, categories, the data have series",
        call=f"{LINES} --set model.name=tabm",
        file="",
        files="series-sound",
    ),
    refused(
        "numbers-as-series",
        "whose values are lists of numbers",
        column="age",
        call=f"{SOUND} --set data.kinds.age=series",
        files="sound",
        file="data.csv",
    ),
]

PAIRS = "train {in}/data.csv --source word --target phones --out {out}"

SEQUENCES = [
    used("pairs-sound", call=PAIRS),
    used("pairs-without-an-answer", "1 rows without a value", call=PAIRS),
    refused(
        "pairs-source-absent",
        "'wrod', which is no column to read; did you mean 'word'",
        call=PAIRS.replace("--source word", "--source wrod"),
        files="pairs-sound",
        column="wrod",
    ),
    refused(
        "pairs-source-is-the-target",
        "which is no column to read",
        call=PAIRS.replace("--source word", "--source phones"),
        files="pairs-sound",
        column="phones",
    ),
    refused(
        "pairs-two-sources",
        "one column is read where sequences are written",
        call=PAIRS.replace("--source word", "--source word,number"),
        files="pairs-sound",
    ),
    refused(
        "pairs-no-source", "one column is read", call="train {in}/data.csv --task sequence --target phones --out {out}", files="pairs-sound"
    ),
    used("pairs-digits-are-letters-too", call=PAIRS.replace("--target phones", "--target number"), files="pairs-sound"),
    refused("pairs-of-one-letter", "at least two different letters", call=PAIRS, column="phones"),
    refused("pairs-as-classes", "data.source is for data.task=sequence", call=f"{PAIRS} --task multiclass", files="pairs-sound", file=""),
    refused(
        "pairs-with-a-table-s-network",
        "reads numbers, categories, the data have source",
        call=f"{PAIRS} --set model.name=tabm",
        files="pairs-sound",
        file="",
    ),
]

TAGS = [
    used("tags-sound", call="train {in}/data.jsonl --target tags --out {out}"),
    refused(
        "tags-averaged",
        "averages probabilities",
        call="train {in}/data.jsonl --target tags --set train.members=2 --out {out}",
        files="tags-sound",
        file="",
    ),
    refused("tags-one-too-few", "row 5 has", row=5, column="tags", call="train {in}/data.jsonl --target tags --out {out}"),
    refused(
        "tags-one-missing",
        "a tag is missing in 'tags' in row 5",
        row=5,
        column="tags",
        call="train {in}/data.jsonl --target tags --out {out}",
    ),
    refused("tags-all-alike", "at least two different tags", column="tags", call="train {in}/data.jsonl --target tags --out {out}"),
    refused(
        "tags-of-a-table",
        "one column of tokens, lists of texts too",
        call=f"{SOUND} --task tagging",
        files="sound",
        file="data.csv",
        column="label",
    ),
    refused("tokens-without-tags", "read for tagging", column="words", call="train {in}/data.jsonl --target label --out {out}"),
    refused(
        "tags-as-classes-of-a-table-s-network",
        "the data have tokens",
        call="train {in}/data.jsonl --target tags --set model.name=mlp --out {out}",
        files="tags-sound",
        file="",
    ),
]

CASES_OF_KINDS: list[Case] = [*ARRAYS, *SERIES, *SEQUENCES, *TAGS, *CASES_OF_BOXES]
