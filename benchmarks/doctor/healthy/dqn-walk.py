import copy
import random

import torch
from torch import nn

random.seed(23)
torch.manual_seed(23)
SIZE, GOAL, GAMMA = 9, 6, 0.9


def step(state, action):
    state = min(SIZE - 1, max(0, state + (1 if action else -1)))
    return state, float(state == GOAL), state == GOAL


def encode(states):
    return nn.functional.one_hot(torch.tensor(states), SIZE).float()


q = nn.Sequential(nn.Linear(SIZE, 32), nn.ReLU(), nn.Linear(32, 2))
target = copy.deepcopy(q)
optimizer = torch.optim.Adam(q.parameters(), lr=5e-3)
memory, updates = [], 0
for episode in range(120):
    state = random.randrange(SIZE)
    for _ in range(20):
        if state == GOAL:
            break
        if random.random() < max(0.1, 1 - episode / 60):
            action = random.randrange(2)
        else:
            with torch.no_grad():
                action = int(q(encode([state])).argmax())
        following, reward, done = step(state, action)
        memory.append((state, action, reward, following, done))
        state = following
        if len(memory) >= 32:
            s, a, r, n, d = zip(*random.sample(memory[-2000:], 32))
            with torch.no_grad():
                goal = torch.tensor(r) + GAMMA * target(encode(n)).max(1).values * (1 - torch.tensor(d).float())
            value = q(encode(s)).gather(1, torch.tensor(a).unsqueeze(1)).squeeze(1)
            loss = nn.functional.smooth_l1_loss(value, goal)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            updates += 1
            if updates % 50 == 0:
                target.load_state_dict(q.state_dict())
    if episode % 30 == 29:
        print(f"episode {episode + 1} loss {loss.item():.5f}")
states = [s for s in range(SIZE) if s != GOAL]
with torch.no_grad():
    moves = q(encode(states)).argmax(1)
print("share of optimal moves", sum(int(m) == int(s < GOAL) for s, m in zip(states, moves)) / len(states))
