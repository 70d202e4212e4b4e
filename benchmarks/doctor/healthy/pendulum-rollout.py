"""Learn the step of a damped pendulum and roll it out: the loss is taken over ten steps."""
import math

import torch
from torch import nn

torch.manual_seed(6)
DT = 0.1


def truth(state):
    angle, speed = state.unbind(-1)
    for _ in range(10):
        speed = speed + DT / 10 * (-4.0 * torch.sin(angle) - 0.2 * speed)
        angle = angle + DT / 10 * speed
    return torch.stack([angle, speed], -1)


def trajectories(n, steps):
    states = [torch.stack([(torch.rand(n) - 0.5) * 3, 0.7 * torch.randn(n)], -1)]
    for _ in range(steps):
        states.append(truth(states[-1]))
    return torch.stack(states, 1)


class StepModel(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2))

    def forward(self, state):
        return state + DT * self.net(state)

    def rollout(self, state, steps):
        out = []
        for _ in range(steps):
            state = self(state)
            out.append(state)
        return torch.stack(out, 1)


train = trajectories(600, 10)
test = trajectories(200, 20)

model = StepModel()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.96)
for epoch in range(50):
    for rows in torch.randperm(len(train)).split(50):
        path = train[rows]
        noisy = path[:, 0] + 0.01 * torch.randn(len(rows), 2)
        loss = nn.functional.mse_loss(model.rollout(noisy, 10), path[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        optimizer.step()
    scheduler.step()
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "rollout loss", math.sqrt(loss.item()))

with torch.no_grad():
    path = model.rollout(test[:, 0], 20)
    last, aim = path[:, -1], test[:, -1]
    r2 = 1 - ((last - aim) ** 2).sum() / ((aim - aim.mean(0)) ** 2).sum()
print("R2 after 20 steps:", r2.item())
