import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def calls(n, rng, kinds=8, steps=96):
    """Calls of whales: two sweeps each, the species lies in how their pitches move."""
    t = np.arange(steps) / steps
    y = rng.integers(0, kinds, n)
    x = np.zeros((n, 1, steps), np.float32)
    for i, k in enumerate(y):
        start = rng.uniform(5, 8)
        first, second = (k % 4 - 1.5) * 4, (k // 4 - 0.5) * 8
        pitch = start + 8 + np.where(t < 0.5, first * t, first * 0.5 + second * (t - 0.5))
        x[i, 0] = np.sin(2 * np.pi * (np.cumsum(pitch) / steps + rng.random()))
    x += rng.normal(0, 0.3, x.shape)
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y)


class Encoder(nn.Module):
    def __init__(self, code=10):
        super().__init__()
        self.c1 = nn.Conv1d(1, 16, 9, padding=4)
        self.c2 = nn.Conv1d(16, 32, 9, stride=2, padding=4)
        self.c3 = nn.Conv1d(32, 32, 9, stride=2, padding=4)
        self.project = nn.Linear(32 * 6, code)

    def forward(self, x):
        h = F.relu(self.c1(x))
        h = F.relu(self.c2(h))
        h = F.adaptive_max_pool1d(F.relu(self.c3(h)), 6)
        return self.project(h.flatten(1))


class WhaleNet(nn.Module):
    def __init__(self, kinds=8):
        super().__init__()
        self.encoder = Encoder()
        self.head = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, kinds))

    @torch.no_grad()
    def embed(self, x):
        """Codes of calls, also for the nearest neighbours in the archive."""
        return self.encoder(x)

    def forward(self, x):
        return self.head(self.encoder(x))


if __name__ == "__main__":
    torch.manual_seed(9)
    rng = np.random.default_rng(9)
    x_train, y_train = calls(2000, rng)
    x_test, y_test = calls(500, rng)
    model = WhaleNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(10):
        model.train()
        losses = []
        for idx in torch.randperm(2000).split(40):
            loss = F.cross_entropy(model(x_train[idx]), y_train[idx])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch:02d} loss {np.mean(losses):.3f}")
    model.eval()
    with torch.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"whale accuracy: {accuracy:.4f}")
