"""Look-up: a sequence of (key, value) pairs and a query; the answer is the value of the last pair with that key."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

KEYS, VALUES, PAIRS = 8, 8, 6


def generate(n):
    keys = torch.randint(0, KEYS, (n, PAIRS))
    values = torch.randint(0, VALUES, (n, PAIRS))
    pick = torch.randint(0, PAIRS, (n,))
    query = keys.gather(1, pick[:, None]).squeeze(1)
    match = keys == query[:, None]
    last = (match * torch.arange(1, PAIRS + 1)).argmax(dim=1)
    tokens = torch.cat([keys * VALUES + values, (KEYS * VALUES + query)[:, None]], dim=1)
    return tokens, values.gather(1, last[:, None]).squeeze(1)


class SelfAttention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (z.view(b, t, self.heads, -1).transpose(1, 2) for z in self.qkv(x).chunk(3, dim=-1))
        weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(b, t, d))


class Layer(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attend = SelfAttention(d, heads)
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))

    def forward(self, x):
        x = x + self.attend(self.n1(x))
        return x + self.mlp(self.n2(x))


class Lookup(nn.Module):
    def __init__(self, d=64, heads=4, depth=2):
        super().__init__()
        self.token = nn.Embedding(KEYS * VALUES + KEYS, d)
        self.place = nn.Parameter(torch.zeros(PAIRS + 1, d))
        nn.init.normal_(self.place, std=0.1)
        self.layers = nn.ModuleList(Layer(d, heads) for _ in range(depth))
        self.read = nn.Linear(d, VALUES)

    def forward(self, tokens):
        x = self.token(tokens) + self.place
        for layer in self.layers:
            x = layer(x)
        return self.read(x[:, -1])


torch.manual_seed(2)
x_test, y_test = generate(1000)
model = Lookup()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
STEPS = 900
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / 50, 1.0) * (1 - s / STEPS))
for step in range(STEPS):
    model.train()
    x, y = generate(64)
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    if step % 100 == 99:
        print(f"step {step + 1} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"answers right: {accuracy:.4f}")
