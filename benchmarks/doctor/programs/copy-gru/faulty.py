import torch
import torch.nn as nn
import torch.optim as optim

torch.manual_seed(12)
VOCAB, LENGTH = 8, 6


def batch(n, generator=None):
    x = torch.randint(1, VOCAB, (n, LENGTH), generator=generator)
    return x, x.flip(1)


class Reverser(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, 24)
        self.gru = nn.GRU(24, 48, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(96, VOCAB)

    def forward(self, x):
        return self.fc(self.gru(self.emb(x))[0])


model = Reverser()
optimizer = optim.Adam(model.parameters(), lr=4e-3)
criterion = nn.CrossEntropyLoss()

for it in range(400):
    x, y = batch(64)
    logits = model(x)
    loss = criterion(logits.reshape(-1, VOCAB), y.reshape(-1))
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    if it % 100 == 0:
        print("iteration", it, "loss", loss.item())

g = torch.Generator().manual_seed(99)
x, y = batch(200, g)
with torch.no_grad():
    acc = (model(x).argmax(-1) == y).float().mean().item()
print("token accuracy", round(acc, 4))
