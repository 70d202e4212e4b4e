import torch
from sklearn.datasets import make_regression

torch.manual_seed(0)
X, y = make_regression(n_samples=300, n_features=5, noise=15.0, random_state=3)
X = torch.from_numpy(X).float()
y = torch.from_numpy(y).float()
y = (y - y.mean()) / y.std()

w = torch.zeros(5, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
lr = 0.1

for epoch in range(100):
    y_pred = X[:240] @ w + b
    loss = ((y_pred - y[:240]) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= lr * w.grad
        b -= lr * b.grad
        w.grad.zero_()
        b.grad.zero_()
    if epoch % 20 == 0:
        print(f"epoch {epoch}: loss {loss.item():.4f}")

with torch.no_grad():
    error = ((X[240:] @ w + b - y[240:]) ** 2).mean()
    r2 = 1 - error / y[240:].var()
print("weights:", [round(v, 3) for v in w.tolist()])
print(f"R2: {r2.item():.4f}")
