import torch
from torch import nn

torch.manual_seed(22)

# y'' = -y, y(0) = 0, y'(0) = 1 on [0, 3]
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)


def derivative(y, x):
    return torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]


for step in range(800):
    x = (torch.rand(64, 1) * 3).requires_grad_(True)
    y = net(x)
    dy = derivative(y, x)
    ddy = derivative(dy, x)
    zero = torch.zeros(1, 1, requires_grad=True)
    y0 = net(zero)
    dy0 = derivative(y0, zero)
    loss = (ddy + y).pow(2).mean() + 5 * y0.pow(2).mean() + 5 * (dy0 - 1).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 200 == 0:
        print(f"step {step} loss {loss.item():.6f}")

with torch.no_grad():
    x = torch.linspace(0, 3, 100).unsqueeze(1)
    error = (net(x) - torch.sin(x)).pow(2).mean()
    print("R2", (1 - error / torch.sin(x).var()).item())
