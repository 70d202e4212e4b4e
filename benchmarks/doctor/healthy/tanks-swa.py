import torch
from torch import nn
from torch.optim.swa_utils import SWALR, AveragedModel

torch.manual_seed(27)
x = torch.randn(1600, 7)
y = torch.relu(x[:, 0]) + torch.relu(x[:, 1] - 0.5) * x[:, 2] + 0.5 * x[:, 3].abs() + 0.1 * torch.randn(1600)
y = ((y - y[:1200].mean()) / y[:1200].std()).unsqueeze(1)

model = nn.Sequential(nn.Linear(7, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
swa_model = AveragedModel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
swa_scheduler = SWALR(optimizer, swa_lr=0.02, anneal_epochs=3)
loss_fn = nn.MSELoss()
for epoch in range(40):
    for rows in torch.randperm(1200).split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    if epoch >= 20:
        swa_model.update_parameters(model)
        swa_scheduler.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}, loss {loss.item():.4f}")
swa_model.eval()
with torch.no_grad():
    error = loss_fn(swa_model(x[1200:]), y[1200:])
print("R2 with averaged weights", (1 - error / y[1200:].var()).item())
