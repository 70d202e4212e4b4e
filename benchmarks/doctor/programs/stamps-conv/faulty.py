# Handwritten digits with a convolutional net in the spirit of LeNet, a few layers more
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(7)


class DeepLeNet(nn.Module):
    def __init__(self, width=16, depth=5, n_classes=10):
        super().__init__()
        convs = [nn.Conv2d(1, width, 3, padding=1)]
        for _ in range(depth - 1):
            convs.append(nn.Conv2d(width, width, 3, padding=1))
        self.convs = nn.ModuleList(convs)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(width * 4 * 4, 84)
        self.fc2 = nn.Linear(84, n_classes)

    def forward(self, x):
        for i, conv in enumerate(self.convs):
            x = torch.sigmoid(conv(x))
            if i == 1:
                x = self.pool(x)
        x = torch.sigmoid(self.fc1(x.flatten(1)))
        return self.fc2(x)


digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
target = torch.tensor(digits.target)
x_train, x_test, y_train, y_test = train_test_split(images, target, test_size=0.25, random_state=7)
train_dl = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)

net = DeepLeNet()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)

for epoch in range(10):
    net.train()
    running = 0.0
    for xb, yb in train_dl:
        opt.zero_grad()
        loss = F.cross_entropy(net(xb), yb)
        loss.backward()
        opt.step()
        running += loss.item() * len(xb)
    print(f"epoch {epoch + 1:2d}  train loss {running / len(x_train):.4f}")

net.eval()
with torch.no_grad():
    acc = (net(x_test).argmax(1) == y_test).float().mean().item()
print(f"test acc: {acc:.4f}")
