import torch
from torch import nn

torch.manual_seed(29)
factors = torch.randn(1500, 4)
loadings = torch.randn(4, 24)
X = factors @ loadings + 0.8 * torch.randn(1500, 24)
X = X - X[:1200].mean(0)
X = X / X[:1200].std(0)

encode = nn.Linear(24, 4, bias=False)
decode = nn.Linear(4, 24, bias=False)
parameters = list(encode.parameters()) + list(decode.parameters())
optimizer = torch.optim.Adam(parameters, lr=5e-3)
for epoch in range(30):
    for rows in torch.randperm(1200).split(40):
        code = encode(X[rows])
        loss = (decode(code) - X[rows]).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "error", round(loss.item(), 4))

with torch.no_grad():
    rest = (decode(encode(X[1200:])) - X[1200:]).pow(2).sum()
    whole = X[1200:].pow(2).sum()
print("explained variance", (1 - rest / whole).item())
