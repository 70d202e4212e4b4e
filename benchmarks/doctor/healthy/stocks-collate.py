import random

import torch
from torch import nn
from torch.utils.data import DataLoader

random.seed(13)
torch.manual_seed(13)
GOOD = ["great", "lovely", "fine", "bright"]
BAD = ["awful", "dull", "broken", "sad"]
PLAIN = ["the", "film", "was", "and", "story", "with", "a", "very", "people", "about"]


def review():
    label = random.random() < 0.5
    words = random.choices(PLAIN, k=random.randint(4, 14))
    for _ in range(random.randint(1, 3)):
        words.insert(random.randrange(len(words)), random.choice(GOOD if label else BAD))
    if random.random() < 0.3:
        words.insert(random.randrange(len(words)), random.choice(BAD if label else GOOD))
        words += random.choices(GOOD if label else BAD, k=1)
    return words, int(label)


vocab = {w: i + 1 for i, w in enumerate(GOOD + BAD + PLAIN)}


def collate(rows):
    width = max(len(words) for words, _ in rows)
    ids = torch.tensor([[vocab[w] for w in words] + [0] * (width - len(words)) for words, _ in rows])
    return ids, torch.tensor([label for _, label in rows])


class TextNet(nn.Module):
    def __init__(self, n, dim=16):
        super().__init__()
        self.embed = nn.Embedding(n, dim, padding_idx=0)
        self.conv = nn.Conv1d(dim, 24, 3, padding=1)
        self.fc = nn.Linear(24, 2)

    def forward(self, ids):
        h = torch.relu(self.conv(self.embed(ids).transpose(1, 2)))
        mask = (ids > 0).unsqueeze(1)
        return self.fc((h * mask).sum(-1) / mask.sum(-1))


train = [review() for _ in range(1500)]
test = [review() for _ in range(400)]
model = TextNet(len(vocab) + 1)
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(10):
    for ids, labels in DataLoader(train, batch_size=32, shuffle=True, collate_fn=collate):
        optimizer.zero_grad()
        loss = loss_fn(model(ids), labels)
        loss.backward()
        optimizer.step()
    print("epoch", epoch + 1, "loss", round(loss.item(), 4))
with torch.no_grad():
    ids, labels = collate(test)
    print("accuracy", (model(ids).argmax(1) == labels).float().mean().item())
