import copy

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def waves(n, seed):
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, 40)
    kind = rng.integers(0, 3, n)
    f = rng.uniform(2, 4, (n, 1))
    p = rng.uniform(0, 6.28, (n, 1))
    base = np.sin(2 * np.pi * f * t + p)
    x = np.where(kind[:, None] == 0, base, np.where(kind[:, None] == 1, np.sign(base), np.abs(base) * 2 - 1))
    return torch.tensor(x + rng.normal(0, 0.25, x.shape), dtype=torch.float32)[:, None], torch.tensor(kind)


class WaveNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv1d(1, 16, 5, padding=2)
        self.n1 = nn.GroupNorm(4, 16)
        self.c2 = nn.Conv1d(16, 24, 5, padding=2)
        self.n2 = nn.GroupNorm(4, 24)
        self.head = nn.Linear(24, 3)

    def forward(self, x):
        x = F.max_pool1d(F.relu(self.n1(self.c1(x))), 2)
        x = F.relu(self.n2(self.c2(x)))
        return self.head(x.amax(-1))


torch.manual_seed(6)
x_train, y_train = waves(1500, 0)
x_test, y_test = waves(400, 1)
model = WaveNet()
average = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(8):
    for rows in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for p, q in zip(average.parameters(), model.parameters()):
                p.lerp_(q, 0.05)
    print(f"epoch {epoch + 1} loss {loss.item():.4f}")
with torch.no_grad():
    acc = (average(x_test).argmax(1) == y_test).float().mean().item()
print(f"accuracy of the averaged network {acc:.4f}")
