"""A network of your own: goodfit reads, splits, encodes, batches and scores; the loop yields; the network is yours.

Here a cross network (DCN-V2, Wang et al. 2021): each layer multiplies the features by a linear map of themselves.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from goodfit.base.recipe import Recipe
from goodfit.base.records import EpochRecord
from goodfit.data.batches import Batches
from goodfit.data.encoder import Encoder
from goodfit.data.read import read
from goodfit.data.splits import split
from goodfit.data.target import detect
from goodfit.optim.build import build as build_optimizer
from goodfit.tasks import catalogue as tasks
from goodfit.tasks.inference import predict_rows
from goodfit.training.loop import Plan, fit
from goodfit.training.state import State, Stopper

TABLE = Path(__file__).parent / "adult.csv.gz"
SEED, EPOCHS, RATE = 0, 5, 2e-3


class CrossNetwork(nn.Module):
    """x0 [B, D] -> x_(l+1) = x0 * (W x_l + b) + x_l, then a linear map to O outputs."""

    def __init__(self, numbers: int, sizes: list[int], outputs: int, *, depth: int = 3, dim: int = 8) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, dim) for size in sizes)
        features = numbers + dim * len(sizes)
        self.crosses = nn.ModuleList(nn.Linear(features, features) for _ in range(depth))
        self.head = nn.Linear(features, outputs)

    def forward(self, *, numbers: Tensor, categories: Tensor) -> Tensor:
        levels = [table(categories[:, index]) for index, table in enumerate(self.tables)]
        first = x = torch.cat([numbers, *levels], 1)  # B D
        for cross in self.crosses:
            x = first * cross(x) + x
        return self.head(x)  # B O


if __name__ == "__main__":
    recipe = Recipe.build(None, ["data.target=income", "optim.name=adamw", "optim.weight_decay=1e-4"])
    data = read(TABLE, settings=recipe.data)
    target = detect(data, recipe.data)
    parts = split(data, target, recipe.data, SEED)
    encoder = Encoder.fit(data, data.schema, target, parts.train, recipe.data, SEED)  # statistics from the training rows alone
    encoded = encoder.encode(data)
    task = tasks.build(encoder.target.to_json())

    def batches(rows: np.ndarray, *, shuffle: bool) -> Batches:
        return Batches(encoded, torch.from_numpy(rows), batch_size=256, seed=SEED, shuffle=shuffle, device="cpu")

    def evaluate(network: nn.Module, rows: np.ndarray = parts.valid) -> dict[str, float]:
        truth = encoded.target[torch.from_numpy(rows)].numpy()
        return task.metrics(predict_rows(network, batches(rows, shuffle=False), task), truth)

    torch.manual_seed(SEED)
    inputs = encoder.inputs
    network = CrossNetwork(len(inputs["numbers"]["names"]), inputs["categories"]["sizes"], task.outputs)
    state = State(network, build_optimizer(network, recipe.optim, lr=RATE), Stopper(task.maximise, patience=2), seed=SEED)
    for record in fit(state, batches(parts.train, shuffle=True), task, Plan(epochs=EPOCHS, lr=RATE, score=task.score), evaluate=evaluate):
        if isinstance(record, EpochRecord):
            print(f"epoch {record.epoch}: training loss {record.train_loss:.4f}, validation {task.score} {record.score:.4f}")

    network.load_state_dict(state.best)
    print({name: round(value, 4) for name, value in evaluate(network, parts.test).items()})
