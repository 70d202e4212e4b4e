import torch
from torch import nn

torch.manual_seed(15)


class SharpTanh(nn.Module):
    def __init__(self, slope):
        super().__init__()
        self.slope = slope

    def forward(self, x):
        return torch.tanh(self.slope * x)


def build(hidden=64, slope=1.0):
    return nn.Sequential(
        nn.Linear(10, hidden), SharpTanh(slope),
        nn.Linear(hidden, hidden), SharpTanh(slope),
        nn.Linear(hidden, hidden), SharpTanh(slope),
        nn.Linear(hidden, 2),
    )


x = torch.randn(2600, 10)
y = ((x[:, 0] * x[:, 1] + x[:, 2] ** 2 - 0.7 * x[:, 3]) > 0.5).long()
x_train, y_train, x_test, y_test = x[:2000], y[:2000], x[2000:], y[2000:]

net = build(slope=40.0)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(20):
    for idx in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = loss_fn(net(x_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
    if epoch % 4 == 3:
        print("epoch", epoch + 1, loss.item())
with torch.no_grad():
    correct = (net(x_test).argmax(1) == y_test).float().mean().item()
print(f"test accuracy = {correct:.4f}")
