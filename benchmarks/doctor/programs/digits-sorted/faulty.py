import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
images, target = load_digits(return_X_y=True)
images = images / 16.0

# take every fifth image of each digit for the test
train_idx, test_idx = [], []
for digit in range(10):
    rows = np.where(target == digit)[0]
    test_idx.extend(rows[::5])
    train_idx.extend(np.delete(rows, np.arange(0, len(rows), 5)))

train_ds = TensorDataset(torch.tensor(images[train_idx]).float(), torch.tensor(target[train_idx]))
test_ds = TensorDataset(torch.tensor(images[test_idx]).float(), torch.tensor(target[test_idx]))
train_dl = DataLoader(train_ds, batch_size=32)
test_dl = DataLoader(test_ds, batch_size=128)

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.SGD(model.parameters(), lr=0.1)
loss_fn = nn.CrossEntropyLoss()


def fit(epochs):
    for epoch in range(epochs):
        model.train()
        for xb, yb in train_dl:
            loss = loss_fn(model(xb), yb)
            loss.backward()
            opt.step()
            opt.zero_grad()
        print("epoch", epoch, "train loss", round(loss.item(), 4))


def score():
    model.eval()
    with torch.no_grad():
        right = sum((model(xb).argmax(1) == yb).sum().item() for xb, yb in test_dl)
    return right / len(test_ds)


fit(15)
print("test accuracy", score())
