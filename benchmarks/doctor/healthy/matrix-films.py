import torch
from torch import nn

torch.manual_seed(21)
USERS, FILMS = 200, 120
taste, kind = torch.randn(USERS, 3), torch.randn(FILMS, 3)
bias_u, bias_f = torch.randn(USERS) * 0.5, torch.randn(FILMS) * 0.5
u = torch.randint(0, USERS, (9000,))
f = torch.randint(0, FILMS, (9000,))
rating = (taste[u] * kind[f]).sum(1) * 0.8 + bias_u[u] + bias_f[f] + 0.3 * torch.randn(9000)
train, test = slice(0, 8000), slice(8000, 9000)


class Recommender(nn.Module):
    def __init__(self, dim=4):
        super().__init__()
        self.user = nn.Embedding(USERS, dim)
        self.film = nn.Embedding(FILMS, dim)
        self.user_bias = nn.Embedding(USERS, 1)
        self.film_bias = nn.Embedding(FILMS, 1)
        for table in (self.user, self.film):
            nn.init.normal_(table.weight, std=0.3)
        for table in (self.user_bias, self.film_bias):
            nn.init.zeros_(table.weight)

    def forward(self, u, f):
        return (self.user(u) * self.film(f)).sum(1) + self.user_bias(u)[:, 0] + self.film_bias(f)[:, 0]


model = Recommender()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-5)
mse = nn.MSELoss()
for epoch in range(15):
    for rows in torch.randperm(8000).split(100):
        optimizer.zero_grad()
        loss = mse(model(u[train][rows], f[train][rows]), rating[train][rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1} train mse {loss.item():.4f}")
with torch.no_grad():
    error = mse(model(u[test], f[test]), rating[test])
print("R2 on held-out ratings", (1 - error / rating[test].var()).item())
