import copy

import torch
from torch import nn
from sklearn.datasets import make_friedman1
from sklearn.model_selection import train_test_split

torch.manual_seed(21)
X, y = make_friedman1(n_samples=460, n_features=20, noise=4.0, random_state=21)
X_train, X_val, y_train, y_val = train_test_split(X, y, train_size=110, random_state=0)
mean, std = y_train.mean(), y_train.std()
mu, sd = X_train.mean(0), X_train.std(0)
to = lambda a: torch.tensor(a, dtype=torch.float32)
X_train, X_val = to((X_train - mu) / sd), to((X_val - mu) / sd)
y_train, y_val = to((y_train - mean) / std), to((y_val - mean) / std)

model = nn.Sequential(
    nn.Linear(20, 256), nn.ReLU(),
    nn.Linear(256, 256), nn.ReLU(),
    nn.Linear(256, 1),
)
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
mse = nn.MSELoss()
best, best_state = float("inf"), None
for epoch in range(200):
    model.train()
    for idx in torch.randperm(110).split(22):
        opt.zero_grad()
        loss = mse(model(X_train[idx]).squeeze(-1), y_train[idx])
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        val = mse(model(X_val).squeeze(-1), y_val).item()
    if val < best:
        best, best_state = val, copy.deepcopy(model.state_dict())
    if epoch % 15 == 0:
        print(f"epoch {epoch}: train {loss.item():.3f} val {val:.3f}")
model.load_state_dict(best_state)
with torch.no_grad():
    val = mse(model(X_val).squeeze(-1), y_val).item()
print(f"validation R2 {1 - val / y_val.var(unbiased=False).item():.4f}")
