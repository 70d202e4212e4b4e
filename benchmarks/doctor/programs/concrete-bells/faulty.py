"""Strength of concrete from its mix, with a network of radial basis functions (Broomhead and Lowe)."""
import numpy as np
import torch
from torch import nn


class Bells(nn.Module):
    """exp(-gamma |x - c|^2) around learned centres"""

    def __init__(self, n_in, n_bells, gamma):
        super().__init__()
        self.centres = nn.Parameter(torch.randn(n_bells, n_in))
        self.gamma = gamma

    def forward(self, x):
        distance = (x[:, None, :] - self.centres[None]).pow(2).sum(-1)
        return torch.exp(-self.gamma * distance)


class RBFNetwork(nn.Module):
    def __init__(self, n_in, n_bells=80, gamma=5.0):
        super().__init__()
        self.bells = Bells(n_in, n_bells, gamma)
        self.mix = nn.Linear(n_bells, 1)

    def forward(self, x):
        return self.mix(self.bells(x)).squeeze(-1)


def mixes(n, rng):
    cement = rng.uniform(120, 520, n)
    slag = rng.uniform(0, 250, n)
    ash = rng.uniform(0, 180, n)
    water = rng.normal(180, 18, n)
    plasticiser = rng.uniform(0, 18, n)
    gravel = rng.normal(970, 70, n)
    sand = rng.normal(770, 70, n)
    age = np.exp(rng.uniform(0, np.log(180), n))
    binder = cement + 0.7 * slag + 0.4 * ash
    strength = 32 * (binder / water) ** 0.9 * (1 - np.exp(-0.55 * np.sqrt(age))) * 0.6
    strength = strength + 0.5 * plasticiser - 0.01 * (gravel - 970) - 0.00008 * (sand - 770) ** 2 + rng.normal(0, 1.5, n)
    return np.column_stack([cement, slag, ash, water, plasticiser, gravel, sand, np.log(age)]), strength


def standardise(a, train):
    return torch.tensor((a - a[train].mean(0)) / a[train].std(0), dtype=torch.float32)


torch.manual_seed(41)
X, y = mixes(2400, np.random.default_rng(41))
train, test = slice(0, 1800), slice(1800, None)
X, y = standardise(X, train), standardise(y, train)

model = RBFNetwork(X.shape[1])
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[25, 35], gamma=0.3)

for epoch in range(40):
    model.train()
    total = 0.0
    for rows in torch.randperm(1800).split(60):
        loss = nn.functional.mse_loss(model(X[train][rows]), y[train][rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    scheduler.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: mse {total / 1800:.4f}, rate {scheduler.get_last_lr()[0]:.4f}")

model.eval()
with torch.no_grad():
    error = (model(X[test]) - y[test]).pow(2).mean() / y[test].var(unbiased=False)
print(f"held-out R2 {1 - error.item():.4f}")
