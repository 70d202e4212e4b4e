import torch
import torch.nn as nn

torch.manual_seed(62)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.act = nn.Sigmoid()

    def forward(self, x):
        return x + self.act(self.linear(x))


class Stack(nn.Module):
    def __init__(self, inputs, width=40, blocks=8):
        super().__init__()
        self.stem = nn.Linear(inputs, width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(blocks)])
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))


x = torch.randn(1800, 5)
y = torch.tanh(x[:, :1] * x[:, 1:2]) + 0.5 * torch.sin(2 * x[:, 2:3]) + 0.3 * x[:, 3:4]
y = y / y.std()
model = Stack(5)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.MSELoss()
for epoch in range(25):
    for rows in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}")
with torch.no_grad():
    mse = loss_fn(model(x[1500:]), y[1500:])
    print("test R2", (1 - mse / y[1500:].var()).item())
