import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(21)
X = torch.tensor(load_digits().data, dtype=torch.float32) / 16
X = X[torch.randperm(len(X))]


class VAE(nn.Module):
    def __init__(self, code=6):
        super().__init__()
        self.enc = nn.Linear(64, 64)
        self.mu, self.logvar = nn.Linear(64, code), nn.Linear(64, code)
        self.dec1, self.dec2 = nn.Linear(code, 64), nn.Linear(64, 64)

    def encode(self, x):
        h = F.relu(self.enc(x))
        return self.mu(h), self.logvar(h)

    def decode(self, z):
        return torch.sigmoid(self.dec2(F.relu(self.dec1(z))))

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        return self.decode(z), mu, logvar


def loss_function(recon, x, mu, logvar):
    bce = F.binary_cross_entropy(recon, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(25):
    total = 0
    for rows in torch.randperm(1400).split(50):
        optimizer.zero_grad()
        recon, mu, logvar = model(X[rows])
        loss = loss_function(recon, X[rows], mu, logvar)
        loss.backward()
        total += loss.item()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"====> Epoch: {epoch + 1} Average loss: {total / 1400:.4f}")
with torch.no_grad():
    recon, mu, logvar = model(X[1400:])
    print("negative ELBO", loss_function(recon, X[1400:], mu, logvar).item() / len(X[1400:]))
