import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

rng = np.random.default_rng(5)
torch.manual_seed(5)
X, y = load_digits(return_X_y=True)
order = rng.permutation(len(X))
X = torch.tensor(X[order], dtype=torch.float32).view(-1, 1, 8, 8) / 16
y = torch.tensor(y[order])
X_train, y_train, X_test, y_test = X[:1400], y[:1400], X[1400:], y[1400:]


def shifted(x):
    """Moved by up to one pixel."""
    dy, dx = rng.integers(-1, 2, 2)
    return torch.roll(x, (int(dy), int(dx)), dims=(2, 3))


def mixup(x, y, alpha=0.2):
    lam = float(rng.beta(alpha, alpha))
    other = torch.randperm(len(x))
    return lam * x + (1 - lam) * x[other], y, y[other], lam


net = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10)
)
optimizer = torch.optim.Adam(net.parameters(), lr=6e-3)
for epoch in range(10):
    net.train()
    for rows in torch.randperm(1400).split(50):
        x, a, b, lam = mixup(shifted(X_train[rows]), y_train[rows])
        out = net(x)
        loss = lam * F.cross_entropy(out, a) + (1 - lam) * F.cross_entropy(out, b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", round(loss.item(), 3))
net.eval()
with torch.no_grad():
    print("accuracy", (net(X_test).argmax(1) == y_test).float().mean().item())
