"""Gene by tissue table with two thirds of the cells empty, completed by a rank-4 factorisation; plain gradient descent."""
import torch

torch.manual_seed(18)

GENES, TISSUES, RANK = 220, 90, 4
truth = torch.randn(GENES, RANK) @ torch.randn(TISSUES, RANK).T / RANK ** 0.5
table = truth + 0.1 * torch.randn(GENES, TISSUES)
seen = torch.rand(GENES, TISSUES) < 0.33

U = torch.nn.Parameter(0.1 * torch.randn(GENES, RANK))
V = torch.nn.Parameter(0.1 * torch.randn(TISSUES, RANK))
# the mean over all cells makes the gradients of one row tiny
optimizer = torch.optim.SGD([U, V], lr=150.0)

for step in range(2500):
    optimizer.zero_grad()
    residual = torch.where(seen, U @ V.T - table, 0.0)
    loss = (residual ** 2).mean() + 2e-6 * ((U ** 2).sum() + (V ** 2).sum())
    loss.backward()
    optimizer.step()
    if step % 250 == 0:
        print(f"step {step:4d} loss {loss.item():.5f}")

with torch.no_grad():
    rest = (U @ V.T - table)[~seen]
    r2 = 1 - (rest ** 2).mean() / table[~seen].var()
print(f"R2 on hidden cells {r2.item():.4f}")
