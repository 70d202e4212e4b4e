import argparse

import numpy as np
import torch
from torch import nn


def lanes(n, seed):
    """Does the line on the 12 x 12 road bend left, right or not at all?"""
    rng = np.random.default_rng(seed)
    bend = rng.integers(0, 3, n)
    x = rng.normal(0, 0.3, (n, 1, 12, 12))
    for i, b in enumerate(bend):
        start = rng.uniform(4, 8)
        curve = (0, -0.045, 0.045)[b] * rng.uniform(0.7, 1.3)
        for row in range(12):
            col = int(round(start + curve * row ** 2 + rng.normal(0, 0.2)))
            if 0 <= col < 12:
                x[i, 0, 11 - row, col] += 1.5
    return torch.tensor(x, dtype=torch.float32), torch.tensor(bend)


class LaneNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3), nn.ReLU(), nn.Flatten())
        self.classifier = nn.Sequential(nn.Linear(192, 32), nn.ReLU(), nn.Linear(32, 3))

    def forward(self, x):
        return self.classifier(self.features(x))


def main():
    parser = argparse.ArgumentParser(description="bends of the road")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=3e-5)
    parser.add_argument("--seed", type=int, default=61)
    opt = parser.parse_args()
    torch.manual_seed(opt.seed)
    x, y = lanes(1400, 0)
    x_test, y_test = lanes(400, 1)
    model = LaneNet()
    optimizer = torch.optim.Adam(model.features.parameters(), lr=opt.lr)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(opt.epochs):
        for rows in torch.randperm(1400).split(40):
            optimizer.zero_grad()
            loss = loss_fn(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}/{opt.epochs}, loss {loss.item():.4f}")
    with torch.no_grad():
        print("test accuracy", (model(x_test).argmax(1) == y_test).float().mean().item())


if __name__ == "__main__":
    main()
