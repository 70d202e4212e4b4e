import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset


class Stream(IterableDataset):
    """Words of a's and b's: are there more a's?"""

    def __init__(self, n, seed, length=11):
        self.n, self.seed, self.length = n, seed, length

    def __iter__(self):
        g = torch.Generator().manual_seed(self.seed)
        for _ in range(self.n):
            word = torch.randint(0, 2, (self.length,), generator=g)
            yield word, int(word.sum() > self.length // 2)


class BagModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(2, 8)
        self.fc = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, words):
        return self.fc(self.embedding(words).mean(dim=1))


torch.manual_seed(11)
model = BagModel()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
loss_fn = nn.CrossEntropyLoss()
for number, (words, labels) in enumerate(DataLoader(Stream(16000, seed=0), batch_size=32)):
    loss = loss_fn(model(words), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if number % 100 == 0:
        print(f"batch {number}: {loss.item():.4f}")

hits = total = 0
with torch.no_grad():
    for words, labels in DataLoader(Stream(1000, seed=1), batch_size=100):
        hits += (model(words).argmax(1) == labels).sum().item()
        total += len(labels)
print("accuracy", hits / total)
