import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

torch.manual_seed(6)


def spins(n):
    """Does the row of signs hold more changes than not?"""
    x = torch.randint(0, 2, (n, 9))
    y = ((x[:, 1:] != x[:, :-1]).sum(1) > 4).long()
    return x, y


class Net(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.embed = nn.Embedding(2, dim)
        self.place = nn.Parameter(torch.randn(9, dim) * 0.1)
        layer = nn.TransformerEncoderLayer(dim, 4, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.out = nn.Linear(9 * dim, 2)

    def forward(self, x):
        return self.out(self.encoder(self.embed(x) + self.place).flatten(1))


STEPS = 600
model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
scheduler = SequentialLR(
    optimizer, [LinearLR(optimizer, 1e-3, 1.0, STEPS // 2), CosineAnnealingLR(optimizer, STEPS // 2)], milestones=[STEPS // 2]
)
loss_fn = nn.CrossEntropyLoss()
for step in range(STEPS):
    x, y = spins(64)
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 100 == 99:
        print(f"step {step + 1} lr {scheduler.get_last_lr()[0]:.5f} loss {loss.item():.4f}")
x, y = spins(500)
model.eval()
with torch.no_grad():
    print("test accuracy", (model(x).argmax(1) == y).float().mean().item())
