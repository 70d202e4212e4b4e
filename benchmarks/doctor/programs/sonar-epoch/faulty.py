import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def build_loaders(batch_size):
    rng = np.random.default_rng(35)
    depth = rng.uniform(0, 3, (1800, 4)).astype(np.float32)
    echo = np.sin(depth[:, 0] * 2) * depth[:, 1] + np.exp(-depth[:, 2]) * 2 + 0.3 * depth[:, 3] ** 2
    echo = echo + rng.normal(0, 0.1, 1800)
    depth = (depth - 1.5) / 0.87
    echo = ((echo - echo.mean()) / echo.std()).astype(np.float32)
    full = TensorDataset(torch.from_numpy(depth), torch.from_numpy(echo)[:, None])
    train, val = random_split(full, [1500, 300], generator=torch.Generator().manual_seed(1))
    return DataLoader(train, batch_size, shuffle=True), DataLoader(val, 300)


def main():
    torch.manual_seed(35)
    train_loader, val_loader = build_loaders(50)
    model = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(25):
        optimizer.zero_grad()
        for x, y in train_loader:
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        x, y = next(iter(val_loader))
        r2 = 1 - loss_fn(model(x), y) / y.var()
    print(f"validation R2 {r2.item():.4f}")


if __name__ == "__main__":
    main()
