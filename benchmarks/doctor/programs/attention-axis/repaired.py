import math

import torch
from torch import nn

torch.manual_seed(56)


class Attention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)

    def forward(self, x):  # batch, steps, dim
        scores = self.query(x) @ self.key(x).transpose(1, 2) / math.sqrt(x.shape[-1])
        return torch.softmax(scores, dim=-1) @ self.value(x)


class Finder(nn.Module):
    """Answers the value stored under the key that is asked for last."""

    def __init__(self, keys=5, values=4, dim=32):
        super().__init__()
        self.key = nn.Embedding(keys, dim)
        self.value = nn.Embedding(values + 1, dim)
        self.attend = Attention(dim)
        self.out = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, values))

    def forward(self, keys, values):
        x = self.key(keys) + self.value(values)
        return self.out((x + self.attend(x))[:, -1])


def stories(n):
    keys = torch.rand(n, 5).argsort(1)[:, :4]
    values = torch.randint(0, 4, (n, 4))
    asked = torch.randint(0, 4, (n, 1))
    answer = values.gather(1, asked).squeeze(1)
    keys = torch.cat([keys, keys.gather(1, asked)], 1)
    values = torch.cat([values, torch.full((n, 1), 4)], 1)
    return keys, values, answer


model = Finder()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
loss_fn = nn.CrossEntropyLoss()
for it in range(1, 1001):
    keys, values, answer = stories(64)
    loss = loss_fn(model(keys, values), answer)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 250 == 0:
        print(f"iter {it} loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    keys, values, answer = stories(600)
    print("accuracy on new sequences", (model(keys, values).argmax(1) == answer).float().mean().item())
