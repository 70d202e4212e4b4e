import numpy as np
import torch
from torch import nn

torch.manual_seed(12)
rng = np.random.default_rng(12)

# calls per hour
hour = rng.integers(0, 24, 3000)
weekend = rng.integers(0, 2, 3000)
temperature = rng.normal(15, 8, 3000)
rate = np.exp(1.2 + 0.9 * np.sin((hour - 8) / 24 * 2 * np.pi) - 0.5 * weekend + 0.02 * temperature)
calls = rng.poisson(rate)
X = np.stack([np.sin(hour / 24 * 2 * np.pi), np.cos(hour / 24 * 2 * np.pi), weekend, (temperature - 15) / 8], 1)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(calls, dtype=torch.float32)

net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
loss_fn = nn.PoissonNLLLoss(log_input=True)
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(25):
    for rows in torch.randperm(2400).split(60):
        optimizer.zero_grad()
        loss = loss_fn(net(X[rows]).squeeze(1), y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} loss {loss.item():.4f}")


def deviance(mu, y):
    return 2 * (torch.xlogy(y, y / mu) - (y - mu)).sum().item()


with torch.no_grad():
    mu = net(X[2400:]).squeeze(1).exp()
    null = torch.full_like(mu, y[:2400].mean().item())
print("explained deviance", 1 - deviance(mu, y[2400:]) / deviance(null, y[2400:]))
