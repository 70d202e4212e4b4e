import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

torch.manual_seed(33)

clean = torch.tensor(load_digits().images, dtype=torch.float32).div(16).unsqueeze(1)
clean = clean[torch.randperm(len(clean))]
train, test = clean[:1500], clean[1500:]
noise = lambda x: x + 0.25 * torch.randn_like(x)


class Denoiser(nn.Module):
    """Predicts the noise, which is then taken off."""

    def __init__(self, width=24):
        super().__init__()
        self.down = nn.Conv2d(1, width, 3, padding=1)
        self.pool = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.middle = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.out = nn.Conv2d(2 * width, 1, 3, padding=1)

    def forward(self, x):
        a = F.gelu(self.down(x))
        b = F.gelu(self.pool(a))
        b = b + F.gelu(self.middle(b))
        c = F.gelu(self.up(b))
        return x - self.out(torch.cat([a, c], dim=1))


net = Denoiser()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.85)
for epoch in range(14):
    net.train()
    total = 0.0
    for batch in train[torch.randperm(len(train))].split(50):
        opt.zero_grad()
        loss = F.mse_loss(net(noise(batch)), batch)
        loss.backward()
        opt.step()
        total += loss.item() * len(batch)
    sched.step()
    print(f"{epoch + 1:2d}: {total / len(train):.5f}")

net.eval()
with torch.no_grad():
    left = F.mse_loss(net(noise(test)), test)
    whole = F.mse_loss(train.mean(0, keepdim=True).expand_as(test), test)
print(f"explained variance of clean pixels {1 - (left / whole).item():.4f}")
