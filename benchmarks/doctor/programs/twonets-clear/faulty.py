import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(36)


KINDS = torch.randn(6, 16)


def draw(n):
    """Two noisy patterns; are they of the same kind?"""
    a, b = torch.randint(0, 6, (n,)), torch.randint(0, 6, (n,))
    b = torch.where(torch.rand(n) < 0.4, a, b)
    return KINDS[a] + 0.7 * torch.randn(n, 16), KINDS[b] + 0.7 * torch.randn(n, 16), (a == b).float()


encoder = nn.Sequential(nn.Linear(16, 48), nn.ReLU(), nn.Linear(48, 24))
judge = nn.Sequential(nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 1))
opt_encoder = torch.optim.SGD(encoder.parameters(), lr=0.05, momentum=0.9)
opt_judge = torch.optim.SGD(judge.parameters(), lr=0.05, momentum=0.9)

for step in range(1500):
    left, right, same = draw(64)
    u, v = encoder(left), encoder(right)
    logit = judge(torch.cat([(u - v).abs(), u * v], dim=1)).squeeze(1)
    loss = F.binary_cross_entropy_with_logits(logit, same)
    opt_judge.zero_grad()
    loss.backward()
    opt_encoder.step()
    opt_judge.step()
    if step % 300 == 0:
        print(f"{step:5d} {loss.item():.4f}")

left, right, same = draw(600)
with torch.no_grad():
    u, v = encoder(left), encoder(right)
    logit = judge(torch.cat([(u - v).abs(), u * v], dim=1)).squeeze(1)
print("accuracy on fresh pairs", ((logit > 0).float() == same).float().mean().item())
