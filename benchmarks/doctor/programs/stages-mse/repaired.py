import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def patients(n, seed):
    """Six blood values; five illnesses numbered by the hospital."""
    rng = np.random.default_rng(seed)
    illness = rng.integers(0, 5, n)
    profile = np.random.default_rng(67).normal(0, 1.3, (5, 6))
    values = profile[illness] + rng.normal(0, 0.9, (n, 6))
    return values.astype(np.float32), illness


class Diagnosis(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 40)
        self.fc2 = nn.Linear(40, 40)
        self.fc3 = nn.Linear(40, 5)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


def main():
    torch.manual_seed(67)
    X, y = patients(2000, 0)
    X_test, y_test = patients(500, 1)
    mean, std = X.mean(0), X.std(0)
    X, X_test = torch.from_numpy((X - mean) / std), torch.from_numpy((X_test - mean) / std)
    y, y_test = torch.from_numpy(y), torch.from_numpy(y_test)
    model = Diagnosis()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(20):
        for a, b in DataLoader(TensorDataset(X, y), batch_size=50, shuffle=True):
            optimizer.zero_grad()
            loss = loss_fn(model(a), b)
            loss.backward()
            optimizer.step()
        if epoch % 5 == 4:
            print(f"Epoch {epoch + 1}: loss {loss.item():.4f}")
    with torch.no_grad():
        said = model(X_test).argmax(1)
    print(f"Test accuracy: {(said == y_test).float().mean().item():.4f}")


if __name__ == "__main__":
    main()
