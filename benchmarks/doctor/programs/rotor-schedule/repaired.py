import torch
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR

torch.manual_seed(46)
speed = torch.rand(1800, 1) * 2 - 1
load = torch.rand(1800, 1) * 2 - 1
tilt = torch.rand(1800, 1) * 2 - 1
x = torch.cat([speed, load, tilt], 1)
torque = torch.sin(3 * speed) * load + 0.5 * tilt ** 2 + 0.02 * torch.randn(1800, 1)
torque = (torque - torque.mean()) / torque.std()


class Torque(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 50)
        self.b = nn.Linear(50, 50)
        self.c = nn.Linear(50, 1)

    def forward(self, x):
        return self.c(torch.tanh(self.b(torch.tanh(self.a(x)))))


net = Torque()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
scheduler = ExponentialLR(optimizer, gamma=0.97)
mse = nn.MSELoss()
for epoch in range(30):
    for k in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = mse(net(x[k]), torque[k])
        loss.backward()
        optimizer.step()
    scheduler.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f} lr {scheduler.get_last_lr()[0]:.5f}")
with torch.no_grad():
    print("R2", 1 - (mse(net(x[1500:]), torque[1500:]) / torque[1500:].var()).item())
