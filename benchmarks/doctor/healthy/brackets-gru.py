"""Are the brackets balanced? Sequences of different lengths, packed, read by a GRU."""
import random

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

random.seed(1)
torch.manual_seed(1)
PAD, OPEN, CLOSE = 0, 1, 2


def balanced(pairs):
    out, depth, left = [], 0, pairs
    while left or depth:
        if left and (depth == 0 or random.random() < 0.5):
            out.append(OPEN)
            depth, left = depth + 1, left - 1
        else:
            out.append(CLOSE)
            depth -= 1
    return out


def is_balanced(seq):
    depth = 0
    for token in seq:
        depth += 1 if token == OPEN else -1
        if depth < 0:
            return False
    return depth == 0


def sample():
    seq = balanced(random.randint(3, 9))
    if random.random() < 0.55:
        for _ in range(random.randint(1, 2)):
            i, j = random.sample(range(len(seq)), 2)
            seq[i], seq[j] = seq[j], seq[i]
        if random.random() < 0.3:
            i = random.randrange(len(seq))
            seq[i] = CLOSE if seq[i] == OPEN else OPEN
    return torch.tensor(seq), float(is_balanced(seq))


def batches(data, size, shuffle=False):
    index = list(range(len(data)))
    if shuffle:
        random.shuffle(index)
    for start in range(0, len(index), size):
        seqs, answers = zip(*[data[i] for i in index[start:start + size]])
        yield pad_sequence(seqs, batch_first=True), torch.tensor([len(s) for s in seqs]), torch.tensor(answers)


class Reader(nn.Module):
    def __init__(self, dim=8, hidden=32):
        super().__init__()
        self.embed = nn.Embedding(3, dim, padding_idx=PAD)
        self.gru = nn.GRU(dim, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(self.embed(tokens), lengths, batch_first=True, enforce_sorted=False)
        _, last = self.gru(packed)
        return self.out(last[-1]).squeeze(-1)


train, test = [sample() for _ in range(4000)], [sample() for _ in range(600)]
model = Reader()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(10):
    model.train()
    total = 0.0
    for tokens, lengths, answers in batches(train, 50, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(tokens, lengths), answers)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * len(answers)
    print(f"epoch {epoch + 1} loss {total / len(train):.4f}")

model.eval()
hits = 0
with torch.no_grad():
    for tokens, lengths, answers in batches(test, 200):
        hits += ((model(tokens, lengths) > 0).float() == answers).sum().item()
print("accuracy on new sequences:", hits / len(test))
