import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class LogCosh(nn.Module):
    """log(cosh(e)), written so that it cannot overflow."""

    def forward(self, pred, target):
        e = pred - target
        return torch.mean(torch.abs(e) + nn.functional.softplus(-2 * torch.abs(e)) - np.log(2.0))


def make_table(n, rng):
    load = rng.uniform(200, 800, n)         # kg on the wheel
    pressure = rng.normal(2.4, 0.25, n)     # bar
    km = rng.uniform(1, 45, n)              # thousand
    asphalt = rng.integers(0, 3, n)
    heat = rng.normal(15, 8, n)
    rough = np.array([0.8, 1.0, 1.5])[asphalt]
    wear = km * rough * (0.6 + load / 1000) * (1 + 0.8 * (pressure - 2.4) ** 2) * (1 + 0.01 * heat) / 10
    wear = wear + rng.standard_t(3, n) * 0.12
    x = np.column_stack([load, pressure, km, np.eye(3)[asphalt], heat])
    return x, wear


def train_model(model, loader, epochs, lr):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    criterion = LogCosh()
    history = []
    for epoch in range(epochs):
        model.train()
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        print(f"epoch {epoch + 1}/{epochs} loss {np.mean(history[-len(loader):]):.4f}")
    return history


def r2_score(y, p):
    return 1 - ((y - p) ** 2).sum() / ((y - y.mean()) ** 2).sum()


if __name__ == "__main__":
    torch.manual_seed(6)
    rng = np.random.default_rng(6)
    x, y = make_table(2500, rng)
    train_x, test_x, train_y, test_y = x[:2000], x[2000:], y[:2000], y[2000:]
    mean, std = train_x.mean(0), train_x.std(0)
    y_mean, y_std = train_y.mean(), train_y.std()
    as_tensor = lambda a: torch.tensor(a, dtype=torch.float32)
    dataset = TensorDataset(as_tensor((train_x - mean) / std), as_tensor((train_y - y_mean) / y_std))
    model = nn.Sequential(nn.Linear(x.shape[1], 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 1))
    train_model(model, DataLoader(dataset, batch_size=40, shuffle=True), epochs=20, lr=1.5e-3)

    model.eval()
    with torch.no_grad():
        pred = model(as_tensor((test_x - mean) / std)).numpy().ravel() * y_std + y_mean
    print("R^2 on test:", r2_score(test_y, pred))
