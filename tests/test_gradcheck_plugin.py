"""The pytest plugin: torch's gradchecks of a whole suite, replaced and timed."""

import subprocess
import sys

import pytest
import torch
import torch._dynamo  # pytester would take out what is imported first inside it

pytest_plugins = "pytester"

SUITE = """
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.autograd.gradcheck import gradcheck as of_the_module

X = torch.rand(3, dtype=torch.float64, requires_grad=True)

def test_right():
    assert gradcheck(torch.sin, (X,))
    assert gradgradcheck(torch.sin, (X,))
    assert of_the_module(torch.sin, X)
    assert torch.autograd.gradcheck(torch.sin, X)

def test_wrong():
    assert not gradcheck(lambda x: x.detach() * x, (X,), raise_exception=False)

def test_kink():
    gradcheck(torch.relu, torch.zeros(3, dtype=torch.float64, requires_grad=True))

def test_sparse():
    x = torch.eye(3, dtype=torch.float64).to_sparse().requires_grad_()
    assert gradcheck(lambda s: s.to_dense(masked_grad=True), x, masked=True)
    with pytest.raises(ValueError, match="Sparse output"):
        gradgradcheck(lambda s: s.to_dense(masked_grad=True).sum(), x, masked=True)
"""


@pytest.fixture
def run(pytester):
    pytester.makepyfile(SUITE)
    pytester.makeconftest(
        """
        from torch.autograd import gradcheck

        def pytest_report_header():
            return f"conftest has that of {gradcheck.__globals__['__name__']}"
        """
    )

    def run(*options):
        return pytester.runpytest("-p", "no:cacheprovider", *options)

    return run


def test_without_the_option_nothing_changes(run):
    result = run()
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*has that of torch.autograd.gradcheck*"])
    result.stdout.no_fnmatch_line("*autodiff_guide gradcheck*")


def test_replaces_all_of_torchs_functions(run):
    result = run("--autodiff-guide-gradcheck")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "*has that of autodiff_guide.pytest_plugin*",
            "*autodiff_guide gradcheck*",
            "8 calls in *.* s; --autodiff-guide-gradcheck-compare times torch's *",
        ]
    )


def test_compares(run):
    result = run("--autodiff-guide-gradcheck-compare")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "8 calls in *.* s",
            "torch's: *.* s; saved: *.* s",
            "the two disagree on 1 calls",
            "*::test_kink: gradcheck: True, torch's GradcheckError",
        ]
    )


def test_workers_hand_over_their_record(run):
    result = run("--autodiff-guide-gradcheck", "-n", "2")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["8 calls in *"])


def test_torchs_functions_come_back(run):
    module = sys.modules["torch.autograd.gradcheck"]
    before = torch.autograd.gradcheck, torch.autograd.gradgradcheck
    run("--autodiff-guide-gradcheck")
    assert (torch.autograd.gradcheck, torch.autograd.gradgradcheck) == before
    assert (module.gradcheck, module.gradgradcheck) == before


def test_costs_nothing_when_it_is_not_asked_for():
    listing = "import sys, autodiff_guide.pytest_plugin; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )
    assert "torch" not in found.stdout.split()
