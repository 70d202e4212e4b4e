import torch
from torch import nn

torch.manual_seed(6)


def sequences(n, length=10, symbols=5):
    """Which symbol came first is the class; the rest is noise."""
    tokens = torch.randint(0, symbols, (n, length))
    return tokens, tokens[:, 0].clone()


class FirstSymbol(nn.Module):
    def __init__(self, symbols=5, dim=16, hidden=32):
        super().__init__()
        self.embed = nn.Embedding(symbols, dim)
        self.lstm = nn.LSTM(dim, hidden, batch_first=True)
        self.out = nn.Linear(hidden, symbols)

    def forward(self, tokens):
        h, _ = self.lstm(self.embed(tokens))
        return self.out(h[:, -1])


x_train, y_train = sequences(2000)
x_test, y_test = sequences(500)
model = FirstSymbol()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(10):
    perm = torch.randperm(len(x_train))
    for i in range(0, len(perm), 50):
        j = perm[i:i + 50]
        loss = criterion(model(x_train[j]), y_train[j])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    print(f"epoch {epoch}: {loss.item():.4f}")

model.eval()
with torch.no_grad():
    acc = (model(x_test).argmax(-1) == y_test).float().mean()
print(f"accuracy: {acc:.3f}")
