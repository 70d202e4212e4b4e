import torch

torch.manual_seed(26)
users, films, k = 60, 50, 3
U0, V0 = torch.randn(users, k), torch.randn(films, k)
ratings = U0 @ V0.T + 0.1 * torch.randn(users, films)
known = torch.rand(users, films) < 0.5


class Factors(torch.nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.u = torch.nn.Parameter(scale * torch.randn(users, k))
        self.m = torch.nn.Parameter(scale * torch.randn(k, k))
        self.v = torch.nn.Parameter(scale * torch.randn(films, k))

    def forward(self):
        return self.u @ self.m @ self.v.T


model = Factors(scale=1e-3)
optimizer = torch.optim.SGD(model.parameters(), lr=5.0, momentum=0.9)
for step in range(1500):
    optimizer.zero_grad()
    loss = ((model() - ratings)[known] ** 2).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.05)
    optimizer.step()
    if step % 250 == 0:
        print(f"step {step}: {loss.item():.4f}")

with torch.no_grad():
    error = ((model() - ratings)[~known] ** 2).mean()
    r2 = 1 - error / ratings[~known].var()
print(f"R2 on hidden ratings: {r2.item():.4f}")
