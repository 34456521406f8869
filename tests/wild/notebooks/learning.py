# A small network trained over cells; needs torch.

# %%
import torch
from torch import nn, optim

torch.manual_seed(3)

# %%
x = torch.rand(20, 1)
y = 2 * x + 1 + 0.1 * torch.randn(20, 1)

# %%
model = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))
optimizer = optim.SGD(model.parameters(), lr=0.1)
losses = []
model

# %%
def step():
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


# %%
for epoch in range(5):
    losses.append(step())
print([round(loss, 4) for loss in losses])

# %%
for epoch in range(5):
    losses.append(step())
losses[-1] < losses[0]

# %%
model.eval()
with torch.no_grad():
    prediction = model(x[:2])
prediction
