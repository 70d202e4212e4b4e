import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class DropNet(nn.Module):
    def __init__(self, p=0.6):
        super().__init__()
        self.net = nn.Sequential(
            nn.Dropout(0.3),
            nn.Linear(64, 256), nn.ReLU(), nn.Dropout(p),
            nn.Linear(256, 128), nn.ReLU(), nn.Dropout(p),
            nn.Linear(128, 10),
        )

    def forward(self, x):
        return self.net(x)


def evaluate(model, x, y):
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


torch.manual_seed(44)
X, y = load_digits(return_X_y=True)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.2, random_state=44)
X_train, X_val = torch.tensor(X_train).float() / 16, torch.tensor(X_val).float() / 16
y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)

model = DropNet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(25):
    model.train()
    for rows in torch.randperm(len(X_train)).split(48):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    val = evaluate(model, X_val, y_val)
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} loss {loss.item():.3f} val acc {val:.4f}")
