import random

import torch
from torch import nn
from torch.nn.utils import parametrizations

random.seed(26)
torch.manual_seed(26)
MOTIFS = [[0, 2, 4, 5], [4, 2, 0, 0], [7, 5, 4, 2], [0, 4, 7, 4], [5, 5, 4, 4]]


def melody(n):
    notes, m = [], 0
    while len(notes) < n:
        m = (m + 1) % 5 if random.random() < 0.85 else random.randrange(5)
        notes += MOTIFS[m]
    return notes[:n]


class CausalConv(nn.Module):
    def __init__(self, a, b, dilation):
        super().__init__()
        self.pad = 2 * dilation
        self.conv = parametrizations.weight_norm(nn.Conv1d(a, b, 3, dilation=dilation))

    def forward(self, x):
        return torch.relu(self.conv(nn.functional.pad(x, (self.pad, 0))))


class TCN(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.embed = nn.Embedding(8, dim)
        self.layers = nn.Sequential(CausalConv(dim, dim, 1), CausalConv(dim, dim, 2), CausalConv(dim, dim, 4))
        self.out = nn.Conv1d(dim, 8, 1)

    def forward(self, notes):
        x = self.embed(notes).transpose(1, 2)
        return self.out(x + self.layers(x))


train, test = torch.tensor(melody(8000)), torch.tensor(melody(2000))
model = TCN()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for step in range(300):
    starts = torch.randint(0, len(train) - 33, (32,))
    chunk = torch.stack([train[s:s + 33] for s in starts.tolist()])
    loss = nn.functional.cross_entropy(model(chunk[:, :-1]), chunk[:, 1:])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 60 == 0:
        print(step, f"{loss.item():.4f}")
with torch.no_grad():
    guess = model(test[None, :-1]).argmax(1)[0]
print("next note accuracy", (guess[16:] == test[17:]).float().mean().item())
