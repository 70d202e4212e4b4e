"""How much of an order will come back, in euros? Most orders stay with the customer."""
import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(40)
torch.manual_seed(40)

N = 5000
price = rng.lognormal(3.6, 0.7, N)
shoes = rng.integers(0, 2, N)
sizes_ordered = rng.integers(1, 4, N)
past_rate = rng.beta(1.5, 5, N)
days_to_deliver = rng.poisson(3, N) + 1
newcomer = rng.integers(0, 2, N)

logit = -1.9 + 1.4 * shoes + 0.7 * (sizes_ordered - 1) + 3.0 * past_rate + 0.08 * days_to_deliver - 0.3 * newcomer
returned = rng.random(N) < 0.48 / (1 + np.exp(-4 * logit))
refund = returned * price * rng.uniform(0.8, 1.0, N)
print(f"orders with a refund: {returned.mean():.2f}, mean refund {refund.mean():.2f}")

columns = np.column_stack([np.log(price), price, shoes, sizes_ordered, past_rate, days_to_deliver, newcomer])
train = rng.random(N) < 0.75
columns = (columns - columns[train].mean(0)) / columns[train].std(0)
scale = refund[train].std()
x = torch.tensor(columns, dtype=torch.float32)
y = torch.tensor(refund / scale, dtype=torch.float32)
x_train, y_train, x_test, y_test = x[train], y[train], x[~train], y[~train]


class Refund(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n, 48), nn.LeakyReLU(), nn.Linear(48, 48), nn.LeakyReLU())
        self.amount = nn.Linear(48, 1)

    def forward(self, x):
        return self.amount(self.body(x)).flatten()


net = Refund(x.shape[1])
criterion = nn.L1Loss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=1e-4)

for epoch in range(1, 26):
    net.train()
    losses = []
    for batch in torch.randperm(len(x_train)).split(64):
        loss = criterion(net(x_train[batch]), y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if epoch % 5 == 0:
        print(f"epoch {epoch}  loss {np.mean(losses):.4f}")

net.eval()
with torch.no_grad():
    p = net(x_test)
print(f"refunds expected {p.sum() * scale:.0f}, paid {y_test.sum() * scale:.0f}")
print(f"test R2 {1 - (((p - y_test) ** 2).mean() / y_test.var(unbiased=False)).item():.4f}")
