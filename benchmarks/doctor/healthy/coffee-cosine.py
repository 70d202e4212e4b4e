import argparse

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_friedman2

parser = argparse.ArgumentParser(description="Extraction of coffee from four settings of the machine")
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--lr", type=float, default=5e-3)
parser.add_argument("--wd", type=float, default=1e-4)
parser.add_argument("--seed", type=int, default=3)
opt = parser.parse_args()

torch.manual_seed(opt.seed)
np.random.seed(opt.seed)

X, y = make_friedman2(n_samples=1800, noise=40.0, random_state=opt.seed)
perm = np.random.permutation(len(X))
train_idx, test_idx = perm[:1400], perm[1400:]
x_mu, x_sd = X[train_idx].mean(0), X[train_idx].std(0)
y_mu, y_sd = y[train_idx].mean(), y[train_idx].std()


def batch(idx):
    return torch.tensor((X[idx] - x_mu) / x_sd, dtype=torch.float32), torch.tensor((y[idx] - y_mu) / y_sd, dtype=torch.float32)


model = nn.Sequential(nn.Linear(4, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU(), nn.Linear(48, 1), nn.Flatten(0))
optimizer = torch.optim.AdamW(model.parameters(), lr=opt.lr, weight_decay=opt.wd)
steps = int(np.ceil(len(train_idx) / 40))
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=opt.epochs * steps)

for epoch in range(opt.epochs):
    np.random.shuffle(train_idx)
    for i in range(steps):
        x, t = batch(train_idx[i * 40 : (i + 1) * 40])
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), t)
        loss.backward()
        optimizer.step()
        scheduler.step()
    if epoch % 10 == 0:
        print(f"{epoch}: {loss.item():.4f} lr {scheduler.get_last_lr()[0]:.5f}")

x, t = batch(test_idx)
with torch.no_grad():
    r2 = 1 - (model(x) - t).pow(2).mean() / t.var(unbiased=False)
print("test R2 = %.4f" % r2)
