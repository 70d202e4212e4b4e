"""A network whose weights and hidden units are only -1 and +1 in the forward pass (Courbariaux et al.)."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class BinaryLinear(nn.Linear):
    def forward(self, x):
        return nn.functional.linear(x, Sign.apply(self.weight) / self.in_features ** 0.5)


class BinaryNet(nn.Module):
    def __init__(self, n_in=64, hidden=256, n_out=10):
        super().__init__()
        self.fc1 = BinaryLinear(n_in, hidden, bias=False)
        self.bn1 = nn.BatchNorm1d(hidden)
        self.fc2 = BinaryLinear(hidden, hidden, bias=False)
        self.bn2 = nn.BatchNorm1d(hidden)
        self.fc3 = BinaryLinear(hidden, n_out, bias=False)
        self.bn3 = nn.BatchNorm1d(n_out)

    def forward(self, x):
        x = Sign.apply(self.bn1(self.fc1(x)))
        x = Sign.apply(self.bn2(self.fc2(x)))
        return self.bn3(self.fc3(x))


torch.manual_seed(6)
X, y = load_digits(return_X_y=True)
X = torch.tensor(X / 8.0 - 1.0, dtype=torch.float32)
X_train, X_test, y_train, y_test = train_test_split(X, torch.tensor(y), test_size=0.3, random_state=6)

model = BinaryNet()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(30):
    model.train()
    for idx in torch.randperm(len(X_train)).split(64):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for module in (model.fc1, model.fc2, model.fc3):
                module.weight.clamp_(-1, 1)
    if epoch % 5 == 4:
        print("epoch", epoch + 1, "loss", loss.item())

model.eval()
with torch.no_grad():
    print("test accuracy", (model(X_test).argmax(1) == y_test).float().mean().item())
