import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


def make_series(n, rng):
    """Four kinds of waves, 32 steps each."""
    t = np.linspace(0, 4 * np.pi, 32)
    kind = rng.integers(0, 4, n)
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    wave = np.select(
        [kind[:, None] == k for k in range(4)],
        [np.sin(t + phase), np.sign(np.sin(t + phase)), 2 * ((t + phase) / (2 * np.pi) % 1) - 1, np.sin(t + phase) * np.sin(2 * t)],
    )
    return (wave + rng.normal(0, 0.2, wave.shape)).astype("float32")[:, None], kind


def evaluate(model, loader):
    model.eval()
    correct, total = 0, 0
    with torch.no_grad():
        for x, y in loader:
            out = model(x)
            pred = out.argmax(dim=1)
            correct += (pred == y).sum().item()
            total += y.size(0)
    return correct / total


def main():
    rng = np.random.default_rng(3)
    torch.manual_seed(3)
    X, y = make_series(1500, rng)
    X_val, y_val = make_series(500, rng)
    train = DataLoader(TensorDataset(torch.tensor(X), torch.tensor(y)), batch_size=50, shuffle=True)
    val = DataLoader(TensorDataset(torch.tensor(X_val), torch.tensor(y_val)), batch_size=100)
    model = nn.Sequential(
        nn.Conv1d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(16, 32, 5, padding=2), nn.ReLU(),
        nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(128, 4),
    )
    opt = torch.optim.Adam(model.parameters(), lr=2e-3)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(8):
        model.train()
        for x, t in train:
            opt.zero_grad()
            loss = loss_fn(model(x), t)
            loss.backward()
            opt.step()
        print(f"epoch {epoch}: loss {loss.item():.3f}, val accuracy {evaluate(model, val):.3f}")


if __name__ == "__main__":
    main()
