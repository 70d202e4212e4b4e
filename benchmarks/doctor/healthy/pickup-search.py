import argparse

import torch
from torch import nn


def make_data(n=1800):
    g = torch.Generator().manual_seed(9)
    x = torch.randn(n, 8, generator=g)
    y = torch.tanh(x[:, 0] + x[:, 1]) * 2 + x[:, 2] * x[:, 3] * 0.5 + 0.3 * x[:, 4] + 0.1 * torch.randn(n, generator=g)
    return x, (y - y.mean()) / y.std()


def train_one(lr, width, x, y, epochs):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        for idx in torch.randperm(1200).split(48):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x[idx]).squeeze(1), y[idx])
            loss.backward()
            optimizer.step()
    return model


@torch.no_grad()
def r2(model, x, y):
    return (1 - (model(x).squeeze(1) - y).pow(2).mean() / y.var()).item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 3e-3])
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    x, y = make_data()
    results = []
    for lr in args.rates:
        for width in args.widths:
            model = train_one(lr, width, x, y, args.epochs)
            results.append((r2(model, x[1200:1500], y[1200:1500]), lr, width, model))
            print(f"lr {lr:g} width {width}: validation R2 {results[-1][0]:.4f}")
    best = max(results, key=lambda r: r[0])
    print(f"test R2 of the best {r2(best[3], x[1500:], y[1500:]):.4f}")
