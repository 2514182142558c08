"""Programs that fail as people's programs do, and what explain must say: add one here.

Each is a function that fails, marked with the name of its pitfall, or None if explain
has to be silent, and the first words of its only cause.
"""

import copy

import numpy as np
import torch
from torch import nn, optim
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

PROGRAMS = []


def fails_with(name, cause=""):
    def mark(function):
        PROGRAMS.append((function, name, cause))
        return function

    return mark


def leaf(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


@fails_with("no-history", "Nothing that the loss")
def unmarked():
    x = torch.ones(2)
    loss = (x**2).sum()
    loss.backward()


@fails_with("no-history", "The loss was computed under no_grad")
def not_recorded():
    x = leaf(1.0)
    with torch.no_grad():
        loss = (x**2).sum()
    loss.backward()


@fails_with("no-history", "The loss was computed under no_grad")
@torch.no_grad()
def not_recorded_at_all():
    x = leaf(1.0)
    (x**2).sum().backward()


@fails_with("no-history", "The loss was computed under no_grad")
def recording_switched_off():
    x = leaf(1.0)
    torch.set_grad_enabled(False)
    (x**2).sum().backward()


@fails_with("no-history", "All parameters of the module are frozen")
def frozen():
    module = nn.Linear(2, 1).requires_grad_(False)
    module(torch.ones(1, 2)).sum().backward()


@fails_with("no-history", "detach(), item(), numpy()")
def detached():
    x = leaf(1.0)
    prediction = (3 * x).detach()
    ((prediction - 1) ** 2).sum().backward()


@fails_with("no-history", "detach(), item(), numpy()")
def detached_in_a_module():
    class Detaching(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def forward(self, x):
            return self.layer(x).detach()

    module = Detaching()
    loss = module(torch.ones(1, 1)).sum()
    loss.backward()


@fails_with("no-history", "torch.tensor([...]) copies")
def copied():
    x = leaf(1.0, 2.0)
    total = torch.tensor([x.sum()])
    total.sum().backward()


@fails_with("no-history", "A comparison or an argmax")
def compared():
    scores, labels = leaf(1.0, -1.0), torch.tensor([True, False])
    accuracy = ((scores > 0) == labels).float().mean()
    accuracy.backward()


@fails_with("no-history", "A gradient is a plain number")
def differentiated():
    x = leaf(2.0)
    (slope,) = torch.autograd.grad((x**3).sum(), x)
    slope.sum().backward()


@fails_with("second-backward", "The same loss")
def same_loss_in_a_loop():
    loss = (leaf(2.0) ** 3).sum()
    for _ in range(2):
        loss.backward()


@fails_with("second-backward", "Two losses share")
def shared_with_a_loop():
    features = leaf(2.0).exp()
    for factor in (1, 2):
        loss = (factor * features).cos().sum()
        loss.backward()


@fails_with("second-backward", "The same loss")
def same_loss():
    x = leaf(2.0)
    loss = (x**3).sum()
    loss.backward()
    loss.backward()


@fails_with("second-backward", "A state carried over")
def carried_over():
    cell, hidden = nn.RNNCell(1, 2), torch.zeros(1, 2)
    for _ in range(2):
        hidden = cell(torch.ones(1, 1), hidden)
        loss = hidden.square().sum()
        loss.backward()


@fails_with("second-backward", "Two losses share")
def shared_trunk():
    trunk, first, second = nn.Linear(2, 3), nn.Linear(3, 1), nn.Linear(3, 1)
    features = trunk(torch.ones(1, 2)).tanh()
    first(features).square().sum().backward()
    second(features).square().sum().backward()


@fails_with("none-as-number", "There is no gradient yet")
def no_gradient_yet():
    w = leaf(2.0)
    return w - 0.1 * w.grad


@fails_with("none-as-number", "backward() returns None")
def returned_by_backward():
    w = leaf(2.0)
    gradient = (w**2).sum().backward()
    return w - 0.1 * gradient


@fails_with("none-as-number", "w = w - …")
def rebound():
    w = leaf(2.0)
    for _ in range(2):
        (w**2).sum().backward()
        w = w - 0.1 * w.grad


@fails_with("classes-of-wrong-shape", "The classes stand in a column")
def column_of_classes():
    functional.cross_entropy(torch.zeros(2, 3), torch.tensor([[0], [1]]))


@fails_with("classes-of-wrong-shape", "The target is one-hot")
def one_hot_classes():
    functional.nll_loss(torch.zeros(2, 3), torch.eye(2, 3).long())


@fails_with("integer-result", "The target of the loss")
def integer_target():
    target = torch.tensor([0, 1])
    functional.binary_cross_entropy_with_logits(leaf(0.0, 0.0), target)


@fails_with("integer-result", "A tensor keeps its dtype")
def integers_in_place():
    x = torch.tensor([1, 2])
    x += 0.5


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 8)
        self.fc2 = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc2(functional.relu(self.fc1(x)))


X = torch.linspace(-1, 1, 24).reshape(6, 4)
Y = torch.tensor([0, 1, 2, 0, 1, 2])


@fails_with("no-history", "A comparison")
def argmax_loss():
    net = Net()
    criterion = nn.L1Loss()
    for _ in range(2):
        pred = net(X).argmax(dim=1).float()
        loss = criterion(pred, Y.float())
        loss.backward()


@fails_with("no-history", "detach(), item()")
def numpy_metric():
    net = Net()
    out = net(X)
    loss = torch.from_numpy((out.detach().numpy() - 1) ** 2).mean()
    loss.backward()


@fails_with("no-history", "All parameters")
def transfer():
    model = Net()
    for param in model.parameters():
        param.requires_grad = False
    opt = optim.SGD(model.parameters(), lr=0.1)
    loss = functional.cross_entropy(model(X), Y)
    opt.zero_grad()
    loss.backward()


@fails_with("no-history", "The loss was computed")
def evaluate_then_train():
    model = Net()

    def evaluate(model, x, y):
        with torch.no_grad():
            return functional.cross_entropy(model(x), y)

    loss = evaluate(model, X, Y)
    loss.backward()


@fails_with("no-history", "The loss was computed")
def inference():
    model = Net()
    with torch.inference_mode():
        out = model(X)
    loss = out.sum()
    loss.backward()


@fails_with("no-history", "torch.tensor")
def collects():
    model = Net()
    losses = [functional.cross_entropy(model(X), Y) for _ in range(3)]
    total = torch.tensor(losses).mean()
    total.backward()


@fails_with("no-history", "Nothing")
def variable():
    a = torch.autograd.Variable(torch.ones(2))
    b = a * 3
    c = b.mean()
    c.backward()


@fails_with("no-history", "detach(), item()")
def loss_data():
    model = Net()
    loss = functional.cross_entropy(model(X), Y)
    total = 0.0
    total = total + loss.data
    total.backward()


@fails_with("no-history", "A gradient is")
def penalty():
    model = Net()
    x = X.clone().requires_grad_()
    g = torch.autograd.grad(model(x).sum(), x)[0]
    pen = ((g.norm(2, dim=1) - 1) ** 2).mean()
    pen.backward()


@fails_with("second-backward", "A state")
def rnn():
    m = nn.LSTM(4, 5, batch_first=True)
    opt = optim.SGD(m.parameters(), lr=0.1)
    hidden = None
    for _ in range(3):
        out, hidden = m(X[None], hidden)
        loss = out.pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()


@fails_with("second-backward", "Two losses")
def two_heads():
    m = Net()
    feat = m.fc1(X).tanh()
    l1 = m.fc2(feat).pow(2).sum()
    l2 = feat.pow(2).sum()
    l1.backward()
    l2.backward()


@fails_with("second-backward", "Two losses")
def gan():
    G, D = nn.Linear(2, 4), nn.Linear(4, 1)
    for _ in range(1):
        fake = G(torch.ones(3, 2)).tanh()
        d_loss = D(fake).sigmoid().log().mean()
        d_loss.backward()
        g_loss = (1 - D(fake).sigmoid()).log().mean()
        g_loss.backward()


@fails_with("second-backward", "The same")
def two_epochs():
    m = Net()
    loss = functional.cross_entropy(m(X), Y)
    opt = optim.Adam(m.parameters())
    for _ in range(2):
        opt.zero_grad()
        loss.backward()
        opt.step()


@fails_with("second-backward", "Two losses")
def precomputed():
    w = torch.eye(4, requires_grad=True)
    A = torch.matrix_exp(w)
    for x in X:
        loss = (A @ x).pow(2).sum()
        loss.backward()


@fails_with("changed-in-place", "A step")
def gan_step():
    G, D = nn.Linear(2, 4), nn.Linear(4, 1)
    od = optim.SGD(D.parameters(), 0.1)
    fake = G(torch.ones(3, 2))
    g = D(fake).pow(2).mean()
    d = (1 - D(fake)).pow(2).mean()
    d.backward(retain_graph=True)
    od.step()
    g.backward()


@fails_with("changed-in-place", "Backward needs")
def relu_plus():
    class B(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = nn.Linear(4, 4)

        def forward(self, x):
            out = torch.sigmoid(self.c(x))
            out += x
            return out

    B()(X).sum().backward()


@fails_with("changed-in-place", "Backward needs")
def mask():
    x = torch.linspace(-1, 1, 5, requires_grad=True)
    y = x.exp()
    y[y > 1] = 0
    y.sum().backward()


@fails_with("non-scalar-backward")
def reduction_none():
    functional.cross_entropy(Net()(X), Y, reduction="none").backward()


@fails_with("numpy-of-tracked")
def plot_of_an_output():
    np.asarray(Net()(X))


@fails_with("grad-of-non-leaf")
def converted_leaf():
    x = torch.ones(2, requires_grad=True).to(torch.float64)
    (x**2).sum().backward()
    return x.grad


@fails_with("optimizer-of-non-leaf")
def optimizer_of_a_product():
    x = torch.ones(2, requires_grad=True) * 2
    optim.Adam([x])


@fails_with("none-as-number", "There is no")
def update_before_backward():
    m = Net()
    m(X)
    with torch.no_grad():
        for p in m.parameters():
            p -= 0.1 * p.grad


@fails_with("none-as-number", "There is no gradient yet")
def norm_before_backward():
    m = Net()
    total = 0
    for p in m.parameters():
        total += p.grad.norm()


@fails_with(None)
def unrelated_none():
    cfg = {"lr": None}
    return cfg["lr"] * 0.5


@fails_with("classes-of-wrong-shape", "The classes stand")
def column_of_classes_again():
    functional.cross_entropy(Net()(X), Y[:, None])


@fails_with("classes-of-wrong-shape", "The target is one-hot")
def one_hot_target():
    nn.CrossEntropyLoss()(Net()(X), functional.one_hot(Y, 3))


@fails_with("classes-out-of-range")
def classes_from_one():
    nn.NLLLoss()(Net()(X).log_softmax(1), Y + 1)


@fails_with("classes-are-not-integers")
def float_classes():
    nn.CrossEntropyLoss()(Net()(X), Y.float())


@fails_with("target-broadcast")
def column_of_scores():
    nn.BCEWithLogitsLoss()(nn.Linear(4, 1)(X), torch.ones(6))


@fails_with("dtype-mismatch", "NumPy")
def data_from_numpy():
    Net()(torch.from_numpy(np.ones((6, 4))))


@fails_with("dtype-mismatch", "One of the two is in half")
def half_module():
    Net().half()(X)


@fails_with("dtype-mismatch", "The data are integers")
def integer_data():
    Net()(torch.ones(6, 4, dtype=torch.long))


@fails_with("input-and-weight-type", "An image")
def image_of_bytes():
    nn.Conv2d(3, 2, 3)(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


@fails_with("input-and-weight-type", "One of the two is in half")
def half_layer_of_images():
    nn.Conv2d(3, 2, 3).half()(torch.ones(1, 3, 8, 8))


@fails_with("integer-result", "The target")
def integer_target_of_logits():
    nn.BCEWithLogitsLoss()(
        torch.zeros(6, requires_grad=True), torch.ones(6, dtype=torch.long)
    ).backward()


@fails_with("loss-dtype", "The target is float64")
def float64_target():
    functional.binary_cross_entropy(
        torch.full((2,), 0.5, requires_grad=True), torch.ones(2, dtype=torch.float64)
    ).backward()


@fails_with("in-place-on-leaf")
def update_in_place():
    m = Net()
    m(X).sum().backward()
    for p in m.parameters():
        p -= 0.1 * p.grad


@fails_with("in-place-on-leaf")
def initialization_in_place():
    m = Net()
    m.fc1.weight.fill_(0.0)


@fails_with("in-place-on-view-of-leaf")
def entry_of_a_bias():
    m = Net()
    m.fc1.bias[0] = 1


@fails_with("batch-norm-of-one")
def batch_of_one():
    nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))(X[:1])


@fails_with("index-out-of-range")
def word_beyond_the_embedding():
    nn.Embedding(10, 3)(torch.tensor([10]))


@fails_with("backward-of-a-number")
def item():
    functional.cross_entropy(Net()(X), Y).item().backward()


@fails_with("empty-optimizer")
def layers_in_a_list():
    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.l = [nn.Linear(1, 1)]

    optim.Adam(M().parameters())


@fails_with("unused-input")
def unused():
    m = Net()
    torch.autograd.grad(m.fc1(X).sum(), list(m.parameters()))


@fails_with("deepcopy-of-non-leaf")
def copy_of_a_module_that_caches():
    m = Net()
    m.cache = m(X)
    copy.deepcopy(m)


@fails_with("anomaly-found", "A root")
def spread_of_equal_numbers():
    x = torch.ones(3, requires_grad=True)
    with torch.autograd.detect_anomaly():
        ((x - x.mean()) ** 2).mean().sqrt().backward()


@fails_with("anomaly-found", "A logarithm of 0 is minus infinity")
def entropy_of_a_certain_event():
    p = torch.tensor([0.0, 1.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        (p * p.log()).nan_to_num().sum().backward()


@fails_with("tensor-of-tensor")
def tensor_of_a_tensor():
    torch.tensor(X)


@fails_with("in-place-on-one-of-many-views")
def half_of_a_chunk():
    first, _ = Net()(X).chunk(2)
    first *= 2


@fails_with("item-under-vmap")
def item_under_vmap():
    torch.vmap(lambda x: x.item())(X[0])


@fails_with(None)
def shape():
    Net()(torch.ones(2, 3))


@fails_with(None)
def out_of_memory():
    raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")


@fails_with("requires-grad-of-non-leaf")
def switched_off_behind_the_module():
    m = Net()
    o = m(X)
    o.requires_grad = False


@fails_with("no-history", "The loss was computed under no_grad")
def losses_collected_by_a_silent_function():
    module, losses = nn.Linear(2, 1), []

    def act(x):
        with torch.no_grad():
            return module(x).mean()

    for x in torch.ones(3, 1, 2):
        value = act(x)
        losses.append(value)
    torch.stack(losses).sum().backward()


@fails_with("no-history", "The loss was computed under no_grad")
def predicted_by_a_decorated_function():
    module = nn.Linear(2, 1)

    @torch.no_grad()
    def predict(x):
        return module(x)

    functional.mse_loss(predict(torch.ones(3, 2)), torch.ones(3, 1)).backward()


@fails_with("no-history", "A checkpoint with use_reentrant=True")
def checkpoint_of_frozen_features():
    embedding = nn.Embedding(3, 2).requires_grad_(False)
    layer, features = nn.Linear(2, 1), embedding(torch.tensor([0, 1]))
    checkpoint(layer, features, use_reentrant=True).sum().backward()


class Remembers(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.RNNCell(2, 2)
        self.state = torch.zeros(1, 2)

    def forward(self, x):
        self.state = self.cell(x, self.state)
        return self.state.sum()


@fails_with("second-backward", "A state carried over")
def state_kept_by_the_module():
    def train(module, batches):
        for x in batches:
            module(x).backward()

    train(nn.Sequential(Remembers()), torch.ones(2, 1, 2))


@fails_with("second-backward", "Two losses share")
def computed_before_the_loop():
    logarithm = leaf(0.0)
    scale = logarithm.exp()
    for x in torch.ones(2, 3):
        loss = (scale * x).mean()
        loss.backward()


@fails_with("changed-in-place")
def changed_by_hand():
    w = leaf(1.0, 2.0)
    square, cube = (w**2).sum(), (w**3).sum()
    square.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    cube.backward()


@fails_with("none-as-number", "The tensor was computed from another")
def saliency_of_a_converted_image():
    image = torch.ones(1, 2, requires_grad=True).double()
    nn.Linear(2, 1).double()(image).sum().backward()
    image.grad.abs()


@fails_with("none-as-number", "There is no gradient yet")
def saliency_of_an_unmarked_image():
    image = torch.ones(1, 2)
    nn.Linear(2, 1)(image).sum().backward()
    return image.grad[0]


@fails_with(None)
def entry_of_an_unrelated_none():
    module, found = nn.Linear(2, 1), {}.get("metrics")
    module(torch.ones(1, 2)).sum().backward()
    return found["accuracy"]


@fails_with("none-as-number", "backward() returns None")
def sum_of_what_backward_returned():
    total = 0.0
    for x in torch.ones(2, 1, 2):
        total += nn.Linear(2, 1)(x).mean().backward()


@fails_with("empty-optimizer", "parameters() can be run through only once")
def counted_parameters():
    parameters = Net().parameters()
    module = nn.Linear(2, 1)
    for parameter in parameters:
        parameter.numel()
    optim.SGD(parameters, lr=0.1)
    module.train()


@fails_with("empty-optimizer", "All parameters of the module are frozen")
def only_frozen_parameters():
    module = nn.Linear(2, 1).requires_grad_(False)
    optim.Adam(filter(lambda p: p.requires_grad, module.parameters()))


@fails_with("backward-of-a-number", "The module or function returned several")
def loss_beside_the_output():
    def run(x):
        output = nn.Linear(2, 1)(x)
        return output.mean(), output

    run(torch.ones(1, 2)).backward()


@fails_with("loss-not-called")
def focal_loss():
    class FocalLoss(nn.Module):
        def __init__(self, alpha, gamma):
            super().__init__()

    FocalLoss(leaf(1.0), torch.ones(1)).backward()


@fails_with(None)
def truth_of_two_numbers():
    if torch.ones(2) > 0:
        pass


@fails_with(
    "classes-of-wrong-shape", "The classes stand in a column, (N, 1), or in a channel"
)
def mask_with_a_channel():
    mask = torch.zeros(2, 1, 4, 4, dtype=torch.long)
    functional.cross_entropy(torch.zeros(2, 3, 4, 4), mask)


@fails_with("classes-of-wrong-shape", "The scores of the classes stand last")
def scores_of_words():
    nn.CrossEntropyLoss()(torch.zeros(2, 5, 7), torch.zeros(2, 5, dtype=torch.long))


@fails_with("batch-sizes-differ")
def viewed_across_samples():
    rows = nn.Conv2d(1, 3, 3, padding=1)(torch.ones(2, 1, 4, 4)).view(-1, 24)
    functional.cross_entropy(rows, torch.tensor([0, 1]))


@fails_with("scaler-without-gradients", "The optimizer stepped by itself")
def update_of_an_idle_scaler():
    w, scaler = leaf(1.0), torch.amp.GradScaler("cpu")
    optimizer = optim.SGD([w], lr=0.1)
    scaler.scale((w**2).sum()).backward()
    optimizer.step()
    scaler.update()


@fails_with("in-place-under-func")
def derivative_of_a_batch_norm():
    torch.func.jacrev(nn.BatchNorm1d(3))(torch.ones(4, 3))


@fails_with("in-place-under-vmap")
def filled_under_vmap():
    def padded(x):
        row = torch.zeros(2)
        row[0:1] = x[0]
        return row

    torch.func.vmap(padded)(torch.ones(3, 2))


@fails_with("recurrent-in-evaluation")
def raised_on_another_machine():
    raise RuntimeError("cudnn RNN backward can only be called in training mode")


@fails_with(None)
def training_that_returned_nothing():
    def train(module):
        module(torch.ones(1, 2)).sum().backward()

    metrics = train(nn.Linear(2, 1))
    return metrics["loss"]


class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk, self.calls = nn.Linear(2, 2), 0

    def forward(self, x):
        self.calls = self.calls + 1
        return self.trunk(x).exp()


@fails_with("second-backward", "Two losses share")
def shared_and_counted():
    trunk = Counts()
    h = trunk(torch.ones(1, 2))
    first, second = h.sum(), (h**2).sum()
    first.backward()
    second.backward()
