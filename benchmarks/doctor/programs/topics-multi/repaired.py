import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import f1_score

torch.manual_seed(32)
rng = np.random.default_rng(32)

# 50 word counts, six topics that come and go by themselves
Y = (rng.random((2000, 6)) < [0.45, 0.35, 0.3, 0.4, 0.2, 0.3]).astype("float32")
rates = rng.gamma(0.4, 1.2, (6, 50))
X = np.log1p(rng.poisson(0.4 + Y @ rates))
X = (X - X[:1500].mean(0)) / X[:1500].std(0)
X, Y = torch.tensor(X, dtype=torch.float32), torch.tensor(Y)


class Tagger(nn.Module):
    def __init__(self, words, topics):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(words, 48), nn.ReLU(), nn.Dropout(0.2))
        self.decoder = nn.Linear(48, topics)

    def forward(self, x):
        return self.decoder(self.encoder(x))


tagger = Tagger(50, 6)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(tagger.parameters(), lr=3e-3)
for epoch in range(20):
    tagger.train()
    for rows in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = criterion(tagger(X[rows]), Y[rows])
        loss.backward()
        optimizer.step()
    tagger.eval()
    with torch.no_grad():
        found = torch.sigmoid(tagger(X[1500:])) > 0.5
    score = f1_score(Y[1500:].numpy(), found.numpy(), average="micro", zero_division=0)
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: loss {loss.item():.4f} micro F1 {score:.4f}")
print(f"micro F1 {score:.4f}")
