import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.manual_seed(53)


class Dense(nn.Module):
    """A layer of our own."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_in, n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight + self.bias


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = Dense(64, 96)
        self.l2 = Dense(96, 96)
        self.l3 = Dense(96, 96)
        self.l4 = Dense(96, 10)

    def forward(self, x):
        for layer in (self.l1, self.l2, self.l3):
            x = torch.relu(layer(x))
        return self.l4(x)


X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16 - 0.3, y, test_size=0.2, random_state=53)
X_train, X_test = torch.tensor(X_train).float(), torch.tensor(X_test).float()
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
for epoch in range(15):
    for idx in torch.randperm(len(X_train)).split(50):
        loss = nn.functional.cross_entropy(model(X_train[idx]), y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: {loss.item():.4f}")
with torch.no_grad():
    print(f"test accuracy {(model(X_test).argmax(1) == y_test).float().mean().item():.4f}")
