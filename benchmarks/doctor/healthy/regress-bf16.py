import torch
from torch import nn

torch.manual_seed(10)
x = torch.rand(2000, 4) * 2 - 1
y = (torch.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] - 0.5 * x[:, 3]).unsqueeze(1)
y = (y - y.mean()) / y.std() + 0.05 * torch.randn(2000, 1)

model = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
loss_fn = nn.MSELoss()
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1.0, (s + 1) / 50))

step = 0
for epoch in range(20):
    for rows in torch.randperm(1600).split(64):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = model(x[rows])
        loss = loss_fn(out.float(), y[rows])
        loss.backward()
        optimizer.step()
        scheduler.step()
        step += 1
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} step {step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    residual = loss_fn(model(x[1600:]), y[1600:]).item()
print(f"R2 {1 - residual / y[1600:].var().item():.4f}")
