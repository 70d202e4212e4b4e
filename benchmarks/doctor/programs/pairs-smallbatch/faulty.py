import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(58)
x = torch.randn(1500, 16)
w = torch.randn(3, 16)
y = ((x @ w.T) + 1.5 * torch.randn(1500, 3)).argmax(1)
x_test = torch.randn(500, 16)
y_test = (x_test @ w.T).argmax(1)

net = nn.Sequential(nn.Linear(16, 48), nn.ReLU(), nn.Linear(48, 3))
opt = torch.optim.SGD(net.parameters(), lr=0.08, momentum=0.9)
loader = DataLoader(TensorDataset(x, y), batch_size=1, shuffle=True)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(4):
    for a, b in loader:
        opt.zero_grad()
        loss = loss_fn(net(a), b)
        loss.backward()
        opt.step()
    print("epoch", epoch, loss.item())
with torch.no_grad():
    print("test accuracy", (net(x_test).argmax(1) == y_test).float().mean().item())
