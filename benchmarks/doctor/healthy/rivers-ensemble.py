import numpy as np
import torch
from torch import nn


def rivers(n, seed):
    rng = np.random.default_rng(seed)
    rain, slope, area, wet = rng.gamma(2, 1, n), rng.uniform(0, 1, n), rng.lognormal(0, 0.5, n), rng.beta(2, 2, n)
    flow = rain * area * wet + 0.5 * slope * rain ** 2 + rng.normal(0, 0.2, n)
    return np.column_stack([rain, slope, area, wet]).astype("float32"), flow.astype("float32")


class Member(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 40), nn.Softplus(), nn.Linear(40, 40), nn.Softplus(), nn.Linear(40, 1))

    def forward(self, x):
        return self.layers(x).squeeze(-1)


X, y = rivers(1500, 0)
X_test, y_test = rivers(400, 1)
mx, sx, my, sy = X.mean(0), X.std(0), y.mean(), y.std()
X, X_test = torch.from_numpy((X - mx) / sx), torch.from_numpy((X_test - mx) / sx)
t = torch.from_numpy((y - my) / sy)

members = []
for seed in range(3):
    torch.manual_seed(seed)
    member = Member()
    optimizer = torch.optim.Adam(member.parameters(), lr=5e-3)
    for epoch in range(15):
        for rows in torch.randint(0, 1500, (30, 50)):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(member(X[rows]), t[rows])
            loss.backward()
            optimizer.step()
    members.append(member.eval())
    print(f"member {seed}: last loss {loss.item():.4f}")
with torch.no_grad():
    mean = torch.stack([m(X_test) for m in members]).mean(0).numpy() * sy + my
print("R2 of the ensemble", 1 - ((mean - y_test) ** 2).mean() / y_test.var())
