"""A small residual net on 8 x 8 digits, with shifts as augmentation."""
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, Dataset


@dataclass(frozen=True)
class Settings:
    width: int = 16
    blocks: int = 3
    lr: float = 0.05
    epochs: int = 10
    batch: int = 64
    seed: int = 5


class Shifted(Dataset):
    def __init__(self, images, kinds, train):
        self.images, self.kinds, self.train = images, kinds, train

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = self.images[i]
        if self.train and torch.rand(()) < 0.5:
            image = torch.roll(image, int(torch.randint(-1, 2, ())), dims=-1)
        return image, self.kinds[i]


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c1, self.n1 = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c)
        self.c2, self.n2 = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c)

    def forward(self, x):
        h = torch.relu(self.n1(self.c1(x)))
        return torch.relu(x + self.n2(self.c2(h)))


class ResNet(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, s.width, 3, padding=1, bias=False), nn.BatchNorm2d(s.width), nn.ReLU())
        self.blocks = nn.Sequential(*[Block(s.width) for _ in range(s.blocks)])
        self.head = nn.Linear(s.width * 4, 10)

    def forward(self, x):
        return self.head(nn.functional.adaptive_avg_pool2d(self.blocks(self.stem(x)), 2).flatten(1))


def main(s=Settings()):
    torch.manual_seed(s.seed)
    data = load_digits()
    images, kinds = torch.tensor(data.images).float().unsqueeze(1) / 16, torch.tensor(data.target)
    a, b, ya, yb = train_test_split(images, kinds, test_size=450, random_state=s.seed, stratify=kinds)
    loader = DataLoader(Shifted(a, ya, True), batch_size=s.batch, shuffle=True)
    held = DataLoader(Shifted(b, yb, False), batch_size=150)
    model = ResNet(s)
    optimizer = torch.optim.SGD(model.parameters(), lr=s.lr, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2 * s.lr, total_steps=s.epochs * len(loader))
    for epoch in range(s.epochs):
        model.train()
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            hits = sum((model(x).argmax(1) == y).sum().item() for x, y in held)
        print(f"epoch {epoch}: {loss.item():.3f} {hits / len(b):.3f}")
    print(f"accuracy {hits / len(b):.4f}")


main()
