"""The checker on networks as people build them: no alarm, and no fault missed."""

import warnings

import pytest
import torch
from gradcheck_corpora.networks import (
    NETWORKS,
    PRECISIONS,
    build,
    faulty_activation,
    faulty_convolution,
    faulty_perceptron,
    relu_network,
    slopes,
    torch_raises,
    with_fault,
)

from autodiff_guide.gradcheck import check_gradient, check_module

# Layers for which torch has no kernel in 16 bits on the CPU.
NOT_IN_16_BITS = {"lstm, ctc", "margins of classes"}
FAULTS = [
    ("relu, mse", "0.weight", "factor"),
    ("relu, mse", "2.bias", "sign"),
    ("deep relu, cross-entropy", "4.weight", "one element"),
    ("wide relu, outputs", "2.weight", "one element"),
    ("layer norm", "1.bias", "factor"),
    ("conv, max-pool", "0.weight", "one element"),
    ("conv, max-pool", "0.bias", "zero"),
    ("conv, batch norm, training", "1.weight", "nearly"),
    ("resnet, training", "1.block.0.weight", "sign"),
    ("lstm", "0.layer.weight_hh_l0", "zero"),
    ("gru, last step", "0.layer.bias_ih_l0", "one element"),
    ("transformer layer", "0.self_attn.in_proj_weight", "nearly"),
    ("embedding, mean", "0.weight", "one element"),
    ("contrastive", "encoder.0.weight", "nearly"),
    ("graph", "message.weight", "sign"),
    ("physics", "net.0.weight", "factor"),
]


@pytest.fixture(autouse=True)
def _warnings_of_layers_are_not_ours():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check(network, precision):
    fn, _, inputs = network.functional(precision)
    return check_gradient(fn, *inputs)


def worst_input(report, names):
    return names[int(report.worst.input.removeprefix("input "))]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_right_network_is_not_alarmed(name, precision):
    network = build(name)
    fn, _, inputs = network.functional(precision)
    if torch_raises(fn, inputs):
        assert name in NOT_IN_16_BITS
        assert precision in ("float16", "bfloat16")
        return
    report = check_gradient(fn, *inputs)
    assert report.verdict == "pass", str(report)
    assert "vacuous" not in report.kinds


@pytest.mark.parametrize("name", NETWORKS)
def test_right_module_is_not_alarmed(name):
    network = build(name, seed=1)
    report = check_module(network.module, network.loss, network.data())
    assert report.verdict == "pass", str(report)
    assert [row.name for row in report.inputs] == [
        name for name, _ in network.module.named_parameters()
    ]


def test_corpus_is_large_and_every_parameter_matters_somewhere():
    assert len(NETWORKS) >= 50
    for name in NETWORKS:
        fn, names, inputs = build(name).functional("float64")
        found = slopes(fn, inputs)
        assert all(bool(g.isfinite().all()) for g in found)
        moving = [n for n, g in zip(names, found, strict=True) if bool(g.any())]
        assert len(moving) >= len(names) / 2


@pytest.mark.parametrize("precision", PRECISIONS)
def test_fifty_networks_of_relu_raise_no_alarm(precision):
    count = 50 if precision == "float32" else 12
    verdicts = [check(relu_network(seed), precision).verdict for seed in range(count)]
    assert verdicts == ["pass"] * count


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("name", "parameter", "fault"), FAULTS)
def test_fault_in_one_parameter_is_named(name, parameter, fault, precision):
    fn, names, inputs = build(name).functional(precision)
    wrong = with_fault(fn, inputs, names.index(parameter), fault)
    report = check_gradient(wrong, *inputs)
    assert report.verdict == "fail", str(report)
    assert worst_input(report, names) == parameter


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("make", [faulty_perceptron, faulty_convolution])
def test_bias_without_its_sum_is_named(make, precision):
    fn, names, inputs = make().functional(precision)
    report = check_gradient(fn, *inputs)
    assert report.verdict == "fail", str(report)
    assert worst_input(report, names) == "0.bias"


@pytest.mark.parametrize("make", [faulty_perceptron, faulty_convolution])
def test_bias_without_its_sum_is_named_in_a_module(make):
    network = make()
    report = check_module(network.module, network.loss, network.data())
    assert report.verdict == "fail", str(report)
    assert report.worst.input == "0.bias"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_comes_after_a_wrong_layer_is_right(precision):
    fn, names, inputs = faulty_activation().functional(precision)
    report = check_gradient(fn, *inputs)
    assert report.verdict == "fail", str(report)
    assert worst_input(report, names) in ("0.weight", "0.bias", "input 0")
    found = {n: row.kinds for n, row in zip(names, report.inputs, strict=True)}
    assert found["2.weight"] == found["2.bias"] == ("agree",)
    assert "agree" not in found["0.weight"]


def test_torch_raises_means_no_kernel():
    assert not torch_raises(torch.sin, (torch.rand(3),))
    assert torch_raises(lambda x: x @ x.half(), (torch.rand(3),))
