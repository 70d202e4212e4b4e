import torch
import torch.nn as nn

torch.manual_seed(38)
MAX_LEN, VOCAB = 14, 10


def make(n):
    """Balanced brackets, or nearly."""
    x = torch.zeros(n, MAX_LEN, dtype=torch.long)
    y = torch.zeros(n, dtype=torch.long)
    for i in range(n):
        k = torch.randint(4, MAX_LEN + 1, (1,)).item()
        s = torch.randint(1, VOCAB, (k,))
        x[i, :k] = s
        y[i] = int((s == 3).sum() >= (s == 7).sum())
    return x, y


class Encoder(nn.Module):
    def __init__(self, dim=24):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, dim, padding_idx=0)
        self.gru = nn.GRU(dim, 32, batch_first=True)

    def forward(self, x):
        _, h = self.gru(self.embedding(x))
        return h[0]


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.out = nn.Linear(32, 2)

    def forward(self, x):
        features = self.encoder(x)
        return self.out(features)


x, y = make(2500)
x_test, y_test = make(500)
model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(12):
    model.train()
    for i in torch.randperm(2500).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(x[i]), y[i])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        acc = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"epoch {epoch} loss {loss.item():.4f} accuracy {acc:.4f}")
