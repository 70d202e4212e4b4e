"""transformers' Trainer, logging, saving and clipping switched off."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from loop_hand import Mark, Predict, predictor
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments
from workloads import LR, WEIGHT_DECAY, Workload, build


class _Rows(Dataset[dict[str, Tensor]]):
    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {"x": self.x[row], "labels": self.y[row]}


class _Module(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.network(x)
        return {"loss": functional.cross_entropy(logits, labels), "logits": logits}


class _Marks(TrainerCallback):
    def __init__(self, mark: Mark) -> None:
        self.mark = mark

    def on_epoch_end(self, *args: Any, **kwargs: Any) -> None:
        self.mark()


def contestant(workload: Workload, x: Tensor, y: Tensor, seed: int, mark: Mark) -> Predict:
    network = build(workload, seed)
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=workload.batch,
            num_train_epochs=workload.epochs,
            learning_rate=LR,
            weight_decay=WEIGHT_DECAY,
            lr_scheduler_type="constant",
            max_grad_norm=0.0,
            optim="adamw_torch",
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
            seed=seed,
        )
        trainer = Trainer(_Module(network), settings, train_dataset=_Rows(x, y), callbacks=[_Marks(mark)])
        torch.set_num_threads(threads)  # accelerate may have changed it
        trainer.train()
    return predictor(network)
