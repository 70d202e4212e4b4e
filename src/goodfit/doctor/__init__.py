"""Why a network does not train: what a program did is recorded, short copies of it are run with one thing changed, and only what that proves is said.

    with gf.doctor.watch(model, optimizer) as seen:   # any PyTorch loop
        ...
    print(seen.examine().verdict)

    gf.doctor.examine(model, loss, batches, optimizer)

    lightning.pytorch.Trainer(callbacks=[gf.doctor.LightningCallback()])    # and TrainerCallback for transformers, KerasCallback for Keras on torch

Names are imported when they are first used: the command's own process needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NAMES = {
    "watch": "goodfit.doctor.watching",
    "examine": "goodfit.doctor.watching",
    "examine_script": "goodfit.doctor.script",
    "Examination": "goodfit.doctor.examination",
    "Recorder": "goodfit.doctor.record",
    "LightningCallback": "goodfit.doctor.callback_lightning",
    "TrainerCallback": "goodfit.doctor.callback_transformers",
    "KerasCallback": "goodfit.doctor.callback_keras",
}
__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'goodfit.doctor' has no attribute {name!r}")
