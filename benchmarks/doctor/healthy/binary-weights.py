"""A net whose weights are only +1 and -1 when it runs: signs forward, straight through backward."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w):
        ctx.save_for_backward(w)
        return torch.where(w >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad):
        (w,) = ctx.saved_tensors
        return grad * (w.abs() <= 1)


class BinaryLinear(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in).uniform_(-0.1, 0.1))
        self.scale = nn.Parameter(torch.full((n_out,), n_in**-0.5))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return F.linear(x, Sign.apply(self.weight)) * self.scale + self.bias


def main():
    torch.manual_seed(4)
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=400, random_state=4, stratify=y)
    to_x = lambda a: torch.tensor(a, dtype=torch.float32) / 8 - 1
    x_train, x_test, y_train, y_test = to_x(x_train), to_x(x_test), torch.tensor(y_train), torch.tensor(y_test)

    net = nn.Sequential(BinaryLinear(64, 256), nn.ReLU(), BinaryLinear(256, 256), nn.ReLU(), BinaryLinear(256, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 40)
    for epoch in range(40):
        for rows in torch.randperm(len(x_train)).split(64):
            loss = F.cross_entropy(net(x_train[rows]), y_train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for layer in net[::2]:
                    layer.weight.clamp_(-1, 1)
        scheduler.step()
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {loss.item():.4f}")
    with torch.no_grad():
        print(f"accuracy with binary weights {(net(x_test).argmax(1) == y_test).float().mean().item():.4f}")


main()
