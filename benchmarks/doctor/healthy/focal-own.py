import torch
from torch import nn


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, target):
        log_p = torch.log_softmax(logits, dim=-1)
        log_pt = log_p.gather(1, target.unsqueeze(1)).squeeze(1)
        pt = log_pt.exp()
        return (-((1 - pt) ** self.gamma) * log_pt).mean()


torch.manual_seed(12)
centres = torch.randn(7, 10) * 1.2
label = torch.randint(0, 7, (2100,))
x = centres[label] + torch.randn(2100, 10) * 0.8
x = (x - x[:1600].mean(0)) / x[:1600].std(0)

model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 7))
criterion = FocalLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(12):
    for idx in torch.randperm(1600).split(40):
        loss = criterion(model(x[idx]), label[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: {loss.item():.5f}")
with torch.no_grad():
    acc = (model(x[1600:]).argmax(1) == label[1600:]).float().mean().item()
print(f"accuracy {acc:.4f}")
