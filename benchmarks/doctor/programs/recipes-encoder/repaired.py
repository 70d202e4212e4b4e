import argparse

import torch
import torch.nn as nn

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=2e-3)
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--d_model", type=int, default=32)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)

# A recipe is a bag of 12 of 60 ingredients. Each cuisine has pairs that only occur together there.
N_ING, N_CUIS, LENGTH = 60, 6, 12
pairs = torch.randperm(N_ING)[: N_CUIS * 6].view(N_CUIS, 3, 2)


def sample(n):
    y = torch.randint(0, N_CUIS, (n,))
    x = torch.randint(0, N_ING, (n, LENGTH))
    which = torch.randint(0, 3, (n,))
    place = torch.rand(n, LENGTH).argsort(1)[:, :2]
    x.scatter_(1, place, pairs[y, which])
    return x, y


class RecipeNet(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.emb = nn.Embedding(N_ING, d)
        layer = nn.TransformerEncoderLayer(d, nhead=4, dim_feedforward=2 * d, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2)
        self.out = nn.Linear(d, N_CUIS)

    def forward(self, x):
        return self.out(self.encoder(self.emb(x)).mean(dim=1))


x_train, y_train = sample(3000)
x_val, y_val = sample(800)

model = RecipeNet(args.d_model)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)

for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for idx in torch.randperm(len(x_train)).split(args.batch):
        logits = model(x_train[idx])
        loss = criterion(logits, y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    print(f"[{epoch + 1}/{args.epochs}] loss={total / len(x_train):.3f}")

model.eval()
with torch.no_grad():
    val_acc = (model(x_val).argmax(-1) == y_val).float().mean().item()
print("val_acc", round(val_acc, 4))
