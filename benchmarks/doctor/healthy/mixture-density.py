import math

import torch
from torch import nn

torch.manual_seed(29)


def arcs(n):
    y = torch.rand(n, 1) * 2 - 1
    x = y + 0.3 * torch.sin(2 * math.pi * y) + 0.05 * torch.randn(n, 1)
    return x, y


class MDN(nn.Module):
    def __init__(self, components=4, hidden=40):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.heads = nn.Linear(hidden, 3 * components)

    def forward(self, x):
        weight, mean, log_scale = self.heads(self.body(x)).chunk(3, dim=1)
        return weight.log_softmax(1), mean, log_scale.clamp(-5, 2)


def nll(params, y):
    log_weight, mean, log_scale = params
    log_prob = -0.5 * ((y - mean) / log_scale.exp()) ** 2 - log_scale - 0.5 * math.log(2 * math.pi)
    return -(log_weight + log_prob).logsumexp(1).mean()


x, y = arcs(2000)
x_test, y_test = arcs(500)
model = MDN()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(30):
    for rows in torch.randperm(2000).split(100):
        optimizer.zero_grad()
        loss = nll(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: {loss.item():.4f}")
with torch.no_grad():
    print("held-out nll", nll(model(x_test), y_test).item())
