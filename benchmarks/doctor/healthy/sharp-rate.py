import torch
from torch import nn

torch.manual_seed(1)
x = torch.randn(500, 4)
y = (torch.tanh(x[:, :1] * 2) + 0.5 * x[:, 1:2] * x[:, 2:3])
y = y / y.std()
x_test, y_test = x[400:], y[400:]
x, y = x[:400], y[:400]

model = nn.Sequential(nn.Linear(4, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
loss_fn = nn.MSELoss()
history = []
for step in range(1500):
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    history.append(loss.item())
    if step % 300 == 299:
        print(f"step {step + 1}: {history[-1]:.4f}")

rises = sum(b > a for a, b in zip(history, history[1:]))
print("steps on which the loss rose:", rises)
with torch.no_grad():
    error = loss_fn(model(x_test), y_test)
print("R2", (1 - error / y_test.var()).item())
