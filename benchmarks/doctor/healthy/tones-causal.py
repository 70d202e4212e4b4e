import argparse
import math

import torch
from torch import nn
import torch.nn.functional as F

parser = argparse.ArgumentParser(description="Next sample of a sound, from dilated causal convolutions")
parser.add_argument("--steps", type=int, default=220)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--channels", type=int, default=24)
parser.add_argument("--max-lr", type=float, default=1e-2)
parser.add_argument("--seed", type=int, default=7)
args = parser.parse_args()
torch.manual_seed(args.seed)


def sounds(n, length=128):
    t = torch.arange(length).float()
    f = 0.06 + 0.10 * torch.rand(n, 3, 1)
    amplitude = torch.rand(n, 3, 1)
    wave = (amplitude * torch.sin(2 * math.pi * (f * t + torch.rand(n, 3, 1)))).sum(1)
    wave = wave / wave.std(1, keepdim=True)
    return (wave + 0.05 * torch.randn(n, length)).unsqueeze(1)


class CausalLayer(nn.Module):
    def __init__(self, channels, dilation):
        super().__init__()
        self.dilation = dilation
        self.filter = nn.Conv1d(channels, 2 * channels, 2, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)

    def forward(self, x):
        a, b = self.filter(F.pad(x, (self.dilation, 0))).chunk(2, dim=1)
        return x + self.mix(torch.tanh(a) * torch.sigmoid(b))


class WaveNet(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.start = nn.Conv1d(1, channels, 1)
        self.layers = nn.ModuleList(CausalLayer(channels, 2 ** k) for k in range(5))
        self.end = nn.Conv1d(channels, 1, 1)

    def forward(self, x):
        x = self.start(x)
        for layer in self.layers:
            x = layer(x)
        return self.end(x)


train, test = sounds(1000), sounds(200)
net = WaveNet(args.channels)
optimizer = torch.optim.Adam(net.parameters())
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.max_lr, total_steps=args.steps)
for step in range(1, args.steps + 1):
    batch = train[torch.randint(0, len(train), (args.batch_size,))]
    loss = F.mse_loss(net(batch[..., :-1])[..., 32:], batch[..., 33:])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
    if step % 50 == 0:
        print(f"step {step}: {loss.item():.4f}")

net.eval()
with torch.no_grad():
    error = F.mse_loss(net(test[..., :-1])[..., 32:], test[..., 33:])
print(f"R2 of the forecast: {1 - (error / test[..., 33:].var()).item():.4f}")
