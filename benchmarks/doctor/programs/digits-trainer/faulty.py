"""Handwritten digits with a small trainer class."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class Net(nn.Module):
    def __init__(self, n_in=64, hidden=64, n_out=10):
        super().__init__()
        self.fc1 = nn.Linear(n_in, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, n_out)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.out(x)


class Trainer:
    def __init__(self, model, optimizer, loss_fn, train_loader, test_loader):
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.train_loader = train_loader
        self.test_loader = test_loader

    def train_epoch(self):
        self.model.train()
        running = 0.0
        for xb, yb in self.train_loader:
            loss = self.loss_fn(self.model(xb), yb)
            loss.backward()
            self.optimizer.step()
            running += loss.item()
        return running / len(self.train_loader)

    @torch.no_grad()
    def evaluate(self):
        self.model.eval()
        correct, n = 0, 0
        for xb, yb in self.test_loader:
            correct += (self.model(xb).argmax(1) == yb).sum().item()
            n += len(yb)
        return correct / n

    def fit(self, epochs):
        for epoch in range(epochs):
            loss = self.train_epoch()
            acc = self.evaluate()
            print(f"[{epoch + 1}/{epochs}] loss={loss:.4f} acc={acc:.4f}")
        return acc


if __name__ == "__main__":
    torch.manual_seed(42)
    X, y = load_digits(return_X_y=True)
    X = X / 16.0
    X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=0.2, random_state=42, stratify=y)
    train_set = TensorDataset(torch.FloatTensor(X_tr), torch.LongTensor(y_tr))
    test_set = TensorDataset(torch.FloatTensor(X_te), torch.LongTensor(y_te))
    net = Net()
    trainer = Trainer(
        net,
        torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
        nn.CrossEntropyLoss(),
        DataLoader(train_set, batch_size=64, shuffle=True),
        DataLoader(test_set, batch_size=256),
    )
    acc = trainer.fit(15)
    print("test accuracy", round(acc, 4))
