import random

import torch
import torch.nn as nn

random.seed(0)
torch.manual_seed(0)

NOUNS = ["cat", "dog", "bird", "child", "man", "queen"]
VERBS = ["sees", "likes", "finds", "hears"]
ADJECTIVES = ["small", "old", "red", "quiet"]


def phrase():
    words = ["the"]
    while random.random() < 0.4:
        words.append(random.choice(ADJECTIVES))
    words.append(random.choice(NOUNS))
    return words


def sentence():
    return " ".join(phrase() + [random.choice(VERBS)] + phrase()) + " . "


text = "".join(sentence() for _ in range(1500))
chars = sorted(set(text))
stoi = {c: i for i, c in enumerate(chars)}
data = torch.tensor([stoi[c] for c in text])
split = int(len(data) * 0.9)
train_data, val_data = data[:split], data[split:]


class CharModel(nn.Module):
    def __init__(self, vocab, dim=32, hidden=96):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim)
        self.lstm = nn.LSTM(dim, hidden, batch_first=True)
        self.head = nn.Linear(hidden, vocab)

    def forward(self, x, state=None):
        h, state = self.lstm(self.embedding(x), state)
        return self.head(h), state


def get_batch(source, batch_size=32, block=40):
    starts = torch.randint(0, len(source) - block - 1, (batch_size,))
    x = torch.stack([source[s:s + block] for s in starts])
    y = torch.stack([source[s + 1:s + block + 1] for s in starts])
    return x, y


model = CharModel(len(chars))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.CrossEntropyLoss()
for step in range(250):
    x, y = get_batch(train_data)
    logits, _ = model(x)
    loss = loss_fn(logits.transpose(1, 2), y)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step}: {loss.item():.3f}")

model.eval()
with torch.no_grad():
    x, y = get_batch(val_data, 64)
    val = loss_fn(model(x)[0].transpose(1, 2), y).item()
print(f"validation loss {val:.4f}")
