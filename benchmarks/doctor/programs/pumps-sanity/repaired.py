"""Remaining life of pumps from twelve gauges in their own units."""
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class PumpNet(nn.Module):
    def __init__(self, n_features=12, hidden=64):
        super().__init__()
        self.norm = nn.BatchNorm1d(n_features)
        self.body = nn.Sequential(
            nn.Linear(n_features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU(),
        )
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.out(self.body(self.norm(x))).squeeze(1)


def validate(model, loader):
    model.eval()
    err = var = 0.0
    with torch.no_grad():
        for x, y in loader:
            err += ((model(x) - y) ** 2).sum().item()
            var += (y**2).sum().item()
    return 1 - err / var


def fit(model, train_loader, val_loader, epochs=20, lr=3e-3):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    print(f"before: {validate(model, val_loader):.3f}")
    for epoch in range(epochs):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        r2 = validate(model, val_loader)
        print(f"epoch {epoch + 1:2d}: {r2:.3f}")
    return r2


def gauges(n, rng):
    z = rng.normal(size=(n, 12))
    life = np.tanh(z[:, 0] * z[:, 1]) + np.abs(z[:, 2]) + 0.6 * z[:, 3] - 0.4 * z[:, 4] * (z[:, 5] > 0) + 0.1 * rng.normal(size=n)
    units = 10.0 ** np.array([3, 0, -2, 2, 1, -1, 4, 0, 2, -2, 1, 3])
    offset = np.array([5, 0, 1, 20, 3, 2, 7, 0, 1, 2, 9, 4])
    x = (z + offset) * units
    return TensorDataset(torch.tensor(x).float(), torch.tensor((life - life.mean()) / life.std()).float())


if __name__ == "__main__":
    torch.manual_seed(14)
    rng = np.random.default_rng(14)
    train_loader = DataLoader(gauges(2000, rng), batch_size=64, shuffle=True, drop_last=True)
    val_loader = DataLoader(gauges(600, rng), batch_size=200)
    score = fit(PumpNet(), train_loader, val_loader)
    print(f"final r2: {score:.4f}")
