import numpy as np
import torch
import torch.nn as nn

rng = np.random.default_rng(0)
torch.manual_seed(0)

# orders: who, what, how much
n = 2400
customer = rng.integers(0, 1600, n)
items = rng.poisson(4, n) + 1
weight = rng.gamma(2.0, 1.5, n)
km = rng.uniform(1, 300, n)
express = rng.random(n) < 0.3
cost = 2.0 * items + 1.5 * weight + 0.03 * km * (1 + express) + 4 * express + rng.normal(0, 7.0, n)

train = np.arange(n) < 1600
mean_cost = cost[train].mean()
sums, counts = np.zeros(1600), np.zeros(1600)
np.add.at(sums, customer[train], cost[train])
np.add.at(counts, customer[train], 1)
by_customer = np.where(counts > 0, sums / np.maximum(counts, 1), mean_cost)

X = np.column_stack([items, weight, km, express, by_customer[customer]])
X = (X - X[train].mean(0)) / X[train].std(0)
y = (cost - mean_cost) / cost[train].std()
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
X_train, y_train, X_test, y_test = X[train], y[train], X[~train], y[~train]

model = nn.Sequential(nn.Linear(X.shape[1], 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = nn.MSELoss()
for epoch in range(30):
    model.train()
    for idx in torch.randperm(len(X_train)).split(64):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[idx]).squeeze(1), y_train[idx])
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 10 == 0:
        print(f"epoch {epoch + 1} loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    error = loss_fn(model(X_test).squeeze(1), y_test)
    r2 = 1 - error / y_test.var(unbiased=False)
print(f"test R2 {r2.item():.4f}")
