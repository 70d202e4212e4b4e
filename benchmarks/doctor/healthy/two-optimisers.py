import torch
from torch import nn

torch.manual_seed(13)
VOCAB = 200
WEIGHT = torch.randn(VOCAB)


def bags(n):
    x = torch.randint(0, VOCAB, (n, 12))
    return x, (WEIGHT[x].sum(1) > 0).long()


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.EmbeddingBag(VOCAB, 16, mode="sum", sparse=True)
        self.head = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, x):
        return self.head(self.table(x))


x, y = bags(4000)
x_test, y_test = bags(600)
model = Bag()
sparse = torch.optim.SparseAdam(model.table.parameters(), lr=0.01)
dense = torch.optim.AdamW(model.head.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(8):
    for rows in torch.randperm(4000).split(64):
        loss = loss_fn(model(x[rows]), y[rows])
        sparse.zero_grad()
        dense.zero_grad()
        loss.backward()
        sparse.step()
        dense.step()
    print("epoch", epoch + 1, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (model(x_test).argmax(1) == y_test).float().mean().item())
