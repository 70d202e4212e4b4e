"""Lightning's Trainer, everything optional switched off."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import lightning
import torch
from loop_hand import Mark, Predict, predictor
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from workloads import LR, WEIGHT_DECAY, Workload, build


class _Module(lightning.LightningModule):
    def __init__(self, workload: Workload, seed: int, mark: Mark) -> None:
        super().__init__()
        self.network, self.mark = build(workload, seed), mark

    def training_step(self, batch: Any, index: int) -> Tensor:
        x, y = batch
        return functional.cross_entropy(self.network(x), y)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)

    def on_train_epoch_end(self) -> None:
        self.mark()


def contestant(workload: Workload, x: Tensor, y: Tensor, seed: int, mark: Mark) -> Predict:
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    module = _Module(workload, seed, mark)
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = lightning.Trainer(accelerator="cpu", max_epochs=workload.epochs, **dict.fromkeys(off, False))
    trainer.fit(module, DataLoader(TensorDataset(x, y), batch_size=workload.batch, shuffle=True))
    return predictor(module.network)
