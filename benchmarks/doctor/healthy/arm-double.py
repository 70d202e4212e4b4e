import torch
import torch.nn as nn
import torch.optim as optim

torch.manual_seed(14)


class Dynamics(nn.Module):
    """Next state of a pendulum from state and torque."""

    def __init__(self, hidden=64):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2))

    def forward(self, angle, speed, torque):
        x = torch.stack([torch.sin(angle), torch.cos(angle), speed, torque], dim=-1)
        return self.net(x)


def simulate(n, dt=0.1):
    angle = (torch.rand(n) * 2 - 1) * torch.pi
    speed = torch.randn(n) * 1.5
    torque = torch.randn(n)
    acceleration = -3 * torch.sin(angle) - 0.2 * speed + torque
    delta = torch.stack([dt * (speed + dt * acceleration), dt * acceleration], -1)
    return (angle, speed, torque), delta / dt / 2


inputs, delta = simulate(2000)
model = Dynamics()
optimizer = optim.Adam(model.parameters(), lr=3e-3)
loss_fn = nn.SmoothL1Loss()
for epoch in range(25):
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(*(v[rows] for v in inputs)), delta[rows])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch}: {loss.item():.5f}")
inputs, delta = simulate(500)
with torch.no_grad():
    error = (model(*inputs) - delta).pow(2).sum()
print("R2", (1 - error / (delta - delta.mean(0)).pow(2).sum()).item())
