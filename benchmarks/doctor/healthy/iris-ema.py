import numpy as np
import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedKFold
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

X, y = load_iris(return_X_y=True)


def fit_fold(train, test, seed):
    torch.manual_seed(seed)
    low, high = X[train].min(0), X[train].max(0)
    to_x = lambda rows: torch.tensor(2 * (X[rows] - low) / (high - low) - 1, dtype=torch.float32)
    x_train, x_test = to_x(train), to_x(test)
    t_train, t_test = torch.tensor(y[train]), torch.tensor(y[test])

    net = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))
    ema = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.98))
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    for epoch in range(60):
        for rows in torch.randperm(len(train)).split(15):
            opt.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(x_train[rows]), t_train[rows])
            loss.backward()
            opt.step()
            ema.update_parameters(net)
    print("   loss", round(loss.item(), 4))
    with torch.no_grad():
        return (ema(x_test).argmax(1) == t_test).float().mean().item()


scores = []
for k, (train, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=4).split(X, y)):
    scores.append(fit_fold(train, test, seed=100 + k))
    print("fold", k, "accuracy", round(scores[-1], 4))
print("mean accuracy", np.mean(scores))
