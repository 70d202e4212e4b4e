"""Will the batch crystallise? Trained on the reactor in Leuna, used at the sister plant in Texas."""
import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(77)
rng = np.random.default_rng(77)


def batches(n):
    temperature = rng.normal(74, 5, n)      # jacket, deg C
    outlet = temperature - rng.gamma(4, 1.2, n)
    pressure = rng.normal(2.6, 0.35, n)     # bar
    stirrer = rng.normal(210, 25, n)        # rpm
    ph = rng.normal(6.8, 0.3, n)
    purity = rng.normal(97.5, 0.9, n)
    score = (-(outlet - 69) / 5 - 0.9 * (pressure - 2.6) / 0.35 + 0.7 * (stirrer - 210) / 25
             + 0.8 * np.abs(ph - 6.8) / 0.3 + 0.4 * (purity - 97.5) - 0.6)
    return np.stack([temperature, outlet, pressure, stirrer, ph, purity], 1), (score + rng.normal(0, 0.3, n) > 0)


def load_leuna():
    return batches(2000)


def load_texas():
    # as their historian writes it: deg F and psi
    rows, crystals = batches(800)
    rows[:, :2] = rows[:, :2] * 1.8 + 32
    rows[:, 2] = rows[:, 2] * 14.504
    return rows, crystals


x, y = load_leuna()
x_new, y_new = load_texas()

mu, sigma = x.mean(0), x.std(0)
to_tensor = lambda a: torch.as_tensor(a, dtype=torch.float32)
x, x_new = to_tensor((x - mu) / sigma), to_tensor((x_new - mu) / sigma)
y, y_new = to_tensor(y), to_tensor(y_new)
x_val, y_val, x, y = x[1700:], y[1700:], x[:1700], y[:1700]

net = nn.Sequential(nn.Linear(6, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1), nn.Flatten(0))
opt = torch.optim.RMSprop(net.parameters(), lr=1e-3)
bce = nn.BCEWithLogitsLoss()

best, state, waited = float("inf"), None, 0
for epoch in range(60):
    net.train()
    for i in torch.randperm(len(x)).split(50):
        opt.zero_grad()
        bce(net(x[i]), y[i]).backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        val = bce(net(x_val), y_val).item()
    print("epoch %d  val loss %.4f" % (epoch, val))
    if val < best - 1e-4:
        best, waited = val, 0
        state = {k: v.clone() for k, v in net.state_dict().items()}
    else:
        waited += 1
        if waited == 8:
            break

net.load_state_dict(state)
net.eval()
with torch.no_grad():
    print("validation accuracy (Leuna): %.4f" % ((net(x_val) > 0) == y_val.bool()).float().mean())
    accuracy = ((net(x_new) > 0) == y_new.bool()).float().mean()
print("accuracy in Texas: %.4f" % accuracy)
