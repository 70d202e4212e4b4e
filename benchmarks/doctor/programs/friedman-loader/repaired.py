import numpy as np
import torch
from sklearn.datasets import make_friedman1
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, Dataset


class TableDataset(Dataset):
    def __init__(self, X, y):
        self.X = torch.as_tensor(X, dtype=torch.float32)
        self.y = torch.as_tensor(y, dtype=torch.float32)

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i], self.y[i]


def get_data():
    X, y = make_friedman1(n_samples=1500, noise=0.5, random_state=7)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=7)
    xs = StandardScaler().fit(X_train)
    ys = StandardScaler().fit(y_train[:, None])
    scale = lambda v: ys.transform(v[:, None])[:, 0]
    return TableDataset(xs.transform(X_train), scale(y_train)), TableDataset(xs.transform(X_test), scale(y_test))


def train(model, loader, optimizer, epochs):
    loss_fn = nn.MSELoss()
    for epoch in range(epochs):
        for xb, yb in loader:
            optimizer.zero_grad()
            out = model(xb)
            loss = loss_fn(out.squeeze(1), yb)
            loss.backward()
            optimizer.step()
        print("epoch", epoch, "loss", loss.item())


if __name__ == "__main__":
    torch.manual_seed(0)
    np.random.seed(0)
    train_set, test_set = get_data()
    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    train(model, DataLoader(train_set, batch_size=64, shuffle=True), optimizer, 30)
    with torch.no_grad():
        pred = model(test_set.X).squeeze(1).numpy()
    print("R2 on the test set:", round(r2_score(test_set.y.numpy(), pred), 4))
