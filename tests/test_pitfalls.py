"""The pitfalls against the installed torch: each mistake, wrong fix and cure is run."""

import re
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import autodiff_guide as ag
from autodiff_guide.pitfalls import (
    CATALOGUE,
    DidNotRunError,
    Explanation,
    Symptom,
    diagnose,
    explain,
)
from autodiff_guide.pitfalls.replay import Replay

REFUSED = [p for p in CATALOGUE.values() if p.kind == "refused"]
SILENT = [p for p in CATALOGUE.values() if p.kind == "silent"]
NEEDS_ACCELERATOR = {"device-mismatch", "timing-without-synchronize"}
TOLERANCE = {"timing-without-synchronize": {"rtol": 0.5, "atol": 0.0}}


def named(pitfall):
    return pitfall.name


def run(function):
    """Return what `function` returned, its error, and the messages it gave."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            returned, error = function(), None
        except DidNotRunError:
            raise
        except Exception as caught:
            returned, error = None, caught
    messages = [str(warning.message) for warning in warned]
    return returned, error, messages + ([str(error)] if error else [])


def agree(answer, **tolerance):
    got, truth = answer
    if got is None or got.shape != truth.shape:
        return False
    return torch.allclose(got.to(truth), truth, **tolerance)


@pytest.fixture
def accelerator_or_not(request):
    """Skip, after checking that the pitfall itself says that it did not run."""
    pitfall = request.getfixturevalue("pitfall")
    if pitfall.name in NEEDS_ACCELERATOR and not torch.accelerator.is_available():
        for function in (pitfall.broken, pitfall.tempting, pitfall.repaired):
            with pytest.raises(DidNotRunError, match="did not run: it needs an acc"):
                function()
        pytest.skip("no accelerator")


# The catalogue.


def test_names_are_addresses():
    for name, pitfall in CATALOGUE.items():
        assert name == pitfall.name
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert pitfall.docs == f"pitfalls/{pitfall.kind}.html#{name}"


@pytest.mark.parametrize("pitfall", CATALOGUE.values(), ids=named)
def test_sentences_are_sentences(pitfall):
    for sentence in (pitfall.cause, pitfall.wrong_fix, pitfall.fix):
        assert sentence.endswith(".")
        assert "\n" not in sentence
    assert (pitfall.message_pattern is None) == (pitfall.kind == "silent")


@pytest.mark.usefixtures("accelerator_or_not")
@pytest.mark.parametrize("pitfall", REFUSED, ids=named)
def test_refused_says_what_the_catalogue_says(pitfall):
    _, _, messages = run(pitfall.broken)
    assert any(map(pitfall.matches, messages)), messages


@pytest.mark.usefixtures("accelerator_or_not")
@pytest.mark.parametrize("pitfall", SILENT, ids=named)
def test_silent_says_nothing_and_is_wrong(pitfall):
    answer, _, messages = run(pitfall.broken)
    assert messages == []
    assert not agree(answer, **TOLERANCE.get(pitfall.name, {}))


@pytest.mark.usefixtures("accelerator_or_not")
@pytest.mark.parametrize("pitfall", CATALOGUE.values(), ids=named)
def test_the_tempting_fix_fails(pitfall):
    answer, error, _ = run(pitfall.tempting)
    assert error or not agree(answer, **TOLERANCE.get(pitfall.name, {}))


@pytest.mark.usefixtures("accelerator_or_not")
@pytest.mark.parametrize("pitfall", CATALOGUE.values(), ids=named)
def test_the_repaired_agrees_with_the_truth(pitfall):
    got, truth = pitfall.repaired()
    tolerance = TOLERANCE.get(pitfall.name, {})
    torch.testing.assert_close(got, truth, **tolerance)


@pytest.mark.usefixtures("accelerator_or_not")
@pytest.mark.parametrize("pitfall", CATALOGUE.values(), ids=named)
def test_running_one_changes_nothing_global(pitfall):
    def state():
        return (
            torch.random.get_rng_state().tolist(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.is_anomaly_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
        )

    before = state()
    for function in (pitfall.broken, pitfall.tempting, pitfall.repaired):
        run(function)
    assert state() == before


def test_at_least_25_messages_are_recognised_live():
    recognised = set()
    for pitfall in REFUSED:
        try:
            _, _, messages = run(pitfall.broken)
        except DidNotRunError:
            continue
        recognised |= {m.split(". ")[0] for m in messages if explain(m).pitfalls}
    assert len(recognised) >= 25


# explain


def non_scalar():
    torch.ones(2, requires_grad=True).backward()


@pytest.mark.usefixtures("accelerator_or_not")
@pytest.mark.parametrize(
    "pitfall", [p for p in REFUSED if p.name != "device-mismatch"], ids=named
)
def test_explain_names_the_pitfall_among_few(pitfall):
    _, _, messages = run(pitfall.broken)
    found = [known for m in messages for known in explain(m).pitfalls]
    assert pitfall in found
    assert len(found) <= 3


def test_context_adds_a_note_and_lets_the_error_pass():
    with pytest.raises(RuntimeError, match="scalar outputs") as caught, explain():
        non_scalar()
    (note,) = caught.value.__notes__
    known = CATALOGUE["non-scalar-backward"]
    for part in (known.name, known.cause, known.wrong_fix, known.fix, known.docs):
        assert part in note


def test_the_very_same_exception_passes():
    error = RuntimeError("'NoneType' object has no attribute 'zero_'")
    with pytest.raises(RuntimeError) as caught, explain():
        raise error
    assert caught.value is error
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize("decorate", [explain, explain()], ids=["bare", "called"])
def test_decorator_keeps_name_arguments_and_result(decorate):
    @decorate
    def twice(x, *, plus=0):
        """Doc."""
        if x is None:
            non_scalar()
        return 2 * x + plus

    assert twice(3, plus=1) == 7
    assert (twice.__name__, twice.__doc__) == ("twice", "Doc.")
    with pytest.raises(RuntimeError) as caught:
        twice(None)
    assert len(caught.value.__notes__) == 1


def test_nested_contexts_and_a_later_call_add_one_note():
    with pytest.raises(RuntimeError) as caught, explain(), explain():
        non_scalar()
    explanation = explain(caught.value)
    assert [p.name for p in explanation.pitfalls] == ["non-scalar-backward"]
    assert len(caught.value.__notes__) == 1


def test_messages_with_several_causes_get_all_of_them():
    explanation = explain(
        "element 0 of tensors does not require grad and does not have a grad_fn"
    )
    assert [p.name for p in explanation.pitfalls] == [
        "copied-by-tensor",
        "comparison-has-no-slope",
        "second-derivative-without-graph",
    ]
    assert str(explanation).count("Cause: ") == 3
    assert explanation._repr_html_().count("<dt>Cause</dt>") == 3


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("division by zero"),
        KeyError("grad"),
        Exception(),
        TypeError("unsupported operand type(s) for +: 'NoneType' and 'str'"),
        AttributeError("'NoneType' object has no attribute 'append'"),
    ],
)
def test_unknown_errors_pass_without_a_note(error):
    with pytest.raises(type(error)) as caught, explain():
        raise error
    assert not hasattr(caught.value, "__notes__")
    assert "does not know" in str(explain(error))


def test_other_torch_errors_are_not_claimed():
    for function in (
        lambda: torch.ones(2, 3) @ torch.ones(2, 3),
        lambda: torch.ones(2) + torch.ones(3),
        lambda: torch.ones(2).view(3),
        lambda: torch.ones(2)[5],
        lambda: nn.Linear(2, 2).load_state_dict({}),
    ):
        with pytest.raises((RuntimeError, IndexError)) as caught:
            function()
        assert explain(str(caught.value)) == Explanation(str(caught.value), ())


def test_html_is_escaped():
    assert "<b>" not in explain("<b>")._repr_html_()


@pytest.mark.parametrize("subject", [3, 1.5, ["message"]])
def test_explain_refuses_other_things(subject):
    with pytest.raises(TypeError, match="subject: expected an exception, a message"):
        explain(subject)


def test_top_level_names():
    assert ag.explain is explain
    assert ag.diagnose is diagnose


# diagnose


def leaf(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def symptoms(diagnosis):
    return {(f.where, f.symptom) for f in diagnosis.findings}


def test_a_sound_loss_has_no_findings():
    w, b = leaf(1.0, 2.0), leaf(3.0)
    diagnosis = diagnose(((w * 2 + b) ** 2).mean(), [("w", w), ("b", b)])
    assert diagnosis.findings == ()
    assert "every gradient is there" in str(diagnosis)


@pytest.mark.parametrize(
    ("build", "origin", "named_by_torch"),
    [
        (lambda x: (x**2).sum().sqrt(), "sqrt (SqrtBackward0)", "PowBackward0"),
        (lambda x: torch.where(x > 0, x.log(), 0.0).sum(), "log (LogBackward0)", None),
        (lambda x: (x / x).nan_to_num().sum(), "div (DivBackward0)", None),
        (lambda x: (x**0.5 * (x > 0)).sum(), "pow (PowBackward0)", None),
        (lambda x: (3 * (x.sqrt() * 0 + 1).cos()).mean(), "sqrt (SqrtBackward0)", None),
        (lambda x: ((x + 1).asin() * 0).sum(), "asin (AsinBackward0)", None),
    ],
)
def test_nan_is_traced_to_where_torch_finds_it(build, origin, named_by_torch):
    x = leaf(0.0, 0.0)
    (finding,) = diagnose(build(x), [("x", x)]).findings
    assert finding.symptom is Symptom.NAN
    assert finding.sentence.endswith(origin)

    # sqrt sends back infinity, and the power after it the first NaN: torch, which
    # looks for NaN alone, then names the power.
    loss = build(x)
    with torch.autograd.set_detect_anomaly(True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(RuntimeError, match="returned nan") as caught:
            loss.backward()
    assert f"'{named_by_torch or origin.split('(')[1][:-1]}'" in str(caught.value)


def test_infinity_is_told_from_nan():
    x = leaf(0.0, 4.0)
    (finding,) = diagnose(x.sqrt().sum(), [x]).findings
    assert finding.symptom is Symptom.INFINITE
    assert "1 of 2 places" in finding.sentence
    assert finding.sentence.endswith("sqrt (SqrtBackward0)")


@pytest.mark.parametrize(
    ("build", "origin"),
    [
        (lambda x: ((x.round() - 3) ** 2).sum(), "round (RoundBackward0)"),
        (lambda x: ((-x).relu() + 1).exp().sum(), "relu (ReluBackward0)"),
        (lambda x: (0 * x).cos().sum() + (x * 0.0).sum(), "mul (MulBackward0)"),
        (lambda x: (x - x).sum(), "the sum of the paths that meet there"),
        (lambda x: x.clamp(5, 6).sum(), "clamp (ClampBackward1)"),
    ],
)
def test_zero_is_traced_to_its_operation(build, origin):
    x = leaf(1.4, 2.3)
    (finding,) = diagnose(build(x), [("x", x)]).findings
    assert finding.symptom is Symptom.ZERO
    assert finding.sentence.endswith(origin)


def test_one_bad_parameter_among_good_ones():
    good, bad = leaf(1.0), leaf(0.0)
    loss = (good * 2).exp().sum() + bad.sqrt().sum()
    diagnosis = diagnose(loss, [("good", good), ("bad", bad)])
    assert symptoms(diagnosis) == {("bad", Symptom.INFINITE)}


def test_a_custom_function_is_named():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * float("nan")

    x = leaf(1.0)
    (finding,) = diagnose(Wrong.apply(x.exp()).cos(), [x]).findings
    assert finding.sentence.endswith("wrong (WrongBackward)")


def test_cut_frozen_and_computed_parameters():
    used, cut = leaf(1.0), leaf(2.0)
    frozen, computed = torch.tensor([3.0]), leaf(1.0) * 2
    loss = (used * cut.detach() * frozen * computed).sum()
    diagnosis = diagnose(
        loss,
        [("used", used), ("cut", cut), ("frozen", frozen), ("computed", computed)],
    )
    assert symptoms(diagnosis) == {
        ("cut", Symptom.NOT_REACHED),
        ("frozen", Symptom.FROZEN),
        ("computed", Symptom.NOT_A_LEAF),
    }


@pytest.mark.parametrize(
    "build",
    [
        lambda w: w.detach().sum(),
        lambda w: torch.tensor(w.sum().item()),
        lambda w: (w > 0).float().mean(),
        lambda w: w.argmax().float(),
    ],
)
def test_a_loss_without_history(build):
    w = leaf(1.0, 2.0)
    assert ("loss", Symptom.NO_HISTORY) in symptoms(diagnose(build(w), [w]))


def test_a_loss_that_is_not_finite():
    w = leaf(-1.0)
    diagnosis = diagnose(w.log().sum(), [w])
    assert ("loss", Symptom.LOSS_NOT_FINITE) in symptoms(diagnosis)
    assert "it is nan" in str(diagnosis)


@settings(deadline=None, max_examples=25)
@given(
    times=st.integers(1, 9),
    values=st.lists(st.floats(0.1, 10), min_size=1, max_size=5),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_accumulation_is_counted(times, values, dtype):
    w = leaf(*values, dtype=dtype)
    for _ in range(times):
        (w**2).sum().backward()
    findings = diagnose((w**2).sum(), [w]).findings
    if times == 1:
        assert findings == ()
    else:
        (finding,) = findings
        assert finding.symptom is Symptom.ACCUMULATED
        assert f"ran {times} times" in finding.sentence


def test_other_gradients_in_grad():
    w = leaf(1.0, 2.0)
    (w**3).sum().backward()
    assert symptoms(diagnose((w**2).sum(), [("w", w)])) == {
        ("w", Symptom.OTHER_GRADIENT)
    }
    w.grad.zero_()
    assert diagnose((w**2).sum(), [w]).findings == ()
    w.grad.fill_(float("nan"))
    assert symptoms(diagnose((w**2).sum(), [("w", w)])) == {
        ("w", Symptom.OTHER_GRADIENT)
    }


def test_mixed_dtypes_and_devices_are_listed():
    w, b = leaf(1.0), leaf(2.0, dtype=torch.float64)
    (finding,) = diagnose((w * b).sum(), [("w", w), ("b", b)]).findings
    assert finding.symptom is Symptom.MIXED_DTYPES
    assert "torch.float32 in w" in finding.sentence
    elsewhere = torch.ones(1, device="meta")
    diagnosis = diagnose((w**2).sum(), [("w", w), ("elsewhere", elsewhere)])
    assert ("all", Symptom.MIXED_DEVICES) in symptoms(diagnosis)


def test_sparse_and_complex_gradients():
    table = nn.Embedding(4, 2, sparse=True)
    loss = table(torch.tensor([1, 2])).sum()
    assert diagnose(loss, table.parameters()).findings == ()
    z = torch.tensor([3.0 + 4.0j], requires_grad=True)
    for _ in range(2):
        (z * z.conj()).real.sum().backward()
    (finding,) = [
        f
        for f in diagnose((z * z.conj()).real.sum(), [z]).findings
        if f.symptom is not Symptom.MIXED_DTYPES
    ]
    assert finding.symptom is Symptom.ACCUMULATED


def test_modules_and_their_names():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(2, 1), nn.Linear(2, 1)

        def forward(self, x):
            return self.used(x)

    module = Half()
    diagnosis = diagnose(module(torch.ones(3, 2)).sum(), module.named_parameters())
    assert symptoms(diagnosis) == {
        ("unused.weight", Symptom.NOT_REACHED),
        ("unused.bias", Symptom.NOT_REACHED),
    }
    assert "unused.weight" in diagnosis._repr_html_()


def test_nothing_of_the_users_changes():
    w, b = leaf(1.0, 2.0), leaf(3.0)
    w.grad = torch.tensor([7.0, 7.0])
    kept = w.grad
    loss = ((w * b) ** 2).sum()
    versions = (w._version, b._version, loss._version)
    rng = torch.random.get_rng_state()

    first = diagnose(loss, [w, b])

    assert w.grad is kept
    assert kept.tolist() == [7.0, 7.0]
    assert b.grad is None
    assert (w._version, b._version, loss._version) == versions
    assert torch.random.get_rng_state().equal(rng)
    assert diagnose(loss, [w, b]) == first  # the graph is still there
    w.grad = None
    loss.backward()
    assert w.grad.tolist() == [18.0, 36.0]


def test_hooks_are_removed_even_if_backward_fails():
    w = leaf(1.0)
    replay = Replay((loss := w.exp().sum()), [w])
    watched = dict(replay._received)
    loss.backward()
    assert replay._received == watched

    y = w.exp()
    loss = (y + 0).sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match="inplace operation") as caught:
        diagnose(loss, [w])
    assert "saved-then-changed" in caught.value.__notes__[0]


def test_a_freed_graph_is_explained():
    w = leaf(1.0)
    loss = (w**2).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="second time") as caught:
        diagnose(loss, [w])
    assert "second-backward" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1.0, [leaf(1.0)]), TypeError, "loss: expected a torch.Tensor, got float"),
        ((leaf(1.0, 2.0), [leaf(1.0)]), ValueError, r"loss: expected one .*\(2,\)"),
        ((leaf(1.0), []), ValueError, "parameters: expected at least one"),
        ((leaf(1.0), [1.0]), TypeError, "parameter 0: expected a torch.Tensor"),
        ((leaf(1.0), [("w", None)]), TypeError, "w: expected a torch.Tensor"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        diagnose(*arguments)
