import argparse
import numpy as np
import torch
from torch import nn


def spirals(n, rng):
    r = np.sqrt(rng.random(n)) * 2.2
    arm = rng.integers(0, 2, n)
    a = 2.4 * r + np.pi * arm
    pts = np.stack([r * np.cos(a), r * np.sin(a)], -1) + rng.normal(0, 0.06, (n, 2))
    return torch.tensor(pts, dtype=torch.float32), torch.tensor(arm, dtype=torch.float32)


def main(args):
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    x, y = spirals(500, rng)
    x_test, y_test = spirals(500, rng)
    flipped = torch.tensor(rng.random(500) < 0.4)
    labels = torch.where(flipped, 1 - y, y)

    net = nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=args.lr)
    loss_fn = nn.BCEWithLogitsLoss()
    for epoch in range(args.epochs):
        for idx in torch.randperm(500).split(25):
            loss = loss_fn(net(x[idx])[:, 0], labels[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 20 == 0:
            print(epoch, round(loss.item(), 4))
    with torch.no_grad():
        acc = ((net(x_test)[:, 0] > 0).float() == y_test).float().mean().item()
    print("clean test accuracy", round(acc, 4))


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=14)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--epochs", type=int, default=150)
    main(p.parse_args())
