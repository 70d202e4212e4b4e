import torch
from torch import nn
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

torch.manual_seed(4)
X, y = load_iris(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=4, stratify=y)
X_train = torch.tensor(X_train, dtype=torch.float64)
X_test = torch.tensor(X_test, dtype=torch.float64)
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)
mu, sigma = X_train.mean(0), X_train.std(0)
X_train, X_test = (X_train - mu) / sigma, (X_test - mu) / sigma

model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=10)
loss_fn = nn.CrossEntropyLoss()
decay = 1e-2


def closure():
    optimizer.zero_grad()
    loss = loss_fn(model(X_train), y_train)
    loss = loss + decay * sum(p.pow(2).sum() for p in model.parameters())
    loss.backward()
    return loss


for step in range(12):
    loss = optimizer.step(closure)
    print(f"step {step}: {loss.item():.5f}")

with torch.no_grad():
    print(f"accuracy {(model(X_test).argmax(1) == y_test).double().mean().item():.4f}")
