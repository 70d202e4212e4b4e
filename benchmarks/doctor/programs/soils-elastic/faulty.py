"""Carbon in soils from 20 spectral bands. Elastic net penalties on all weights, as in the linear model before."""
import numpy as np
import torch
import torch.nn as nn

L1 = 0.06
L2 = 0.06


def spectra(n, rng):
    carbon = rng.gamma(2.0, 1.0, n)
    clay = rng.uniform(0, 1, n)
    water = rng.uniform(0, 1, n)
    band = np.linspace(0, 1, 20)
    x = np.exp(-0.3 * carbon[:, None] * np.exp(-((band - 0.3) ** 2) / 0.05))
    x = x * (1 - 0.5 * water[:, None] * np.exp(-((band - 0.75) ** 2) / 0.01)) + 0.3 * clay[:, None] * band
    x = x + rng.normal(0, 0.01, x.shape)
    return x, carbon


class Net(nn.Module):
    def __init__(self, bands=20, hidden=48):
        super().__init__()
        self.hidden1 = nn.Linear(bands, hidden)
        self.hidden2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        x = torch.tanh(self.hidden1(x))
        x = torch.tanh(self.hidden2(x))
        return self.out(x).squeeze(-1)


def penalty(model):
    l1 = sum(p.abs().sum() for p in model.parameters())
    l2 = sum((p**2).sum() for p in model.parameters())
    return L1 * l1 + L2 * l2


torch.manual_seed(18)
rng = np.random.default_rng(18)
x, carbon = spectra(1500, rng)
mean, std = x[:1000].mean(0), x[:1000].std(0)
x = torch.tensor((x - mean) / std, dtype=torch.float32)
y = torch.tensor((carbon - carbon[:1000].mean()) / carbon[:1000].std(), dtype=torch.float32)

model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(60):
    fit_sum = 0.0
    for rows in torch.randperm(1000).split(50):
        optimizer.zero_grad()
        fit_loss = nn.functional.mse_loss(model(x[rows]), y[rows])
        (fit_loss + penalty(model)).backward()
        optimizer.step()
        fit_sum += fit_loss.item()
    if (epoch + 1) % 15 == 0:
        print(f"epoch {epoch + 1}: mse {fit_sum / 20:.4f}, penalty {penalty(model).item():.4f}")

with torch.no_grad():
    residual = y[1000:] - model(x[1000:])
print("R2 of carbon:", (1 - residual.var() / y[1000:].var()).item())
