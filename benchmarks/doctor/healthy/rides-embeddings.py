import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@dataclass
class Config:
    zones: int = 25
    dim: int = 6
    hidden: int = 64
    lr: float = 3e-3
    batch: int = 100
    epochs: int = 40
    patience: int = 6
    ema: float = 0.99
    seed: int = 17


class RideTime(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.pickup = nn.Embedding(c.zones, c.dim)
        self.dropoff = nn.Embedding(c.zones, c.dim)
        self.weekday = nn.Embedding(7, 3)
        self.net = nn.Sequential(
            nn.Linear(2 * c.dim + 3 + 3, c.hidden), nn.ReLU(),
            nn.Linear(c.hidden, c.hidden), nn.ReLU(),
            nn.Linear(c.hidden, 1),
        )

    def forward(self, cats, nums):
        h = torch.cat([self.pickup(cats[:, 0]), self.dropoff(cats[:, 1]), self.weekday(cats[:, 2]), nums], 1)
        return self.net(h).squeeze(1)


def rides(n, c, rng):
    place = rng.uniform(0, 10, (c.zones, 2))
    jam = rng.uniform(0.7, 1.6, c.zones)
    a, b, day = rng.integers(0, c.zones, n), rng.integers(0, c.zones, n), rng.integers(0, 7, n)
    hour = rng.uniform(0, 24, n)
    km = np.abs(place[a] - place[b]).sum(1) + rng.uniform(0.3, 1.5, n)
    rush = 1 + 0.6 * (np.exp(-((hour - 8) / 1.5) ** 2) + np.exp(-((hour - 17) / 2) ** 2)) * (day < 5)
    minutes = km * 2.2 * (jam[a] + jam[b]) / 2 * rush * rng.lognormal(0, 0.08, n) + 2
    nums = np.stack([np.log(km), np.sin(hour / 12 * np.pi), np.cos(hour / 12 * np.pi)], 1)
    return np.stack([a, b, day], 1), nums, np.log(minutes)


c = Config()
torch.manual_seed(c.seed)
cats, nums, y = rides(5000, c, np.random.default_rng(c.seed))
parts = {"train": slice(0, 3600), "val": slice(3600, 4200), "test": slice(4200, None)}
mean, std = nums[parts["train"]].mean(0), nums[parts["train"]].std(0)
y_mean, y_std = y[parts["train"]].mean(), y[parts["train"]].std()
cats = torch.tensor(cats)
nums = torch.tensor((nums - mean) / std, dtype=torch.float32)
y = torch.tensor((y - y_mean) / y_std, dtype=torch.float32)
data = {k: (cats[s], nums[s], y[s]) for k, s in parts.items()}

model = RideTime(c)
average = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.AdamW(model.parameters(), lr=c.lr)
best, best_state, bad = float("inf"), None, 0
for epoch in range(c.epochs):
    model.train()
    a, b, t = data["train"]
    for i in torch.randperm(len(t)).split(c.batch):
        loss = nn.functional.smooth_l1_loss(model(a[i], b[i]), t[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), model.parameters()):
                slow.lerp_(fast, 1 - c.ema)
    with torch.no_grad():
        a, b, t = data["val"]
        val = nn.functional.mse_loss(average(a, b), t).item()
    print(f"epoch {epoch + 1} val {val:.4f}")
    if val < best:
        best, best_state, bad = val, copy.deepcopy(average.state_dict()), 0
    elif (bad := bad + 1) >= c.patience:
        break

average.load_state_dict(best_state)
with torch.no_grad():
    a, b, t = data["test"]
    r2 = 1 - ((average(a, b) - t) ** 2).mean() / t.var(unbiased=False)
print(f"R2 on test: {r2.item():.4f}")
