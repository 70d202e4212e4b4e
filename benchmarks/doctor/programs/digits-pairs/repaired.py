import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load(seed=0):
    digits = load_digits()
    images = digits.images.astype("float32")[:, None] / 16
    labels = digits.target.astype("int64")
    rng = np.random.RandomState(seed)
    order = rng.permutation(len(labels))
    images, labels = images[order], labels[order]
    train_x, train_y = images[:1400], labels[:1400]
    test_x, test_y = images[1400:], labels[1400:]
    again = rng.permutation(1400)
    train_x, train_y = train_x[again], train_y[again]
    return train_x, train_y, test_x, test_y


def accuracy(model, loader):
    model.eval()
    good = total = 0
    with torch.no_grad():
        for x, y in loader:
            good += (model(x).argmax(1) == y).sum().item()
            total += len(y)
    return good / total


def main():
    torch.manual_seed(0)
    train_x, train_y, test_x, test_y = load()
    train_loader = DataLoader(TensorDataset(torch.from_numpy(train_x), torch.from_numpy(train_y)), batch_size=50, shuffle=True)
    test_loader = DataLoader(TensorDataset(torch.from_numpy(test_x), torch.from_numpy(test_y)), batch_size=200)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(10):
        model.train()
        losses = []
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch}  train loss {np.mean(losses):.3f}  test accuracy {accuracy(model, test_loader):.3f}")
    print(f"held-out accuracy: {accuracy(model, test_loader):.4f}")


if __name__ == "__main__":
    main()
