import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(15)
N, K = 400, 4
community = torch.randint(0, K, (N,))
same = community[:, None] == community[None]
A = (torch.rand(N, N) < torch.where(same, 0.06, 0.008)).float().triu(1)
A = A + A.T + torch.eye(N)
D = A.sum(1).rsqrt()
A = D[:, None] * A * D[None]
X = F.one_hot(community, K).float() @ torch.randn(K, 16) * 0.6 + torch.randn(N, 16)
train = torch.zeros(N, dtype=torch.bool)
train[torch.randperm(N)[:80]] = True


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1 = nn.Linear(16, 24)
        self.w2 = nn.Linear(24, K)

    def forward(self, x, a):
        x = F.dropout(F.relu(a @ self.w1(x)), 0.4, self.training)
        return a @ self.w2(x)


model = GCN()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-3)
for epoch in range(150):
    model.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(model(X, A)[train], community[train])
    loss.backward()
    optimizer.step()
    if epoch % 30 == 29:
        print(f"epoch {epoch + 1} loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    acc = (model(X, A).argmax(1) == community)[~train].float().mean().item()
print("accuracy on unlabelled nodes", acc)
