import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(49)
hour = torch.rand(2000) * 24
day = torch.rand(2000) * 29.5
wind = torch.randn(2000)
level = torch.sin(hour * 0.506) * (1 + 0.4 * torch.cos(day * 0.426)) + 0.2 * wind + 0.05 * torch.randn(2000)
X = torch.stack([(hour - 12) / 7, (day - 14.75) / 8.5, wind], dim=1)
train = TensorDataset(X[:1600], level[:1600])


class TideNet(nn.Module):
    def __init__(self, h=64):
        super().__init__()
        self.seq = nn.Sequential(nn.Linear(3, h), nn.Tanh(), nn.Linear(h, h), nn.Tanh(), nn.Linear(h, 1))

    def forward(self, x):
        return self.seq(x).squeeze(-1)


net = TideNet()
opt = torch.optim.Adam(net.parameters(), lr=4e-3)
loss_fn = nn.MSELoss()
for epoch in range(40):
    for x, y in DataLoader(train, batch_size=50, shuffle=True):
        loss = loss_fn(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch}: {loss.item():.4f}")

with torch.no_grad():
    pred = net(X[1600:]).reshape(-1)
print("R2", 1 - ((pred - level[1600:]) ** 2).mean().item() / level[1600:].var().item())
