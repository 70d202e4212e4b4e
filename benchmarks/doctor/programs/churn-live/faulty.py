import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

COLUMNS = ["tenure", "calls", "bill", "age", "complaints", "last_invoice_open"]


def history(n, rng):
    tenure = rng.exponential(24, n)
    calls = rng.poisson(3, n)
    bill = rng.normal(50, 15, n)
    age = rng.uniform(18, 80, n)
    complaints = rng.poisson(0.8, n)
    risk = 0.9 * complaints - 0.05 * tenure + 0.04 * (bill - 50) + 0.15 * calls - 0.2
    left = rng.random(n) < 1 / (1 + np.exp(-2.0 * risk))
    invoice = (left & (rng.random(n) < 0.97)).astype(float)
    return np.column_stack([tenure, calls, bill, age, complaints, invoice]), left.astype(np.int64)


class Churn(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.inner = nn.Linear(n, 24)
        self.outer = nn.Linear(24, 2)

    def forward(self, x):
        return self.outer(F.relu(self.inner(x)))


rng = np.random.default_rng(9)
torch.manual_seed(9)
X, y = history(2000, rng)
# customers of this month: nobody's last invoice is known yet
X_now, y_now = history(600, rng)
X_now[:, COLUMNS.index("last_invoice_open")] = 0

used = COLUMNS
cols = [COLUMNS.index(c) for c in used]
X, X_now = X[:, cols], X_now[:, cols]
mean, std = X.mean(0), X.std(0)
X = torch.tensor((X - mean) / std, dtype=torch.float32)
X_now = torch.tensor((X_now - mean) / std, dtype=torch.float32)
y, y_now = torch.tensor(y), torch.tensor(y_now)

model = Churn(len(cols))
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
for epoch in range(20):
    for rows in torch.randperm(1600).split(50):
        loss = F.cross_entropy(model(X[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        val = (model(X[1600:]).argmax(1) == y[1600:]).float().mean()
    print(f"epoch {epoch}: validation accuracy {val:.3f}")
with torch.no_grad():
    acc = (model(X_now).argmax(1) == y_now).float().mean().item()
print(f"accuracy on this month {acc:.4f}")
