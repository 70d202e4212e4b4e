"""Keras 3 on torch: the same layers in Keras' words, `compile` and `fit`. The transformer is left out: Keras has no such layer."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch
from keras import layers
from loop_hand import Mark, Predict
from torch import Tensor
from workloads import LR, WEIGHT_DECAY, WORKLOADS, Workload


class _Marks(keras.callbacks.Callback):
    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.mark()


def _network(workload: Workload) -> keras.Model:
    if workload.data is WORKLOADS["mlp"].data:
        return keras.Sequential([layers.Input((32,)), layers.Dense(256, "relu"), layers.Dense(256, "relu"), layers.Dense(2)])
    if workload.data is WORKLOADS["lstm"].data:
        return keras.Sequential([layers.Input((50, 8)), layers.LSTM(64), layers.Dense(4)])
    blocks = []
    for filters in (32, 64):
        blocks += [layers.Conv2D(filters, 3, padding="same"), layers.BatchNormalization(axis=1), layers.ReLU(), layers.MaxPooling2D(2)]
    return keras.Sequential([layers.Input((1, 28, 28)), *blocks, layers.Flatten(), layers.Dense(10)])


def contestant(workload: Workload, x: Tensor, y: Tensor, seed: int, mark: Mark) -> Predict:
    keras.utils.set_random_seed(seed)
    keras.config.set_image_data_format("channels_first")
    network = _network(workload)
    network.compile(
        optimizer=keras.optimizers.AdamW(LR, weight_decay=WEIGHT_DECAY), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    network.fit(x.numpy(), y.numpy(), batch_size=workload.batch, epochs=workload.epochs, verbose=0, callbacks=[_Marks(mark)])
    return lambda x: torch.as_tensor(network.predict(x.numpy(), batch_size=512, verbose=0))
