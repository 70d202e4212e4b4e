import torch
from torch import nn

torch.manual_seed(17)


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.value = nn.Linear(64, 1)
        self.kind = nn.Linear(64, 3)

    def forward(self, x):
        h = self.trunk(x)
        return {"value": self.value(h).squeeze(-1), "kind": self.kind(h)}


x = torch.randn(2000, 6)
value = torch.sin(x[:, 0]) + x[:, 1] * 0.5 + 0.1 * torch.randn(2000)
value = value / value.std()
kind = torch.stack([x[:, 2] + x[:, 0], x[:, 3], x[:, 4] * 1.2], 1).argmax(1)
model = Shared()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
mse, ce = nn.MSELoss(), nn.CrossEntropyLoss()
for epoch in range(20):
    for i in torch.randperm(1600).split(50):
        out = model(x[i])
        loss_value, loss_kind = mse(out["value"], value[i]), ce(out["kind"], kind[i])
        loss = loss_value + 0.5 * loss_kind
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: value {loss_value.item():.4f} kind {loss_kind.item():.4f}")
model.eval()
with torch.no_grad():
    out = model(x[1600:])
    r2 = 1 - mse(out["value"], value[1600:]).item() / value[1600:].var().item()
    acc = (out["kind"].argmax(1) == kind[1600:]).float().mean().item()
print(f"R2 {r2:.4f} accuracy {acc:.4f}")
print("mean score", (r2 + acc) / 2)
