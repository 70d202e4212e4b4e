import math

import torch
from sklearn.datasets import load_digits

torch.manual_seed(20)
X, y = load_digits(return_X_y=True)
order = torch.randperm(len(X))
X, y = torch.tensor(X)[order].float() / 16, torch.tensor(y)[order]
x_train, y_train, x_valid, y_valid = X[:1400], y[:1400], X[1400:], y[1400:]

hidden = 50
w1 = (torch.randn(64, hidden) * math.sqrt(2 / 64)).requires_grad_()
b1 = torch.zeros(hidden, requires_grad=True)
w2 = (torch.randn(hidden, 10) / math.sqrt(hidden)).requires_grad_()
b2 = torch.zeros(10, requires_grad=True)
params = [w1, b1, w2, b2]


def model(x):
    return torch.clamp(x @ w1 + b1, min=0) @ w2 + b2


def loss_func(logits, target):
    log_probs = logits - logits.exp().sum(-1, keepdim=True).log()
    return -log_probs[range(len(target)), target].mean()


lr = 0.3
for epoch in range(20):
    for i in range(0, len(x_train), 32):
        xb, yb = x_train[i:i + 32], y_train[i:i + 32]
        loss = loss_func(model(xb), yb)
        grads = torch.autograd.grad(loss, params)
        with torch.no_grad():
            for p, g in zip(params, grads):
                p -= lr * g
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} loss {loss.item():.4f}")
with torch.no_grad():
    print("accuracy", (model(x_valid).argmax(1) == y_valid).float().mean().item())
