import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def make_spirals(n, rng, noise=0.15):
    t = np.sqrt(rng.uniform(0, 1, n)) * 3 * np.pi
    d = np.stack([t * np.cos(t), t * np.sin(t)], 1) / 3
    X = np.concatenate([d, -d]) + rng.normal(0, noise, (2 * n, 2))
    y = np.concatenate([np.zeros(n), np.ones(n)])
    return X.astype(np.float32), y.astype(np.int64)


class DeepNet(nn.Module):
    def __init__(self, width=48, depth=4):
        super().__init__()
        sizes = [2] + [width] * depth
        self.hidden = [nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])]
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.head(x)


def main():
    torch.manual_seed(3)
    rng = np.random.default_rng(3)
    X, y = make_spirals(600, rng)
    perm = rng.permutation(len(X))
    X, y = torch.from_numpy(X[perm]), torch.from_numpy(y[perm])
    X_train, y_train, X_val, y_val = X[:800], y[:800], X[800:], y[800:]

    net = DeepNet()
    opt = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(1200):
        idx = torch.randint(0, 800, (128,))
        loss = F.cross_entropy(net(X_train[idx]), y_train[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 300 == 0:
            print(step, loss.item())
    with torch.no_grad():
        acc = (net(X_val).argmax(dim=1) == y_val).float().mean()
    print("validation accuracy %.3f" % acc.item())


main()
