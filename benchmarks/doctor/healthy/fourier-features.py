import math

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class RandomFourier(nn.Module):
    """Rahimi and Recht (2007): the projection is drawn once and stays as it is; only the readout learns."""

    def __init__(self, n_in, n_features, bandwidth):
        super().__init__()
        self.project = nn.Linear(n_in, n_features)
        nn.init.normal_(self.project.weight, std=1 / bandwidth)
        nn.init.uniform_(self.project.bias, 0, 2 * math.pi)
        self.project.requires_grad_(False)
        self.readout = nn.Linear(n_features, 1)
        self.scale = math.sqrt(2 / n_features)

    def forward(self, x):
        return self.readout(self.scale * torch.cos(self.project(x))).squeeze(-1)


def height(p):
    """A landscape on the unit square."""
    x, y = p[:, 0], p[:, 1]
    return torch.sin(9 * x) * torch.cos(7 * y) + 1.5 * torch.exp(-30 * ((x - 0.6) ** 2 + (y - 0.4) ** 2)) + x * y


torch.manual_seed(29)
points = torch.rand(2500, 2)
heights = height(points) + 0.05 * torch.randn(2500)
train_loader = DataLoader(TensorDataset(points[:2000], heights[:2000]), batch_size=50, shuffle=True)

model = RandomFourier(2, 400, bandwidth=0.12)
print("learned:", sum(p.numel() for p in model.parameters() if p.requires_grad), "of", sum(p.numel() for p in model.parameters()))
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

for epoch in range(30):
    total = 0.0
    for p, h in train_loader:
        loss = nn.functional.mse_loss(model(p), h)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(p)
    scheduler.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: {total / 2000:.5f}")

with torch.no_grad():
    error = (model(points[2000:]) - heights[2000:]).pow(2).mean()
print(f"test R2 {1 - (error / heights[2000:].var()).item():.4f}")
