import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(20)


def batchify(x, y, size):
    perm = torch.randperm(len(x))
    for i in range(0, len(x), size):
        yield x[perm[i:i + size]], y[perm[i:i + size]]


class MLP(nn.Module):
    def __init__(self, dims, dropout=0.0):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(dims, dims[1:]))
        self.dropout = dropout
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.dropout(F.relu(layer(x)), self.dropout, self.training)
        return self.layers[-1](x)


x = torch.randn(3000, 6)
y = (x[:, :3].norm(dim=1) > x[:, 3:].norm(dim=1)).long()
model = MLP([6, 64, 64, 2], dropout=0.05)
optimizer = torch.optim.NAdam(model.parameters(), lr=2e-3)
for epoch in range(20):
    model.train()
    for a, b in batchify(x[:2400], y[:2400], 48):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        model.eval()
        with torch.no_grad():
            acc = (model(x[2400:]).argmax(-1) == y[2400:]).float().mean().item()
        print(f"epoch {epoch + 1}; accuracy: {acc:.4f}")
