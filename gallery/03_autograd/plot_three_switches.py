"""
no_grad, detach, inference_mode: three ways to stop recording
=============================================================

All three give the value without its history. They differ in what may be
done with the result afterwards, and that decides which one to take.
"""

# curriculum: C5.10
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()
x = torch.tensor(3.0, device=device, requires_grad=True)

# %%
# The same square, four times.

recorded = x**2
detached = (x**2).detach()
with torch.no_grad():
    unrecorded = x**2
with torch.inference_mode():
    inferred = x**2
results = {
    "recorded": recorded,
    "detach()": detached,
    "no_grad()": unrecorded,
    "inference_mode()": inferred,
}
print({name: result.item() for name, result in results.items()})

# %%
# What can be done with each? Nothing is looked up here: each question is a
# small program, and the answer is whether it ran.


def can_go_back(y):
    torch.autograd.grad(y, x, retain_graph=True)


def can_enter_a_graph(y):
    w = torch.tensor(1.0, device=device, requires_grad=True)
    torch.autograd.grad(w * y, w)


def can_be_marked(y):
    y.detach().requires_grad_()


def can_be_changed_in_place(y):
    y += 1


def runs(question, y):
    try:
        question(y)
    except RuntimeError:
        return False
    return True


questions = {
    "gradient reaches x": can_go_back,
    "may enter a new graph": can_enter_a_graph,
    "may become a leaf": can_be_marked,
    "may change in place": can_be_changed_in_place,
}
allowed = {
    name: [q for q, question in questions.items() if runs(question, y)]
    for name, y in results.items()
}
answers = torch.tensor(
    [[q in allowed[name] for name in results] for q in questions]
)

# %%
# A dot is a yes, a cross is a no.

fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for marker, color, chosen in (("o", "C0", answers), ("x", "C1", ~answers)):
    rows, columns = chosen.nonzero().T
    ax.scatter(columns, rows, s=120, marker=marker, color=color)
ax.set_xticks(range(len(results)), list(results))
ax.set_yticks(range(len(questions)), list(questions))
ax.set(xlim=(-0.5, 3.5), ylim=(3.5, -0.5))
ax.xaxis.tick_top()
fig.set_label(
    "A table of yes and no. "
    + " ".join(
        f"{name}: {', '.join(allowed[name]) or 'none of these'}."
        for name in results
    )
)

# %%
# **Where it breaks.** A tensor of ``inference_mode`` is the fastest to
# make, because torch keeps no version counter for it. Without a counter it
# could not notice a later change, so it refuses to save it for a backward.

w = torch.tensor(1.0, device=device, requires_grad=True)
try:
    w * inferred
except RuntimeError as error:
    refusal = str(error)
print(refusal.split(". ")[0])

# %%
# **A second trap.** ``detach()`` cuts the history and shares the memory;
# the value of ``no_grad()`` is a new tensor. A change of the detached one
# changes the original.

y = x**2
y.detach().add_(100)
print(f"y is now {y.item():g}")

# %%
# **Which one?** ``inference_mode`` for a whole evaluation whose results
# never return to training; ``no_grad`` for steps of an optimizer and
# everything in doubt; ``detach`` for *one* tensor in the middle of a
# computation that is otherwise recorded.

assert answers[0].tolist() == [True, False, False, False]
assert answers[1].tolist() == [True, True, True, False]
assert allowed["inference_mode()"] == []
assert "Inference tensors" in refusal
assert y == 109
plt.show()
