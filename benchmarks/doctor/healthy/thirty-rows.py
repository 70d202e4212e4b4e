import torch
from torch import nn
from sklearn.datasets import load_iris

torch.manual_seed(5)
X, y = load_iris(return_X_y=True)
order = torch.randperm(150)
X, y = torch.tensor(X)[order].float(), torch.tensor(y)[order]
X_train, y_train, X_test, y_test = X[:30], y[:30], X[30:], y[30:]
mean, std = X_train.mean(0), X_train.std(0)
X_train, X_test = (X_train - mean) / std, (X_test - mean) / std


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 6)
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(x)))


model = Small()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=0.01)
for epoch in range(150):
    loss = nn.functional.cross_entropy(model(X_train), y_train)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 30 == 0:
        print(epoch, loss.item())
with torch.no_grad():
    print("accuracy", (model(X_test).argmax(1) == y_test).float().mean().item())
