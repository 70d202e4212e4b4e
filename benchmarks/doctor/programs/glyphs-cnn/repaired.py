import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(23)

GLYPHS = ["cross", "square", "corner", "bar", "diagonal"]


def draw(kind, size=12):
    img = torch.zeros(size, size)
    r, c = torch.randint(0, size - 5, (2,)).tolist()
    if kind == "cross":
        img[r + 2, c:c + 5] = 1
        img[r:r + 5, c + 2] = 1
    elif kind == "square":
        img[r:r + 5, c:c + 5] = 1
        img[r + 1:r + 4, c + 1:c + 4] = 0
    elif kind == "corner":
        img[r:r + 5, c] = 1
        img[r + 4, c:c + 5] = 1
    elif kind == "bar":
        img[r + 2, c:c + 5] = 1
    else:
        for k in range(5):
            img[r + k, c + k] = 1
    return img + 0.3 * torch.randn(size, size)


class Glyphs(Dataset):
    def __init__(self, per_kind):
        self.images, self.kinds = [], []
        for number, kind in enumerate(GLYPHS):
            for _ in range(per_kind):
                self.images.append(draw(kind)[None])
                self.kinds.append(number)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, idx):
        return self.images[idx], self.kinds[idx]


class GlyphNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Linear(32 * 9, 32), nn.ReLU(), nn.Linear(32, len(GLYPHS)))
        self.apply(self.start)

    @staticmethod
    def start(m):
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(m.weight, nonlinearity="relu")
            nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


train_set, test_set = Glyphs(300), Glyphs(80)
train_loader = DataLoader(train_set, batch_size=30, shuffle=True)
test_loader = DataLoader(test_set, batch_size=100)

model = GlyphNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

for epoch in range(8):
    model.train()
    for i, (images, kinds) in enumerate(train_loader):
        optimizer.zero_grad()
        loss = criterion(model(images), kinds)
        loss.backward()
        optimizer.step()
        if i % 25 == 24:
            print(f"Epoch [{epoch + 1}/8], Step [{i + 1}/{len(train_loader)}], Loss: {loss.item():.4f}")

model.eval()
correct = 0
with torch.no_grad():
    for images, kinds in test_loader:
        correct += (model(images).argmax(1) == kinds).sum().item()
print(f"Accuracy on held-out images: {correct / len(test_set):.4f}")
