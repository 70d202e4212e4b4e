import torch
from torch import nn

torch.manual_seed(69)


class Height(nn.Module):
    """Height of the ground at a place."""

    def __init__(self, width):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, place):
        return self.net(place).squeeze(-1)


place = torch.rand(2400, 2) * 4 - 2
height = torch.sin(2 * place[:, 0]) * torch.cos(2 * place[:, 1]) + 0.5 * torch.sin(3 * place[:, 0] + place[:, 1])
height = (height - height.mean()) / height.std()
model = Height(width=64)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
for epoch in range(50):
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = (model(place[rows]) - height[rows]).square().mean()
        loss.backward()
        optimizer.step()
    scheduler.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1} {loss.item():.5f}")
with torch.no_grad():
    error = (model(place[2000:]) - height[2000:]).square().mean() / height[2000:].var()
print("R2 on unseen places", 1 - error.item())
