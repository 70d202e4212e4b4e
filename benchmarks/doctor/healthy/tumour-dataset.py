import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset


class TumourDataset(Dataset):
    def __init__(self, X, y, mean=None, std=None):
        self.mean = X.mean(axis=0) if mean is None else mean
        self.std = X.std(axis=0) if std is None else std
        self.X = torch.tensor((X - self.mean) / self.std, dtype=torch.float32)
        self.y = torch.tensor(y, dtype=torch.float32)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, idx):
        return self.X[idx], self.y[idx]


class Classifier(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.fc1 = nn.Linear(n_features, 32)
        self.fc2 = nn.Linear(32, 1)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x):
        x = self.dropout(torch.relu(self.fc1(x)))
        return torch.sigmoid(self.fc2(x)).squeeze(1)


def main():
    torch.manual_seed(7)
    X, y = load_breast_cancer(return_X_y=True)
    X_tr, X_va, y_tr, y_va = train_test_split(X, y, test_size=0.25, random_state=7)
    train_ds = TumourDataset(X_tr, y_tr)
    val_ds = TumourDataset(X_va, y_va, train_ds.mean, train_ds.std)
    train_dl = DataLoader(train_ds, batch_size=32, shuffle=True)
    val_dl = DataLoader(val_ds, batch_size=64)
    model = Classifier(30)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    criterion = nn.BCELoss()
    for epoch in range(15):
        model.train()
        for xb, yb in train_dl:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
        model.eval()
        correct = 0
        with torch.no_grad():
            for xb, yb in val_dl:
                correct += ((model(xb) > 0.5) == yb.bool()).sum().item()
        print(f"epoch {epoch + 1:2d} validation accuracy {correct / len(val_ds):.4f}")


if __name__ == "__main__":
    main()
