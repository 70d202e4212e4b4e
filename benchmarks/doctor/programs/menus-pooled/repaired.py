"""Stars of restaurants from their menus: mean of the word vectors, then a small net."""
import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

PAD = 0
VOCAB = 300
LEVELS = 4


class Menus(torch.utils.data.Dataset):
    def __init__(self, n, seed):
        rnd = random.Random(seed)
        self.items = []
        for _ in range(n):
            level = rnd.randrange(LEVELS)
            words = []
            for _ in range(rnd.randint(6, 25)):
                if rnd.random() < 0.3:
                    words.append(1 + level * 40 + rnd.randrange(40))
                else:
                    words.append(rnd.randrange(1, VOCAB))
            self.items.append((torch.tensor(words), level))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def collate(batch):
    words, levels = zip(*batch)
    return pad_sequence(words, batch_first=True, padding_value=PAD), torch.tensor(levels)


class MeanPool(nn.Module):
    def __init__(self, dim=32, hidden=64):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, dim)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, LEVELS)

    def forward(self, words):
        mask = words != PAD
        vectors = self.embedding(words) * mask.unsqueeze(-1)
        pooled = vectors.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        return self.fc2(F.relu(self.fc1(pooled)))


def main():
    torch.manual_seed(15)
    train_loader = DataLoader(Menus(2500, 15), batch_size=50, shuffle=True, collate_fn=collate)
    test_loader = DataLoader(Menus(500, 15 + 1), batch_size=100, collate_fn=collate)
    model = MeanPool()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(15):
        model.train()
        total = 0.0
        for words, levels in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(words), levels)
            loss.backward()
            optimizer.step()
            total += loss.item()
        print("epoch", epoch, "loss", round(total / len(train_loader), 4))
    model.eval()
    right = 0
    with torch.no_grad():
        for words, levels in test_loader:
            right += (model(words).argmax(1) == levels).sum().item()
    print("stars right:", right / 500)


if __name__ == "__main__":
    main()
