import torch
import torch.nn as nn

torch.manual_seed(18)
VOCAB, T = 12, 12


def samples(n):
    """Does token 0 come before token 1? Each is there once."""
    x = torch.randint(2, VOCAB, (n, T))
    places = torch.rand(n, T).argsort(1)[:, :2]
    x.scatter_(1, places, torch.tensor([[0, 1]]).expand(n, 2))
    return x, (places[:, 0] < places[:, 1]).long()


class Reader(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.tokens = nn.Embedding(VOCAB, dim)
        self.places = nn.Parameter(torch.randn(T, dim) * 0.1)
        layer = nn.TransformerEncoderLayer(dim, 4, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(dim, 2)

    def forward(self, x):
        return self.head(self.encoder(self.tokens(x) + self.places).mean(1))


x, y = samples(3000)
x_test, y_test = samples(400)
model = Reader()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(12):
    model.train()
    for b in torch.randperm(3000).split(60):
        optimizer.zero_grad()
        loss = loss_fn(model(x[b]), y[b])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        acc = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"epoch {epoch + 1} loss {loss.item():.4f} acc {acc:.3f}")
print(f"test accuracy {acc:.4f}")
