import torch
from torch import nn

torch.manual_seed(31)


class Branch(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(x)))


class Net(nn.Module):
    def __init__(self, width=32, depth=4):
        super().__init__()
        self.inlet = nn.Linear(5, width)
        self.branches = nn.ModuleList(Branch(width) for _ in range(depth))
        self.outlet = nn.Linear(width, 1)
        nn.init.zeros_(self.outlet.weight)

    def forward(self, x):
        x = self.inlet(x)
        for branch in self.branches:
            x = branch(x)
        return self.outlet(x).squeeze(1)


x = torch.randn(1800, 5)
y = x[:, 0] * x[:, 1] + torch.sin(2 * x[:, 2]) + 0.5 * x[:, 3]
y = (y - y.mean()) / y.std()
model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
for epoch in range(25):
    for rows in torch.randperm(1500).split(50):
        loss = nn.functional.mse_loss(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} {loss.item():.4f}")
with torch.no_grad():
    print("R2", (1 - (model(x[1500:]) - y[1500:]).pow(2).mean() / y[1500:].var()).item())
