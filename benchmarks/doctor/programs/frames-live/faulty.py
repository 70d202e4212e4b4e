# Gesture pictures come one at a time at run time, so the test set is read one at a time as well.
import torch
import torch.nn as nn
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(19)
device = "cpu"


def draw(n, size=14, kinds=6):
    """Six textures that differ in brightness and stripes, at random contrast."""
    kind = torch.randint(0, kinds, (n,))
    yy, xx = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    phase = torch.rand(n, 1, 1) * 6.28
    across = (kind % 2).view(-1, 1, 1)
    stripes = torch.sin((across * xx + (1 - across) * yy) * 0.9 + phase)
    bright = (kind // 2 - 1).view(-1, 1, 1) * 0.6
    image = bright + 0.5 * stripes + 0.6 * torch.randn(n, size, size)
    return image.unsqueeze(1), kind


class GestureNet(nn.Module):
    def __init__(self, kinds=6):
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2))
        self.layer2 = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(128, kinds)

    def forward(self, x):
        x = self.layer2(self.layer1(x))
        return self.fc(self.drop(x.flatten(1)))


trainset = TensorDataset(*draw(1500))
testset = TensorDataset(*draw(500))
trainloader = DataLoader(trainset, batch_size=32, shuffle=True)
testloader = DataLoader(testset, batch_size=1)

net = GestureNet().to(device)
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)

net.train()
for epoch in range(6):
    running_loss = 0.0
    for i, (inputs, kinds) in enumerate(trainloader, 0):
        inputs, kinds = inputs.to(device), kinds.to(device)
        optimizer.zero_grad()
        loss = criterion(net(inputs), kinds)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    print("[%d] loss: %.3f" % (epoch + 1, running_loss / len(trainloader)))
print("Finished Training")

net.eval
correct = total = 0
with torch.no_grad():
    for inputs, kinds in testloader:
        _, predicted = torch.max(net(inputs.to(device)), 1)
        total += kinds.size(0)
        correct += (predicted == kinds).sum().item()
print("Accuracy of the network on the test images:", correct / total)
