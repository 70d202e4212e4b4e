import torch
from torch import nn

torch.manual_seed(70)


class Cell(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.inlet = nn.Linear(inputs, hidden)
        self.turn = nn.Linear(hidden, hidden, bias=False)
        nn.init.orthogonal_(self.turn.weight)

    def forward(self, x, h):
        return torch.nn.functional.leaky_relu(self.inlet(x) + self.turn(h), 0.5)


class Tank(nn.Module):
    """Level of a leaking tank after 50 inflows."""

    def __init__(self, hidden=24):
        super().__init__()
        self.cell = Cell(1, hidden)
        self.out = nn.Linear(hidden, 1)
        self.hidden = hidden

    def forward(self, x):
        h = x.new_zeros(len(x), self.hidden)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return self.out(h).squeeze(1)


def tanks(n, steps=50):
    inflow = torch.rand(n, steps, 1)
    level = torch.zeros(n)
    for t in range(steps):
        level = 0.95 * level + inflow[:, t, 0]
    return inflow * 4, level - 9.2


x, y = tanks(1000)
x_test, y_test = tanks(300)
model = Tank()
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
loss_fn = nn.MSELoss()
for epoch in range(14):
    for rows in torch.randperm(1000).split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: {loss.item():.4f}")
with torch.no_grad():
    print("R2", (1 - loss_fn(model(x_test), y_test) / y_test.var()).item())
