import torch
from torch import nn

torch.manual_seed(41)


class TwoBranch(nn.Module):
    """Numbers and a category, joined late."""

    def __init__(self, n_numbers, n_categories, dim=16):
        super().__init__()
        self.numbers = nn.Sequential(nn.Linear(n_numbers, 32), nn.ReLU(), nn.Linear(32, dim))
        self.category = nn.Embedding(n_categories, dim)
        self.joint = nn.Sequential(nn.Linear(2 * dim, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, numbers, category):
        a = self.numbers(numbers)
        b = self.category(category)
        z = torch.cat([b, b], dim=1)
        return self.joint(z).squeeze(1)


N = 2000
numbers = torch.randn(N, 6)
category = torch.randint(0, 8, (N,))
effect = torch.randn(8) * 0.7
target = numbers[:, 0] - numbers[:, 1] * numbers[:, 2] + effect[category] + 0.2 * torch.randn(N)
target = (target - target.mean()) / target.std()

model = TwoBranch(6, 8)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
loss_fn = nn.MSELoss()
for epoch in range(25):
    model.train()
    for rows in torch.randperm(1600).split(64):
        optimizer.zero_grad()
        loss = loss_fn(model(numbers[rows], category[rows]), target[rows])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} train loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    mse = loss_fn(model(numbers[1600:], category[1600:]), target[1600:]).item()
print(f"R2 test {1 - mse / target[1600:].var().item():.4f}")
