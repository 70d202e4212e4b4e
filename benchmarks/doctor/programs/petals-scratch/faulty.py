# Lecture 5: a network with one hidden layer from scratch (autograd does the derivatives)
import numpy as np
import torch

torch.manual_seed(0)
np.random.seed(1)


def load_planar_dataset(m=1200):
    """The flower: points on petals, red or blue."""
    n = m // 2
    X = np.zeros((m, 2))
    Y = np.zeros((m, 1))
    for j in range(2):
        ix = range(n * j, n * (j + 1))
        t = np.linspace(j * 3.12, (j + 1) * 3.12, n) + np.random.randn(n) * 0.15
        r = 4 * np.sin(4 * t) + np.random.randn(n) * 0.2
        X[ix] = np.c_[r * np.sin(t), r * np.cos(t)]
        Y[ix] = j
    mix = np.random.permutation(m)
    return torch.tensor(X[mix], dtype=torch.float32), torch.tensor(Y[mix], dtype=torch.float32)


X, Y = load_planar_dataset()
X_train, Y_train, X_test, Y_test = X[:900], Y[:900], X[900:], Y[900:]
n_x, n_h, n_y = 2, 24, 1


def initialize_parameters():
    W1 = torch.zeros(n_x, n_h)
    b1 = torch.zeros(1, n_h)
    W2 = torch.zeros(n_h, n_y)
    b2 = torch.zeros(1, n_y)
    return [p.requires_grad_(True) for p in (W1, b1, W2, b2)]


def forward_propagation(X, parameters):
    W1, b1, W2, b2 = parameters
    A1 = torch.tanh(X @ W1 + b1)
    A2 = torch.sigmoid(A1 @ W2 + b2)
    return A2


def compute_cost(A2, Y):
    return -(Y * torch.log(A2 + 1e-7) + (1 - Y) * torch.log(1 - A2 + 1e-7)).mean()


def update_parameters(parameters, learning_rate):
    with torch.no_grad():
        for p in parameters:
            p -= learning_rate * p.grad
            p.grad = None


parameters = initialize_parameters()
for i in range(250):
    for rows in torch.randperm(900).split(30):
        A2 = forward_propagation(X_train[rows], parameters)
        cost = compute_cost(A2, Y_train[rows])
        cost.backward()
        update_parameters(parameters, learning_rate=0.3)
    if i % 50 == 0:
        with torch.no_grad():
            print("Cost after epoch %i: %f" % (i, compute_cost(forward_propagation(X_train, parameters), Y_train)))

with torch.no_grad():
    predictions = (forward_propagation(X_test, parameters) > 0.5).float()
print("Accuracy: %f" % (predictions == Y_test).float().mean())
