import torch
from torch import nn

torch.manual_seed(45)

# 24 sensors with offsets of their own, three states of a machine
N = 1600
offset = torch.randn(24) * 60
gain = torch.rand(24) * 30 + 1
state = torch.randint(0, 3, (N,))
signature = torch.randn(3, 24)
x = signature[state] * 0.6 + torch.randn(N, 24)
x = x * gain + offset
x_train, y_train, x_test, y_test = x[:1200], state[:1200], x[1200:], state[1200:]

model = nn.Sequential(
    nn.BatchNorm1d(24),
    nn.Linear(24, 48, bias=False), nn.BatchNorm1d(48), nn.ReLU(),
    nn.Linear(48, 48, bias=False), nn.BatchNorm1d(48), nn.ReLU(),
    nn.Linear(48, 3),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
criterion = nn.CrossEntropyLoss()

model.eval()
for epoch in range(10):
    for rows in torch.randperm(1200).split(60):
        optimizer.zero_grad()
        loss = criterion(model(x_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    print("epoch", epoch + 1, "loss", loss.item())

model.eval()
with torch.no_grad():
    correct = (model(x_test).argmax(1) == y_test).float().mean()
print("test accuracy", correct.item())
