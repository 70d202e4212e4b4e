import torch
import torch.nn as nn


class TagLSTM(nn.Module):
    def __init__(self, vocab=6, dim=12, hidden=32, tags=3):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim)
        self.lstm = nn.LSTM(dim, hidden, num_layers=1, bidirectional=True)
        self.drop = nn.Dropout(0.1)
        self.linear = nn.Linear(2 * hidden, tags)

    def forward(self, tokens):  # steps, batch
        h, _ = self.lstm(self.embedding(tokens))
        return self.linear(self.drop(h))


def make(n, steps=10):
    """Tag of each step: is the token larger than the one before, and than the one after?"""
    x = torch.randint(0, 6, (steps, n))
    before = torch.zeros_like(x)
    before[1:] = (x[1:] > x[:-1]).long()
    after = torch.zeros_like(x)
    after[:-1] = (x[:-1] > x[1:]).long()
    return x, before + after


torch.manual_seed(15)
x_train, y_train = make(1500)
x_test, y_test = make(400)
model = TagLSTM()
optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(10):
    model.train()
    for rows in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        logits = model(x_train[:, rows])
        loss = loss_fn(logits.permute(1, 2, 0), y_train[:, rows].T)
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
model.eval()
with torch.no_grad():
    print("test accuracy", (model(x_test).argmax(-1) == y_test).float().mean().item())
