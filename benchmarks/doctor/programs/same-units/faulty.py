import torch
from torch import nn

torch.manual_seed(54)
x = torch.rand(1500, 2) * 6 - 3
z = torch.sin(x[:, :1]) * torch.cos(x[:, 1:]) + 0.1 * x[:, :1]

surface = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
for name, p in surface.named_parameters():
    if name.endswith("weight"):
        nn.init.constant_(p, 0.1)
    else:
        nn.init.zeros_(p)

optimizer = torch.optim.Adam(surface.parameters(), lr=4e-3)
for epoch in range(60):
    for rows in torch.randperm(1200).split(60):
        optimizer.zero_grad()
        loss = ((surface(x[rows]) - z[rows]) ** 2).mean()
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 20 == 0:
        print(f"{epoch + 1} {loss.item():.5f}")
with torch.no_grad():
    rest = ((surface(x[1200:]) - z[1200:]) ** 2).mean()
print("R2 on new points", (1 - rest / z[1200:].var()).item())
