"""trace: values, gradients and names against autograd; drawings; what is left alone."""

import copy
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import autodiff_guide as ag
from autodiff_guide.graph import Graph, Node, trace

SVG = "{http://www.w3.org/2000/svg}"


def scalar(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def curriculum(a, b):
    x = 2 * a + 3 * b
    y = 5 * a**2 + 3 * b**3
    return 2 * x + 3 * y


def test_the_chain_rule_example():
    graph = trace(curriculum, scalar(2.0), scalar(1.0))
    values = {name: float(graph[name].value) for name in "abxy"}
    gradients = {name: float(graph[name].gradient) for name in "abxy"}
    assert values == {"a": 2, "b": 1, "x": 7, "y": 23}
    assert gradients == {"a": 64, "b": 33, "x": 2, "y": 3}
    assert graph.output.name == "curriculum"
    assert float(graph.output.value) == 83
    assert float(graph.output.gradient) == 1
    assert ag.trace is trace


def test_inputs_need_not_require_a_gradient():
    a, b, count = torch.tensor(2.0), torch.tensor(1.0), torch.tensor(3)
    graph = trace(lambda a, b, count: curriculum(a, b) * count, a, b, count)
    assert float(graph["a"].gradient) == 3 * 64
    assert float(graph["b"].gradient) == 3 * 33
    assert graph["count"].gradient is None
    assert not a.requires_grad
    assert a.grad is None


@pytest.mark.parametrize("required", ["input", "variable", "module"])
def test_where_something_requires_a_gradient_the_rest_does_not(required):
    a, b = torch.ones(1), torch.ones(1, requires_grad=required == "variable")
    net = nn.Linear(1, 1).requires_grad_(required == "module")
    c = torch.ones(1, requires_grad=required == "input")
    graph = trace(lambda a, c: net(a * b * c), a, c)
    assert graph["a"].gradient is None
    assert (graph["b"].gradient is not None) == (required == "variable")
    assert (graph["c"].gradient is not None) == (required == "input")
    assert (graph["net.weight"].gradient is not None) == (required == "module")


def test_at_the_wrong_a_the_gradient_is_not_64():
    graph = trace(curriculum, scalar(3.5), scalar(1.0))
    assert float(graph["a"].gradient) == 4 + 30 * 3.5


def test_gradients_are_the_sum_over_edges_of_local_derivative_times_gradient():
    graph = trace(curriculum, scalar(2.0), scalar(1.0))
    backwards = dict.fromkeys(graph, 0.0)
    backwards[graph.output] = 1.0
    for node in reversed(list(graph)):
        assert float(node.gradient) == backwards[node]
        for parent, local in node.edges.items():
            backwards[parent] += local * backwards[node]


OPERATIONS = {
    "×": torch.mul,
    "+": torch.add,
    "−": torch.sub,
    "sin": lambda a, b: torch.sin(a),
    "tanh": lambda a, b: b.tanh(),
    "exp": lambda a, b: (a * 0.1).exp(),
}
PROGRAMS = st.lists(
    st.tuples(
        st.sampled_from(sorted(OPERATIONS)), st.integers(0, 99), st.integers(0, 99)
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(PROGRAMS)
def test_random_expressions(program):
    def run(a, b):
        results = [a, b, a * b]
        for operation, left, right in program:
            pair = results[left % len(results)], results[right % len(results)]
            results.append(OPERATIONS[operation](*pair))
        return torch.stack(results[3:]).sum() + 0 * results[2]

    a, b = scalar(0.3), scalar(-0.7)
    graph = trace(run, a, b)
    output = run(a, b)
    expected = torch.autograd.grad(output, [a, b], allow_unused=True)
    assert torch.equal(graph.output.value, output.detach())
    for name, gradient in zip("ab", expected, strict=True):
        used = any(node.name == name for node in graph)
        assert used == (gradient is not None)
        if used:
            torch.testing.assert_close(graph[name].gradient, gradient)
    for node in graph:
        for parent, local in node.edges.items():
            one_number = node.value.numel() == parent.value.numel() == 1
            assert (local is not None) == one_number


def test_every_intermediate_has_the_gradient_autograd_gives_it():
    torch.manual_seed(0)
    x = torch.randn(4, 3, requires_grad=True)
    kept = {}

    def run(x):
        first = torch.tanh(x @ x.T)
        second = first.softmax(-1)
        kept.update(first=first, second=second)
        return (second * first).sum()

    graph = trace(run, x)
    for name, tensor in kept.items():
        torch.testing.assert_close(graph[name].value, tensor.detach())
        (gradient,) = torch.autograd.grad(
            (kept["second"] * kept["first"]).sum(), tensor
        )
        if name == "second":
            torch.testing.assert_close(graph[name].gradient, gradient)
    expected = torch.autograd.grad(run(x), x)[0]
    torch.testing.assert_close(graph["x"].gradient, expected)
    assert "transpose" in [node.operation for node in graph]


def test_output_with_several_entries_is_summed():
    x = torch.ones(3, requires_grad=True)
    graph = trace(lambda x: x**2, x)
    assert torch.equal(graph["x"].gradient, torch.full((3,), 2.0))
    assert graph.output.name == "output"
    assert [node.operation for node in graph] == ["input", "power 2"]


def test_words():
    def run(a, b):
        return ((3 - a) / b + 2**a - (-b) + a / 2) * torch.stack([a, b])[1]

    words = [node.operation for node in trace(run, scalar(1.0), scalar(2.0))]
    for word in ("3 −", "÷", "2.0 to the power", "minus", "÷ 2", "stack", "entry 1"):
        assert word in words or word.replace(".0", "") in words, (word, words)


def test_saved_and_grad_fn():
    def run(a, b):
        product = a * b
        return product.exp() + a

    graph = trace(run, scalar(1.0), scalar(2.0))
    assert graph["a"].saved
    assert graph["b"].saved
    assert not graph["product"].saved
    assert [node.saved for node in graph if node.operation == "exp"] == [True]
    assert graph["product"].grad_fn == "MulBackward0"
    assert graph["a"].grad_fn == ""
    assert graph["a"].is_leaf


def test_names_of_parameters_and_closures():
    weight, shift = scalar(3.0), torch.tensor(1.0)

    def run(*numbers):
        return weight * numbers[0] + numbers[1] + shift

    graph = trace(run, scalar(1.0), scalar(2.0))
    assert {n.name for n in graph if n.is_leaf} == {"weight", "x1", "x2", "shift"}
    assert graph["shift"].gradient is None
    assert float(graph["weight"].gradient) == 1
    graph = trace(lambda left, right: run(left, right), scalar(1.0), scalar(2.0))
    assert [node.name for node in graph][:2] == ["left", "right"]


def test_in_place_steps_keep_the_values_before():
    def run(a):
        x = a * 2
        x += 1
        x[0] = 7.0
        return (x.relu_() * a).sum()

    a = torch.tensor([1.0, 2.0], requires_grad=True)
    graph = trace(run, a)
    by_word = {node.operation: node.value.tolist() for node in graph}
    assert by_word["× 2"] == [2, 4]
    assert by_word["+ 1"] == [3, 5]
    assert by_word["set entry"] == [7, 5]
    assert torch.equal(graph["a"].gradient, torch.autograd.grad(run(a), a)[0])


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


def test_a_function_of_ones_own():
    graph = trace(lambda a: 3 * Square.apply(a), scalar(2.0))
    square = next(node for node in graph if node.operation == "Square")
    assert list(square.edges.values()) == [4.0]
    assert float(graph["a"].gradient) == 12
    assert graph["a"].saved


@pytest.mark.parametrize(
    "run",
    [
        lambda x: torch.func.grad(lambda y: (y**3).sum())(x).sum(),
        lambda x: torch.func.vmap(torch.sin)(x).sum(),
        lambda x: torch.utils.checkpoint.checkpoint(torch.sin, x, use_reentrant=False),
        lambda x: torch.autograd.grad((x**3).sum(), x, create_graph=True)[0],
        lambda x: torch.where(x > 0, x, x.exp()).max(),
        lambda x: functional.dropout(x, 0.0).half().sum(),
        lambda x: torch.fft.fft(x).abs().sum(),
        lambda x: x,
        torch.sin,
    ],
)
def test_all_kinds_of_functions(run):
    x = torch.tensor([0.5, -1.5, 2.0, 1.0], requires_grad=True)
    graph = trace(run, x)
    (expected,) = torch.autograd.grad(run(x).sum(), x)
    torch.testing.assert_close(graph.nodes[0].gradient, expected)
    assert ET.fromstring(graph._repr_html_()) is not None
    assert len(str(graph).splitlines()) == len(graph) + 3


@pytest.mark.parametrize(
    ("net", "x"),
    [
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), torch.ones(2, 3, 8)),
        (nn.Embedding(5, 3), torch.tensor([1, 2])),
        (nn.Conv2d(1, 2, 3), torch.ones(1, 1, 5, 5)),
    ],
)
def test_all_kinds_of_modules(net, x):
    torch.manual_seed(0)
    graph = trace(net, x)
    torch.manual_seed(0)
    net(x).sum().backward()
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(graph[name].gradient, parameter.grad)


class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(size, size), nn.ReLU(inplace=True))
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.inner(x) + x)


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), Block(8), Block(8), nn.Linear(8, 1))


def test_parameters_are_named_as_in_their_module():
    net, x = model(), torch.randn(5, 3)
    net.register_buffer("scale", torch.ones(()))
    graph = trace(net, x)
    assert graph["1.inner.0.weight"].operation == "parameter"
    net(x).sum().backward()
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(graph[name].gradient, parameter.grad)


def test_modules_used_by_a_function():
    net, x, target = model(), torch.randn(5, 3), torch.zeros(5, 1)
    net[0].bias.requires_grad_(False)

    def loss(x):
        return functional.mse_loss(net(x), target)

    graph = trace(loss, x)
    assert graph["net.0.weight"].operation == "parameter"
    assert graph["net.0.bias"].operation == graph["target"].operation == "constant"
    assert graph.output.name == "loss"


def test_a_hundred_layers_stay_readable():
    layers = [layer for _ in range(100) for layer in (nn.Linear(4, 4), nn.ReLU())]
    graph = trace(nn.Sequential(*layers), torch.randn(2, 4))
    assert len(graph) == 401
    assert graph._repr_html_().count("<tr>") == 402
    assert len(str(graph).splitlines()) == 404


def test_nothing_of_the_users_changes():
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    x = torch.randn(5, 3, requires_grad=True)
    x.grad = torch.ones_like(x)
    held = {}

    def run(x):
        held["y"] = net(x).sum()
        return held["y"]

    before = copy.deepcopy(net.state_dict())
    trace(run, x)
    assert torch.equal(x.grad, torch.ones_like(x))
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(net.state_dict()[key], before[key]) for key in before)
    assert net.training
    assert sys.getprofile() is None
    held["y"].backward()
    assert net[0].weight.grad is not None


def test_an_error_in_the_function_leaves_nothing_behind():
    def run(x):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trace(run, scalar(1.0))
    assert sys.getprofile() is None


def test_a_running_profiler_is_left_alone():
    calls = []

    def profiler(frame, event, arg):
        calls.append(event)

    sys.setprofile(profiler)
    try:
        graph = trace(curriculum, scalar(2.0), scalar(1.0))
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
    assert calls
    assert float(graph["a"].gradient) == 64


def no_grad_inside(a):
    with torch.no_grad():
        return a * 2


A = torch.tensor(1.0, requires_grad=True)


@pytest.mark.parametrize(
    ("fn", "x", "error", "message"),
    [
        (lambda a: a * 2, torch.ones((), dtype=int), ValueError, "got torch.int64"),
        (no_grad_inside, A, ValueError, "look for no_grad"),
        (lambda a: a.detach() * 2, A, ValueError, "detach"),
        (lambda a: a.data * a.item(), A, ValueError, ".item"),
        (lambda a: torch.tensor(a.item()), A, ValueError, r"torch.tensor\("),
        (lambda a: torch.stack([a, a]).argmax(), A, ValueError, "argmax"),
        (lambda a: a > 0, A, ValueError, "got torch.bool"),
        (lambda a: (a, a), A, TypeError, "got tuple; return the one"),
        (lambda a: 2.0, A, TypeError, "got float"),
    ],
)
def test_output_without_history(fn, x, error, message):
    with pytest.raises(error, match=message):
        trace(fn, x)


def test_gradients_switched_off_around():
    with torch.no_grad(), pytest.raises(ValueError, match="switched off here"):
        trace(lambda a: a * 2, A)
    with torch.inference_mode(), pytest.raises(ValueError, match="inference_mode"):
        trace(lambda a: a * 2, A)


def plain():
    a, b = Node("input", 2.0, 3.0, name="a"), Node("input", 3.0, 2.0, name="b")
    product = Node("×", 6.0, 1.0, {a: 3.0, b: 2.0}, name='y "q" <&>')
    return Graph([a, b, product], "by hand")


def test_a_graph_of_plain_nodes():
    graph = plain()
    assert len(graph) == 3
    assert graph.output.edges == {graph["a"]: 3.0, graph["b"]: 2.0}
    assert str(graph).splitlines()[0] == "by hand"
    assert repr(graph) == "Graph('by hand', 3 nodes)"
    with pytest.raises(KeyError, match=r"name: expected one of .*, got"):
        graph["c"]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "expected at least the output"),
        ([Node("×", edges={Node("input", name="a"): None})], "expected 'a' before '×'"),
    ],
)
def test_impossible_graphs(nodes, message):
    with pytest.raises(ValueError, match=message):
        Graph(nodes)


@pytest.mark.parametrize("make", [plain, lambda: trace(curriculum, A, A * 1)])
def test_svg_is_accessible_and_in_the_pages_ink(make):
    graph = make()
    text = graph._repr_html_()
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    ids = root.get("aria-labelledby").split()
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert [title.get("id"), description.get("id")] == ids
    assert f"{len(graph)} nodes" in title.text
    for node in graph:
        assert node.operation in description.text
    assert root.get("stroke") == "currentColor"
    ink = {"fill:currentColor"}
    colors = {each.get("style") for each in root.iter(f"{SVG}text")} - ink
    assert len(colors) == 2
    assert all("currentColor" in color for color in colors)


def colored(graph, word):
    """Return the texts that have the color of the text that contains `word`."""
    texts = list(ET.fromstring(graph._repr_html_()).iter(f"{SVG}text"))
    (color,) = {each.get("style") for each in texts if word in each.text}
    return [each.text for each in texts if each.get("style") == color]


def test_values_and_gradients_have_a_color_each_and_the_key_says_which():
    graph = trace(curriculum, scalar(2.0), scalar(1.0))
    values = colored(graph, "value, from the forward pass")
    gradients = colored(graph, "gradient, from the backward pass")
    assert values[:3] == ["2", "1", "4"]
    assert len(values) == len(gradients) == len(graph) + 1
    assert [text.split()[0] for text in gradients] == ["grad"] * len(graph) + [
        "gradient,"
    ]


def test_the_backward_pass_is_drawn_step_by_step():
    graph = trace(curriculum, scalar(2.0), scalar(1.0))
    _, whole = boxes_of(graph)
    for steps in range(len(graph) + 1):
        part = replace(graph, steps=steps)
        texts = [text.text for text in boxes_of(part)[0].iter(f"{SVG}text")]
        assert sum(text.startswith("grad") for text in texts) == steps
        assert boxes_of(part)[1] == whole
        drawn = [box for box in boxes_of(part)[0] if box.get("fill-opacity")]
        assert len(drawn) == min(steps, 1)


def test_labels_of_edges_are_clear_of_boxes_and_of_each_other():
    graph = trace(curriculum, scalar(2.0), scalar(1.0))
    root, boxes = boxes_of(graph)
    labels = [
        (float(text.get("x")), float(text.get("y")))
        for text in root.iter(f"{SVG}text")
        if text.get("font-size") and text.text[0].isdigit()
    ]
    assert len(labels) == sum(len(node.edges) for node in graph)
    for at, (x, y) in enumerate(labels):
        for left, top, width, height in boxes:
            assert not (left < x < left + width and top < y < top + height)
        for other_x, other_y in labels[:at]:
            assert abs(x - other_x) > 8 or abs(y - other_y) > 12


def boxes_of(graph):
    root = ET.fromstring(graph._repr_html_())
    return root, [
        [float(box.get(key)) for key in ("x", "y", "width", "height")]
        for box in root.findall(f"{SVG}rect")
    ]


@pytest.mark.parametrize(
    "make",
    [
        plain,
        lambda: trace(curriculum, A, A * 1),
        lambda: trace(model(), torch.ones(1, 3)),
    ],
)
def test_svg_boxes_lie_apart_and_inside(make):
    graph = make()
    root, boxes = boxes_of(graph)
    assert len(boxes) == len(graph)
    _, _, width, height = map(float, root.get("viewBox").split())
    for at, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height
        for other_x, other_y, other_w, other_h in boxes[:at]:
            apart = (
                x + w <= other_x
                or other_x + other_w <= x
                or y + h <= other_y
                or other_y + other_h <= y
            )
            assert apart


def test_svg_of_the_chain_rule_fits_a_narrow_screen():
    graph = trace(curriculum, scalar(2.0), scalar(1.0))
    root, _ = boxes_of(graph)
    assert float(root.get("width")) <= 390
    numbers = [text.text for text in root.iter(f"{SVG}text")]
    for number in ("grad 64", "grad 33", "83", "4"):
        assert number in numbers


def test_parents_stand_above():
    graph = trace(curriculum, scalar(2.0), scalar(1.0))
    _, boxes = boxes_of(graph)
    top = {node: box[1] for node, box in zip(graph, boxes, strict=True)}
    for node in graph:
        for parent in node.parents:
            assert top[parent] < top[node]
