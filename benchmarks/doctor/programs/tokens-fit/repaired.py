import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

VOCAB, LEN, CLASSES = 40, 16, 5


class Tagger(nn.Module):
    """Which of five commands does a line of tokens hold? One bigram per command, hidden in noise."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, 16)
        self.conv = nn.Conv1d(16, 48, kernel_size=2)
        self.fc = nn.Linear(48, CLASSES)

    def forward(self, x):
        h = torch.relu(self.conv(self.embed(x).transpose(1, 2)))
        return self.fc(h.amax(dim=2))


class Learner:
    def __init__(self, model, lr, epochs):
        self.model = model
        self.epochs = epochs
        self.opt = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        self.criterion = nn.CrossEntropyLoss()
        self.opt.zero_grad()

    def train_step(self, xb, yb):
        self.opt.zero_grad()
        out = self.model(xb)
        loss = self.criterion(out, yb)
        loss.backward()
        self.opt.step()
        return loss.item()

    def fit(self, loader):
        for epoch in range(self.epochs):
            self.model.train()
            history = [self.train_step(xb, yb) for xb, yb in loader]
            print("Epoch", epoch, "mean loss", sum(history) / len(history))

    def score(self, x, y):
        self.model.eval()
        with torch.no_grad():
            return (self.model(x).argmax(1) == y).float().mean().item()


def lines(n, grams, g):
    y = torch.randint(0, CLASSES, (n,), generator=g)
    x = torch.randint(0, VOCAB, (n, LEN), generator=g)
    at = torch.randint(0, LEN - 1, (n,), generator=g)
    rows = torch.arange(n)
    x[rows, at], x[rows, at + 1] = grams[y, 0], grams[y, 1]
    return x, y


g = torch.Generator().manual_seed(2)
torch.manual_seed(2)
grams = torch.randperm(VOCAB, generator=g)[: 2 * CLASSES].view(CLASSES, 2)
x, y = lines(3600, grams, g)
learner = Learner(Tagger(), lr=0.05, epochs=15)
learner.fit(DataLoader(TensorDataset(x[:3000], y[:3000]), batch_size=50, shuffle=True))
print("Accuracy on new lines:", learner.score(x[3000:], y[3000:]))
