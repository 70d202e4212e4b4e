import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim

SIZE = 16


def draw(kind, rng):
    img = np.zeros((SIZE, SIZE), dtype=np.float32)
    cx, cy, r = rng.integers(5, 11), rng.integers(5, 11), rng.integers(3, 5)
    yy, xx = np.mgrid[:SIZE, :SIZE]
    if kind == 0:
        img[(xx - cx) ** 2 + (yy - cy) ** 2 <= r * r] = 1
    elif kind == 1:
        img[cy - r:cy + r, cx - r:cx + r] = 1
    else:
        img[(np.abs(xx - cx) <= 1) & (np.abs(yy - cy) <= r)] = 1
        img[(np.abs(yy - cy) <= 1) & (np.abs(xx - cx) <= r)] = 1
    return img + rng.normal(0, 0.1, img.shape).astype(np.float32)


def dataset(n, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    X = np.stack([draw(k, rng) for k in y])[:, None]
    return torch.tensor(X), torch.tensor(y)


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(16 * 4 * 4, 3)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        return self.fc(x.flatten(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=0.002)
    parser.add_argument("--batch-size", type=int, default=32)
    args = parser.parse_args()

    torch.manual_seed(0)
    X, y = dataset(1000, 0)
    X_val, y_val = dataset(300, 1)
    model = ConvNet()
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        model.train()
        for idx in torch.randperm(len(X)).split(args.batch_size):
            optimizer.zero_grad()
            loss = criterion(model(X[idx]), y[idx])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            acc = (model(X_val).argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.4f}, val acc {acc:.3f}")
    print(f"accuracy on held-out images: {acc:.3f}")


if __name__ == "__main__":
    main()
