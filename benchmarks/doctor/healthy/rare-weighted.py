import torch
from sklearn.metrics import balanced_accuracy_score
from torch import nn

torch.manual_seed(7)
n = 4500
rare = torch.rand(n) < 1 / 30
x = torch.randn(n, 6)
x[rare] = x[rare] * 0.8 + torch.tensor([1.6, -1.4, 0.0, 1.2, 0.0, 0.0])
y = rare.float()
x_train, y_train, x_test, y_test = x[:3000], y[:3000], x[3000:], y[3000:]

net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
weight = (y_train == 0).sum() / (y_train == 1).sum()
loss_fn = nn.BCEWithLogitsLoss(pos_weight=weight)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(12):
    total = 0.0
    for rows in torch.randperm(3000).split(100):
        optimizer.zero_grad()
        loss = loss_fn(net(x_train[rows]).squeeze(1), y_train[rows])
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch + 1} loss {total / 30:.4f}")
with torch.no_grad():
    said = (net(x_test).squeeze(1) > 0).int()
print("accuracy", (said == y_test.int()).float().mean().item())
print("balanced accuracy", balanced_accuracy_score(y_test.int().numpy(), said.numpy()))
