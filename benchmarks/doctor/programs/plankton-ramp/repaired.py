"""Plankton silhouettes: twelve species, told by outline. Small CNN, SGD with a linear ramp at the start."""
import math

import numpy as np
import torch
import torch.nn as nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset

SPECIES = 12
WARMUP_STEPS = 60


class Plankton(Dataset):
    """Closed outlines r(phi), a different mixture of lobes for each species, drawn on a 20 x 20 grid."""

    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        lobes = np.random.default_rng(99).normal(size=(SPECIES, 4))
        yy, xx = np.mgrid[-1:1:20j, -1:1:20j]
        phi, radius = np.arctan2(yy, xx), np.hypot(yy, xx)
        self.y = rng.integers(0, SPECIES, n)
        self.x = np.empty((n, 1, 20, 20), np.float32)
        for i, kind in enumerate(self.y):
            turn = rng.normal(0, 0.25)
            edge = 0.55 + sum(0.11 * lobes[kind, k] * np.cos((k + 2) * (phi - turn)) for k in range(4))
            self.x[i, 0] = 1 / (1 + np.exp((radius - edge * rng.uniform(0.85, 1.15)) * 12))
        self.x += rng.normal(0, 0.2, self.x.shape).astype(np.float32)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return torch.from_numpy(self.x[i]), int(self.y[i])


def make_model():
    return nn.Sequential(
        nn.Conv2d(1, 12, 5, stride=2, padding=2), nn.ReLU(),
        nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24 * 25, 64), nn.ReLU(),
        nn.Linear(64, SPECIES),
    )


def main():
    torch.manual_seed(4)
    train = DataLoader(Plankton(1500, 1), batch_size=32, shuffle=True)
    test = DataLoader(Plankton(600, 2), batch_size=200)
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    scheduler = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARMUP_STEPS))
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(20):
        model.train()
        seen = total = 0
        for x, y in train:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(y)
            seen += len(y)
        print(f"epoch {epoch:2d} loss {total / seen:.4f}")

    model.eval()
    hits = 0
    with torch.no_grad():
        for x, y in test:
            hits += (model(x).argmax(1) == y).sum().item()
    print(f"species accuracy {hits / 600:.4f}")


if __name__ == "__main__":
    main()
