import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(37)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X).float().view(-1, 1, 8, 8) / 16, torch.tensor(y)
first, second = y < 4, y >= 4


class Vision(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.head = nn.Linear(192, classes)

    def forward(self, x):
        return self.head(self.body(x))


def fit(model, optimizer, X, y, epochs):
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        for rows in torch.randperm(len(X)).split(25):
            optimizer.zero_grad()
            loss = loss_fn(model(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: {loss.item():.4f}")


model = Vision(4)
fit(model, torch.optim.Adam(model.parameters(), lr=1e-3), X[first], y[first], 4)

# new classes: keep the body as it is, learn a new head
for p in model.body.parameters():
    p.requires_grad = False
model.head = nn.Linear(192, 6)
X2, y2 = X[second], y[second] - 4
fit(model, torch.optim.Adam(model.head.parameters(), lr=1e-3), X2[:-250], y2[:-250], 10)
with torch.no_grad():
    accuracy = (model(X2[-250:]).argmax(1) == y2[-250:]).float().mean()
print("accuracy on new classes", round(accuracy.item(), 4))
