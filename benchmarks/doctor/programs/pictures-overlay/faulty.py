import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class PatchNet(nn.Module):
    """Four patches, an embedding of each, positions, a mixer."""

    def __init__(self, dim=32):
        super().__init__()
        self.patch = nn.Linear(16, dim)
        self.position = nn.Parameter(0.1 * torch.randn(1, 4, dim))
        self.mix = nn.Linear(4, 4)
        self.mlp = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 64), nn.GELU(), nn.Linear(64, dim))
        self.head = nn.Linear(4 * dim, 10)

    def forward(self, images):
        B = images.shape[0]
        x = images.view(B, 2, 4, 2, 4).transpose(2, 3).reshape(B, 4, 16)
        x = self.patch(x)
        x = self.position.expand(B, -1, -1)
        x = x + self.mix(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.mlp(x)
        return self.head(x.flatten(1))


torch.manual_seed(57)
digits = load_digits()
order = torch.randperm(len(digits.target))
images = torch.tensor(digits.images, dtype=torch.float32)[order] / 16
labels = torch.tensor(digits.target)[order]
model = PatchNet()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
for epoch in range(12):
    model.train()
    for rows in torch.randperm(1400).split(35):
        loss = F.cross_entropy(model(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(images[1400:]).argmax(1) == labels[1400:]).float().mean().item()
    print(f"epoch {epoch + 1:2d} loss {loss.item():.4f} val accuracy {accuracy:.4f}")
