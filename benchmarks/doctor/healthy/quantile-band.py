import torch
from torch import nn

torch.manual_seed(18)
QUANTILES = torch.tensor([0.1, 0.5, 0.9])


def pinball(pred, target):
    error = target.unsqueeze(1) - pred
    return torch.maximum(QUANTILES * error, (QUANTILES - 1) * error).mean()


x = torch.rand(3000, 1) * 4 - 2
y = torch.sin(2 * x[:, 0]) + (0.1 + 0.4 * (x[:, 0] + 2) / 4) * torch.randn(3000)
x_train, y_train, x_test, y_test = x[:2400], y[:2400], x[2400:], y[2400:]

model = nn.Sequential(nn.Linear(1, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(25):
    for idx in torch.randperm(2400).split(60):
        optimizer.zero_grad()
        loss = pinball(model(x_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} pinball {loss.item():.4f}")
model.eval()
with torch.no_grad():
    low, middle, high = model(x_test).unbind(1)
    print("test pinball", pinball(model(x_test), y_test).item())
print("share within the band", ((y_test > low) & (y_test < high)).float().mean().item())
