import torch
from torch import nn

torch.manual_seed(24)
x = torch.rand(1500, 3) * 2 - 1
y = torch.exp(x[:, :1]) * torch.cos(2 * x[:, 1:2]) + x[:, 2:3] + 0.05 * torch.randn(1500, 1)
y = (y - y[:1200].mean()) / y[:1200].std()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(3, 48)
        self.l2 = nn.Linear(48, 48)
        self.l3 = nn.Linear(48, 1)

    def forward(self, x):
        return self.l3(torch.relu(self.l2(torch.relu(self.l1(x)))))


model = Net()
criterion = nn.MSELoss(reduction="sum")
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(25):
    total = 0.0
    for rows in torch.randperm(1200).split(40):
        optimizer.zero_grad()
        loss = criterion(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 5 == 4:
        print("epoch", epoch + 1, "sum of squares", round(total, 3))
with torch.no_grad():
    rest = criterion(model(x[1200:]), y[1200:]) / 300
print("R2", (1 - rest / y[1200:].var()).item())
