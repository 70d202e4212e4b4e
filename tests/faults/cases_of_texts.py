"""Broken running texts, captions and calls of `generate`; see `cases`."""

from __future__ import annotations

import make_texts as make_texts  # its builders
from cases import Case, refused, used

TEXT = "train {in}/data.txt --set data.max_tokens=32 --set model.width=8 --set model.depth=1 --out {out}"
FOLDER = TEXT.replace("data.txt", "texts") + " --task language"

CASES_OF_TEXTS: list[Case] = [
    used("text-sound", call=TEXT),
    used("text-sound-as-asked", call=f"{TEXT} --task language --set model.name=lstm_language", files="text-sound"),
    used("text-of-windows", "windows-1252", call=TEXT),
    used("text-in-a-folder", call=FOLDER),
    refused("text-too-short", "from 1,000 characters at least, better a million; there are 900", call=TEXT),
    refused("text-of-one-character", "at least two different characters", call=TEXT),
    refused("text-with-a-zero-byte", "a zero byte (character 2,001)", call=TEXT),
    refused("text-that-is-a-picture", "a PNG picture", call=TEXT),
    refused("text-cut-off", "cut off", call=TEXT.replace("data.txt", "data.txt.gz")),
    refused("text-in-no-folder", "holds no text file", call=FOLDER, file="texts"),
    refused("text-with-a-target", "has no target; leave data.target=says out", call=f"{TEXT} --task language --target says", file="", files="text-sound"),
    refused("text-by-bytes", "reads characters; leave data.tokens out", call=f"{TEXT} --set data.tokens=bpe", file="", files="text-sound"),
    refused("text-averaged", "averages probabilities", call=f"{TEXT} --set train.members=2", file="", files="text-sound"),
    refused("text-smoothed", "no effect on language", call=f"{TEXT} --set train.label_smoothing=0.1", file="", files="text-sound"),
    refused("text-to-a-table-s-network", "the data have stream", call=f"{TEXT} --set model.name=tabm", file="", files="text-sound"),
    refused("text-all-tested", "must leave text to train on", call=f"{TEXT} --set data.test_fraction=0.5 --set data.valid_fraction=0.5", file="", files="text-sound"),
    refused("table-s-absent-texts", "data.source is the one column of texts", call="train {in}/data.csv --task language --source story --out {out}", files="sound", column="story"),
    refused("generate-with-a-table-s-network", "a language model writes", call="generate {run}", file="run", files="sound"),
    refused("generate-without-a-run", "is not a run", call="generate {in}", file="in", files="sound"),
]  # fmt: skip

CAPTIONS = "train {in}/data.npz --source image --target caption --set data.image_size=8 --set model.width=8 --out {out}"

CASES_OF_TEXTS += [
    used("captions-sound", call=CAPTIONS),
    used("captions-one-missing", "1 rows without a value", call=CAPTIONS.replace("data.npz", "data.parquet")),
    refused("captions-of-one-word", "at least two different words", call=CAPTIONS, column="caption"),
    refused("captions-that-are-numbers", "a sequence is one target of texts", call=CAPTIONS, column="caption"),
    refused("captions-absent-source", "did you mean 'image'", call=CAPTIONS.replace("source image", "source imag"), files="captions-sound", column="imag"),
    refused("captions-of-labels", "the data have image, caption; take captioner", call=f"{CAPTIONS} --set model.name=resnet9", file="", files="captions-sound"),
    refused("captions-too-few-pixels", "multiple of 8; 12 was given", call=CAPTIONS.replace("width=8", "width=12"), file="", files="captions-sound"),
    refused("captions-as-classes", "data.source is for data.task=sequence", call=f"{CAPTIONS} --task multiclass", file="", files="captions-sound"),
]  # fmt: skip
