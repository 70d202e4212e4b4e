import torch
import torch.nn as nn

torch.manual_seed(7)
x = torch.randn(2000, 12)
y = (torch.sin(x[:, 0] * 1.5) + x[:, 1] * x[:, 2] + 0.5 * x[:, 3] > 0).long()


class Tower(nn.Module):
    def __init__(self, depth, width=32):
        super().__init__()
        self.first = nn.Linear(12, width)
        self.rest = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.Linear(width, 2)

    def forward(self, x):
        x = torch.relu(self.first(x))
        for layer in self.rest:
            x = torch.relu(layer(x))
        return self.last(x)


model = Tower(depth=2)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(20):
    for rows in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(epoch, loss.item())

with torch.no_grad():
    print("test accuracy", (model(x[1500:]).argmax(1) == y[1500:]).float().mean().item())
