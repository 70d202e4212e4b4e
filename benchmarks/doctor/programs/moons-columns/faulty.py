import torch
import torch.nn as nn
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split

torch.manual_seed(33)
X, y = make_moons(1000, noise=0.18, random_state=33)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=33)
X_train, X_test = torch.tensor(X_train).float(), torch.tensor(X_test).float()
y_train, y_test = torch.tensor(y_train).float(), torch.tensor(y_test).float()


class MoonNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())

    def forward(self, x):
        return self.layers(x)


def accuracy(pred, target):
    return ((pred > 0.5) == target).float().mean().item()


model = MoonNet()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
bce = nn.BCELoss()
for epoch in range(50):
    model.train()
    for rows in torch.randperm(700).split(50):
        optimizer.zero_grad()
        loss = bce(model(X_train[rows]), y_train[rows].unsqueeze(1))
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        model.eval()
        with torch.no_grad():
            print(f"epoch {epoch + 1}: loss {loss.item():.4f}, accuracy {accuracy(model(X_test), y_test):.4f}")
