# Online learning: the rows of a log come one by one, each is scored before it is learned from.
import numpy as np
import torch
from torch import nn

torch.manual_seed(5)
rng = np.random.default_rng(5)


def log(n):
    for _ in range(n):
        x = rng.normal(size=6)
        y = 1.2 * np.sin(x[0]) + 0.8 * x[1] - 0.6 * x[2] * (x[3] > 0) + 0.1 * rng.normal()
        yield torch.tensor(x, dtype=torch.float32), torch.tensor([y], dtype=torch.float32)


net = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

errors, seen = [], []
for i, (x, y) in enumerate(log(12000)):
    prediction = net(x)
    loss = (prediction - y).pow(2).mean()
    errors.append(loss.item())
    seen.append(y.item())
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if (i + 1) % 2000 == 0:
        print(f"row {i + 1}: mse of the last 2000 {np.mean(errors[-2000:]):.4f}")

r2 = 1 - np.mean(errors[-2000:]) / np.var(seen[-2000:])
print(f"R2 of the last 2000 before learning them {r2:.4f}")
