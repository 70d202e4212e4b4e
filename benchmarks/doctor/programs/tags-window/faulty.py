import random

import torch
from torch import nn

random.seed(23)
torch.manual_seed(23)

WORDS = {
    "D": ["the", "a", "every"],
    "A": ["red", "old", "quick", "sad"],
    "N": ["fox", "ship", "judge", "tree", "light"],
    "V": ["runs", "sinks", "light", "falls", "judge"],
    "P": ["under", "over", "near"],
}
TAGS = list(WORDS)


def sentence():
    tags = ["D"] + ["A"] * random.choice([0, 0, 1, 2]) + ["N", "V"]
    if random.random() < 0.6:
        tags += ["P", "D"] + ["A"] * random.choice([0, 1]) + ["N"]
    return [random.choice(WORDS[t]) for t in tags], tags


def corpus(n):
    words, tags = [], []
    for _ in range(n):
        w, t = sentence()
        words += w
        tags += t
    return words, tags


def windows(words, tags, size=1):
    """Each word with its neighbours; the tag of the middle one."""
    xs, ys = [], []
    for i in range(size, len(words) - size):
        xs.append([vocab[w] for w in words[i - size:i + size + 1]])
        ys.append(TAGS.index(tags[i - size]))
    return torch.tensor(xs), torch.tensor(ys)


vocab = {w: i for i, w in enumerate(sorted({w for ws in WORDS.values() for w in ws}))}
words, tags = corpus(900)
x_train, y_train = windows(words, tags)
words, tags = corpus(400)
x_test = torch.tensor([[vocab[w] for w in words[i - 1:i + 2]] for i in range(1, len(words) - 1)])
y_test = torch.tensor([TAGS.index(t) for t in tags[1:-1]])

model = nn.Sequential(nn.Embedding(len(vocab), 12), nn.Flatten(), nn.Linear(36, 32), nn.ReLU(), nn.Linear(32, len(TAGS)))
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(8):
    for rows in torch.randperm(len(x_train)).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(x_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", round(loss.item(), 4))
with torch.no_grad():
    print("tag accuracy", (model(x_test).argmax(1) == y_test).float().mean().item())
