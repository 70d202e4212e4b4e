# handwritten digits, each training picture also moved by one pixel to the right and downwards
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.manual_seed(0)

digits = load_digits()
X = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
y = torch.tensor(digits.target)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)


def augment(images, targets):
    right = torch.roll(images, 1, dims=3)
    down = torch.roll(images, 1, dims=2)
    images = torch.stack([images, right, down], dim=1).flatten(0, 1)
    targets = targets.repeat(3)
    return images, targets


X_train, y_train = augment(X_train, y_train)
print("training pictures:", len(X_train), "classes:", y_train.bincount().tolist())


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.fc1 = nn.Linear(24 * 4, 48)
        self.fc2 = nn.Linear(48, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.flatten(1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


model = ConvNet()
opt = torch.optim.Adam(model.parameters(), lr=0.002)

for epoch in range(14):
    model.train()
    running = 0.0
    for idx in torch.randperm(len(X_train)).split(64):
        opt.zero_grad()
        loss = F.cross_entropy(model(X_train[idx]), y_train[idx])
        loss.backward()
        opt.step()
        running += loss.item() * len(idx)
    print("epoch", epoch, "loss", round(running / len(X_train), 4))

model.eval()
with torch.no_grad():
    acc = (model(X_test).argmax(1) == y_test).float().mean().item()
print(f"Test accuracy: {acc:.4f}")
