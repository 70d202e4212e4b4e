# Heights of a landscape as a function of the map coordinates, learned from scattered soundings
import numpy as np
import torch
from torch import nn

torch.manual_seed(16)
rng = np.random.default_rng(16)

hills = rng.uniform(-1, 1, (30, 2))
sizes = rng.uniform(0.1, 0.22, 30)
tops = rng.choice([-1, 1], 30) * rng.uniform(0.5, 1.5, 30)


def height(p):
    d2 = ((p[:, None, :] - hills[None]) ** 2).sum(-1)
    return (tops * np.exp(-d2 / (2 * sizes**2))).sum(1)


points = rng.uniform(-1, 1, (3000, 2))
h = height(points)
h = (h - h.mean()) / h.std() + rng.normal(0, 0.03, 3000)
# eastings and northings in metres
metres = 500_000 + 4000 * points
xy = torch.tensor((metres - metres.mean(0)) / metres.std(0), dtype=torch.float32)
z = torch.tensor(h, dtype=torch.float32).unsqueeze(1)
train, test = slice(0, 2400), slice(2400, 3000)

width = 64
model = nn.Sequential(
    nn.Linear(2, width), nn.Tanh(),
    nn.Linear(width, width), nn.Tanh(),
    nn.Linear(width, 1),
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=80)
for epoch in range(80):
    order = torch.randperm(2400)
    mse = 0.0
    for i in range(0, 2400, 80):
        batch = order[i : i + 80]
        loss = ((model(xy[train][batch]) - z[train][batch]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mse += loss.item() / 30
    scheduler.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: {mse:.4f}")

with torch.no_grad():
    r2 = 1 - ((model(xy[test]) - z[test]) ** 2).mean() / z[test].var()
print("R2 between the soundings:", round(r2.item(), 4))
