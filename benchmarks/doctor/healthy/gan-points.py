import torch
from torch import nn

torch.manual_seed(0)


def real(n):
    """Points on a circle."""
    angle = torch.rand(n) * 2 * torch.pi
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2)


G = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
D = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
opt_g = torch.optim.Adam(G.parameters(), lr=5e-4, betas=(0.5, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.9))
bce = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)

for step in range(2000):
    x = real(64)
    fake = G(torch.randn(64, 8))

    opt_d.zero_grad()
    loss_d = bce(D(x), 0.9 * ones) + bce(D(fake.detach()), zeros)
    loss_d.backward()
    opt_d.step()

    opt_g.zero_grad()
    loss_g = bce(D(fake), ones)
    loss_g.backward()
    opt_g.step()

    if step % 400 == 0:
        print(f"step {step}  D {loss_d.item():.3f}  G {loss_g.item():.3f}")

with torch.no_grad():
    made = G(torch.randn(1000, 8))
    nearest = torch.cdist(real(1000), made).min(1).values.mean() + (made.norm(dim=1) - 1).abs().mean()
print(f"distance {nearest.item():.4f}")
