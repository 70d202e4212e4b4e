import argparse

import numpy as np
import torch
from torch import nn


def read_meters(households, rng):
    """Half-hourly readings of two days (kW), and the energy of the day after (Wh)."""
    t = np.arange(96) / 48.0
    base = rng.uniform(0.1, 0.6, (households, 1))
    evening = rng.uniform(0.3, 2.5, (households, 1))
    morning = rng.uniform(0.1, 1.5, (households, 1))
    heater = rng.integers(0, 2, (households, 1)) * rng.uniform(0.5, 2.0, (households, 1))
    peak = lambda at, width: np.exp(-((((t - at + 0.5) % 1) - 0.5) / width) ** 2)[None]
    level = base + evening * peak(0.8, 0.08) + morning * peak(0.3, 0.05) + heater * peak(0.05, 0.12)
    load = level * rng.uniform(0.85, 1.15, level.shape) + rng.uniform(0, 0.1, level.shape)
    tomorrow = level[:, :48].sum(1) / 2 * 1000 * rng.normal(1.0, 0.03, households)
    return load.astype(np.float32)[..., None], tomorrow.astype(np.float32)


class MeterLSTM(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.head = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, x):
        states, _ = self.lstm(x)
        return self.head(states.mean(1)).squeeze(-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=12)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    x, y = map(torch.from_numpy, read_meters(1500, np.random.default_rng(args.seed)))
    x_train, y_train, x_test, y_test = x[:1200], y[:1200], x[1200:], y[1200:]
    model = MeterLSTM(args.hidden)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    for epoch in range(args.epochs):
        model.train()
        losses = []
        for rows in torch.randperm(len(x_train)).split(args.batch):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x_train[rows]), y_train[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            losses.append(loss.item())
        print(f"[{epoch + 1}/{args.epochs}] loss {np.mean(losses):.5g}")

    model.eval()
    with torch.no_grad():
        predicted = model(x_test)
    r2 = 1 - ((predicted - y_test) ** 2).mean() / y_test.var(unbiased=False)
    print("held-out R2:", r2.item())


if __name__ == "__main__":
    main()
