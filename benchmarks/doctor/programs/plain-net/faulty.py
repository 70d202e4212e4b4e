# Two-layer network without torch.nn, to see what happens inside
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

torch.manual_seed(8)

data = load_wine()
X_train, X_test, y_train, y_test = train_test_split(data.data, data.target, test_size=0.4, random_state=8, stratify=data.target)
mean, std = X_train.mean(axis=0), X_train.std(axis=0)
X_train = torch.tensor((X_train - mean) / std).float()
X_test = torch.tensor((X_test - mean) / std).float()
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

n_in, n_hidden, n_out = 13, 32, 3
W1 = (torch.randn(n_in, n_hidden) / n_in ** 0.5).requires_grad_()
b1 = torch.zeros(n_hidden, requires_grad=True)
W2 = (torch.randn(n_hidden, n_out) / n_hidden ** 0.5).requires_grad_()
b2 = torch.zeros(n_out, requires_grad=True)
params = [W1, b1, W2, b2]


def forward(x):
    hidden = torch.tanh(x @ W1 + b1)
    return hidden @ W2 + b2


def cross_entropy(logits, y):
    logp = logits - logits.logsumexp(dim=1, keepdim=True)
    return -logp[torch.arange(len(y)), y].mean()


def sgd(params, lr):
    with torch.no_grad():
        for p in params:
            p = p - lr * p.grad


def zero(params):
    for p in params:
        p.grad = None


lr = 0.1
for epoch in range(100):
    perm = torch.randperm(len(X_train))
    for i in range(0, len(perm), 16):
        idx = perm[i : i + 16]
        zero(params)
        loss = cross_entropy(forward(X_train[idx]), y_train[idx])
        loss.backward()
        sgd(params, lr)
    if epoch % 20 == 0:
        print("epoch", epoch, "loss", cross_entropy(forward(X_train), y_train).item())

with torch.no_grad():
    accuracy = (forward(X_test).argmax(dim=1) == y_test).float().mean().item()
print("wine accuracy:", accuracy)
