import math
import warnings

import torch
from torch import nn

warnings.filterwarnings("ignore")
torch.manual_seed(25)

# two joint angles -> position of the hand
angles = torch.rand(2400, 2) * math.pi
x = torch.cos(angles[:, 0]) + 0.7 * torch.cos(angles[:, 0] + angles[:, 1])
y = torch.sin(angles[:, 0]) + 0.7 * torch.sin(angles[:, 0] + angles[:, 1])
position = torch.stack([x, y], dim=1) + 0.01 * torch.randn(2400, 2)
inputs = (angles - math.pi / 2) / 0.9


class Arm(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.out = nn.Linear(width, 1)

    def forward(self, a):
        return self.out(self.inner(a))


arm = Arm()
optimizer = torch.optim.Adam(arm.parameters(), lr=3e-3)
loss_fn = nn.MSELoss()
for epoch in range(20):
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = loss_fn(arm(inputs[rows]), position[rows])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch:3d} mse {loss.item():.5f}")

with torch.no_grad():
    error = (arm(inputs[2000:]) - position[2000:]).pow(2).sum()
    spread = (position[2000:] - position[2000:].mean(0)).pow(2).sum()
print(f"held-out R2 {1 - (error / spread).item():.4f}")
