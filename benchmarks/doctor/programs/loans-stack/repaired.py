# Second stage of a credit model: a small network on top of the raw columns and the opinion of a forest.
import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(14)

rng = np.random.default_rng(14)
N, P = 3000, 40
common = rng.normal(size=(N, 4))
X = rng.normal(size=(N, P)) + common @ rng.normal(0, 0.4, size=(4, P))
burden = X @ rng.normal(size=P) / np.sqrt(P) + 0.4 * X[:, 0] * X[:, 1] + 0.25 * rng.normal(size=N)
y = (burden > 0.2).astype(int)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=1, stratify=y)

forest = RandomForestClassifier(n_estimators=60, max_depth=None, random_state=0)
forest.fit(X_train, y_train)
opinion_train = cross_val_predict(forest, X_train, y_train, cv=5, method="predict_proba")[:, 1]
opinion_test = forest.predict_proba(X_test)[:, 1]

scaler = StandardScaler()
train_features = scaler.fit_transform(np.column_stack([X_train, opinion_train]))
test_features = scaler.transform(np.column_stack([X_test, opinion_test]))

xt = torch.tensor(train_features, dtype=torch.float32)
yt = torch.tensor(y_train, dtype=torch.float32)
xv = torch.tensor(test_features, dtype=torch.float32)
yv = torch.tensor(y_test, dtype=torch.float32)

model = torch.nn.Sequential(
    torch.nn.Linear(41, 64),
    torch.nn.ReLU(),
    torch.nn.Dropout(0.3),
    torch.nn.Linear(64, 32),
    torch.nn.ReLU(),
    torch.nn.Linear(32, 1),
)
loss_fn = torch.nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-3)

n_epochs, batch_size = 25, 50
for epoch in range(n_epochs):
    model.train()
    order = torch.randperm(len(xt))
    for start in range(0, len(xt), batch_size):
        batch = order[start:start + batch_size]
        loss = loss_fn(model(xt[batch]).squeeze(1), yt[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    decision = (model(xv).squeeze(1) > 0).float()
print("Accuracy on test set:", (decision == yv).float().mean().item())
