"""System identification: one step of a damped pendulum with a motor, from measured states. Full batch, quasi-Newton."""
import numpy as np
import torch

torch.manual_seed(5)
torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(5)


def step(state, u, dt=0.15, substeps=10):
    theta, omega = state[:, 0].copy(), state[:, 1].copy()
    for _ in range(substeps):
        omega += dt / substeps * (-4.0 * np.sin(theta) - 0.3 * omega + u)
        theta += dt / substeps * omega
    return np.stack([theta, omega], 1)


states = np.stack([rng.uniform(-np.pi, np.pi, 900), rng.uniform(-4, 4, 900)], 1)
torque = rng.uniform(-3, 3, 900)
change = step(states, torque) - states + rng.normal(0, 0.01, (900, 2))

features = np.column_stack([states, torque])
features = torch.tensor((features - features.mean(0)) / features.std(0))
target = torch.tensor((change - change.mean(0)) / change.std(0))
x, x_new, t, t_new = features[:600], features[600:], target[:600], target[600:]

net = torch.nn.Sequential(torch.nn.Linear(3, 24), torch.nn.Tanh(), torch.nn.Linear(24, 24), torch.nn.Tanh(), torch.nn.Linear(24, 2))
optimizer = torch.optim.LBFGS(net.parameters(), lr=1.0, max_iter=20, history_size=20, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    penalty = sum((p ** 2).sum() for p in net.parameters())
    loss = ((net(x) - t) ** 2).mean() + 1e-5 * penalty
    loss.backward()
    return loss


for i in range(25):
    loss = optimizer.step(closure)
    if i % 5 == 0:
        print(f"{i:3d} {loss.item():.6f}")

with torch.no_grad():
    r2 = 1 - ((net(x_new) - t_new) ** 2).sum() / ((t_new - t_new.mean(0)) ** 2).sum()
print(f"R2 on new states {r2.item():.4f}")
