import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.bn = nn.BatchNorm2d(24)
        self.fc1 = nn.Linear(24 * 2 * 2, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.bn(self.conv2(x))), 2)
        x = F.relu(self.fc1(x.view(x.size(0), -1)))
        return F.log_softmax(self.fc2(x), dim=1)


def train(model, X, y, optimizer, batch_size):
    model.train()
    order = torch.randperm(len(X))
    for start in range(0, len(X), batch_size):
        rows = order[start:start + batch_size]
        optimizer.zero_grad()
        output = model(X[rows])
        loss = F.nll_loss(output, y[rows])
        loss.backward()
        optimizer.step()
    return loss.item()


def test(model, X, y):
    model.eval()
    with torch.no_grad():
        output = model(X)
        loss = F.nll_loss(output, y).item()
        correct = output.argmax(dim=1, keepdim=True).eq(y.view(-1, 1)).sum().item()
    return loss, correct / len(X)


def main():
    torch.manual_seed(1)
    digits = load_digits()
    X = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    y = torch.tensor(digits.target)
    order = torch.randperm(len(X))
    X, y = X[order], y[order]
    model = LeNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
    for epoch in range(1, 11):
        loss = train(model, X[:1400], y[:1400], optimizer, 32)
        test_loss, accuracy = test(model, X[1400:], y[1400:])
        scheduler.step()
        print(f"Epoch {epoch}: train {loss:.4f} test {test_loss:.4f} ({accuracy:.1%})")
    print(f"Test accuracy: {accuracy:.4f}")


if __name__ == "__main__":
    main()
