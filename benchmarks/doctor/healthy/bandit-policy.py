import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(4)
ARMS, CONTEXT = 5, 4
means = torch.randn(CONTEXT, ARMS)

policy = nn.Sequential(nn.Linear(CONTEXT, 32), nn.ReLU(), nn.Linear(32, ARMS))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
baseline = torch.zeros(CONTEXT)

for episode in range(800):
    which = torch.randint(0, CONTEXT, (32,))
    state = nn.functional.one_hot(which, CONTEXT).float()
    dist = Categorical(logits=policy(state))
    action = dist.sample()
    reward = means[which, action] + 0.3 * torch.randn(32)
    advantage = reward - baseline[which]
    loss = -(dist.log_prob(action) * advantage).mean() - 0.01 * dist.entropy().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    for k in range(CONTEXT):
        if (which == k).any():
            baseline[k] += 0.1 * (reward[which == k].mean() - baseline[k])
    if episode % 200 == 0:
        print(f"episode {episode} reward {reward.mean().item():.3f} loss {loss.item():.3f}")

with torch.no_grad():
    probabilities = policy(torch.eye(CONTEXT)).softmax(1)
best = probabilities[torch.arange(CONTEXT), means.argmax(1)]
print("share of best arms", best.mean().item())
