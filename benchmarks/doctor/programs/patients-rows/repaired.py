import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from torch import nn


def make_visits(patients=120, visits=16, seed=2):
    rng = np.random.default_rng(seed)
    sick = rng.random(patients) < 0.5
    base = rng.normal(0, 1, (patients, 12))
    base[:, 0] += 2.0 * sick
    base[:, 1] -= 1.5 * sick
    X = base[:, None] + rng.normal(0, 0.15, (patients, visits, 12))
    y = np.repeat(sick, visits).astype(np.int64)
    return X.reshape(-1, 12).astype(np.float32), y, np.repeat(np.arange(patients), visits)


def train(model, X, y, epochs=30):
    opt = torch.optim.Adam(model.parameters(), lr=2e-3)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        for idx in torch.randperm(len(X)).split(48):
            opt.zero_grad()
            loss = loss_fn(model(X[idx]), y[idx])
            loss.backward()
            opt.step()
        if epoch % 10 == 0:
            print("epoch", epoch, "loss", loss.item())


if __name__ == "__main__":
    torch.manual_seed(2)
    X, y, patient = make_visits()
    splitter = GroupShuffleSplit(1, test_size=0.25, random_state=2)
    train_rows, test_rows = next(splitter.split(X, y, groups=patient))
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    train(model, X[train_rows], y[train_rows])
    with torch.no_grad():
        accuracy = (model(X[test_rows]).argmax(1) == y[test_rows]).float().mean().item()
    print("test accuracy", accuracy)
