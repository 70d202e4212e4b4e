import torch
from torch import nn
from sklearn.datasets import make_moons

torch.manual_seed(32)
data = torch.tensor(make_moons(2000, noise=0.03, random_state=32)[0], dtype=torch.float32)
mean, std = data.mean(0), data.std(0)
data = (data - mean) / std
T = 40
beta = torch.linspace(1e-3, 0.25, T)
alpha_bar = (1 - beta).cumprod(0)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Embedding(T, 32)
        self.inlet = nn.Linear(2, 32)
        self.net = nn.Sequential(nn.SiLU(), nn.Linear(32, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 2))

    def forward(self, x, t):
        return self.net(self.inlet(x) + self.time(t))


model = Denoiser()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2000)
for step in range(2000):
    x0 = data[torch.randint(0, 2000, (128,))]
    t = torch.randint(0, T, (128,))
    noise = torch.randn_like(x0)
    a = alpha_bar[t].unsqueeze(1)
    loss = (model(a.sqrt() * x0 + (1 - a).sqrt() * noise, t) - noise).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 400 == 0:
        print(f"step {step} loss {loss.item():.4f}")

with torch.no_grad():
    x = torch.randn(500, 2)
    for t in reversed(range(T)):
        e = model(x, torch.full((500,), t))
        x = (x - beta[t] / (1 - alpha_bar[t]).sqrt() * e) / (1 - beta[t]).sqrt()
        if t:
            x = x + beta[t].sqrt() * torch.randn_like(x)
    print("distance to the moons", torch.cdist(x, data).min(1).values.mean().item())
