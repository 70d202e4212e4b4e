import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(2)
text = "".join(f"{a}+{b}={(a + b) % 10};" for a, b in torch.randint(0, 10, (5000, 2)).tolist())
vocab = sorted(set(text))
encode = {c: i for i, c in enumerate(vocab)}
ids = torch.tensor([encode[c] for c in text])
train_ids, val_ids = ids[: int(0.9 * len(ids))], ids[int(0.9 * len(ids)):]
BLOCK, DIM, HEADS = 20, 32, 2


class CausalAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.Linear(DIM, 3 * DIM)
        self.proj = nn.Linear(DIM, DIM)
        self.register_buffer("mask", torch.tril(torch.ones(BLOCK, BLOCK)).bool())

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (t.view(B, T, HEADS, C // HEADS).transpose(1, 2) for t in self.attn(x).chunk(3, dim=-1))
        scores = (q @ k.transpose(-2, -1)) / math.sqrt(C // HEADS)
        scores = scores.masked_fill(~self.mask[:T, :T], float("-inf"))
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, C))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.attn, self.ln2 = nn.LayerNorm(DIM), CausalAttention(), nn.LayerNorm(DIM)
        self.mlp = nn.Sequential(nn.Linear(DIM, 4 * DIM), nn.GELU(), nn.Linear(4 * DIM, DIM))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok, self.pos = nn.Embedding(len(vocab), DIM), nn.Embedding(BLOCK, DIM)
        self.layers, self.norm = nn.Sequential(Layer(), Layer()), nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, len(vocab), bias=False)
        self.head.weight = self.tok.weight
        nn.init.normal_(self.tok.weight, std=0.1)

    def forward(self, x):
        return self.head(self.norm(self.layers(self.tok(x) + self.pos(torch.arange(x.shape[1])))))


def batch(d, n=32):
    i = torch.randint(0, len(d) - BLOCK - 1, (n,)).unsqueeze(1) + torch.arange(BLOCK + 1)
    return d[i][:, :-1], d[i][:, 1:]


model = LanguageModel()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, betas=(0.9, 0.95))
for it in range(450):
    x, y = batch(train_ids)
    loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if it % 90 == 0:
        print(it, round(loss.item(), 4))
model.eval()
with torch.no_grad():
    x, y = batch(val_ids, 128)
    print("val loss", F.cross_entropy(model(x).flatten(0, 1), y.flatten()).item())
