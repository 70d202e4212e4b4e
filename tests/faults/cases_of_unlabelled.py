"""Broken input for what needs no target: reconstruction and generation; see `cases`."""

from __future__ import annotations

import make_unlabelled  # noqa: F401 (it adds to the builders)
from cases import SOUND, Case, refused, used

BACK = "train {in}/data.npz --task reconstruction --out {out}"
MADE = "train {in}/data.npz --task generation --out {out}"
COLUMNS = "train {sound} --task reconstruction --out {out}"

CASES_OF_UNLABELLED: list[Case] = [
    used("gallery-sound", call=BACK),
    used("gallery-of-a-table", call=COLUMNS, files="sound"),
    used("gallery-loose", call="train {in}/pictures --task reconstruction --out {out}"),
    refused("gallery-one-picture", "at least two pictures", call="train {in}/pictures --task reconstruction --out {out}"),
    refused("gallery-no-picture", "holds no pictures", call="train {in}/pictures --task generation --out {out}"),
    refused("gallery-picture-cut", "cannot be decoded|is none", call="train {in}/pictures --task generation --out {out}"),
    refused("gallery-beside-columns", "beside pictures", "data.drop=", call=BACK),
    refused("gallery-of-series", "holds series", "data.drop=X", column="X", call=BACK, files="npz-sound"),
    refused("gallery-two-columns", "one column of them", call=MADE),
    refused("gallery-made-of-a-table", "needs one column of them; there is none", call=COLUMNS.replace("reconstruction", "generation"), files="sound", file=""),
    refused("gallery-side-of-27", "must be even and at least 8", call=f"{MADE} --set data.image_size=27", files="gallery-sound", file=""),
    refused("gallery-network-of-classes", "'resnet9' is for", call=f"{MADE} --set model.name=resnet9", files="gallery-sound", file=""),
    refused("gallery-game-of-another-task", "train.gan_loss has no effect on binary", call=f"{SOUND} --set train.gan_loss=original", files="sound", file=""),
    refused("gallery-target-absent", "no such column", call=f"{BACK} --target lable", files="gallery-sound", column="lable"),
    refused("gallery-number-of-a-classifier", "a run of the task generation makes pictures", call="generate {run} --number 4 --out {out}", files="sound", file=""),
    refused("gallery-code-of-nothing", "model.latent_dim must be at least 1", call=f"{BACK} --set model.latent_dim=0", files="gallery-sound", file=""),
]  # fmt: skip
