"""The pitfall pages against the installed torch; what explain and diagnose say."""

import asyncio
import importlib.util
import io
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pitfall_errors import PROGRAMS, leaf
from torch import nn

import autodiff_guide as ag
from autodiff_guide import __main__ as command_line
from autodiff_guide.pitfalls import (
    CATALOGUE,
    Explanation,
    Finding,
    _diagnose,
    _evidence,
    diagnose,
    explain,
)
from autodiff_guide.pitfalls._replay import Replay

DOCS = Path(__file__).parent.parent / "docs"
SPEC = importlib.util.spec_from_file_location(
    "pitfall_pages", DOCS / "_ext" / "pitfall_pages.py"
)
pitfall_pages = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(pitfall_pages)

PAGES = sorted(
    path for path in pitfall_pages.PAGES.glob("*.md") if path.stem != "index"
)
ENTRIES = CATALOGUE.values()


def named(entry):
    return entry.name


# The catalogue and its pages.


def test_every_entry_has_a_page_and_every_page_an_entry():
    assert {path.stem for path in PAGES} == set(CATALOGUE)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_does_what_it_says(path):
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
    page = pitfall_pages.Page(path)
    written = page.written()
    assert state() == before
    if not page.runs:
        assert pitfall_pages.DID_NOT_RUN in written
        pytest.skip("no accelerator")
    assert written.count("```text") >= written.count("```python")
    for target in re.findall(r"\]\((?!http)([^)]+)\)", page.text):
        assert (path.parent / target).exists(), target
    for target in re.findall(r"\{doc\}`(?:[^`<]+<)?([^`>]+)>?`", page.text):
        assert_is_a_page(target)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_cases_of_a_page_are_told_apart(path):
    page = pitfall_pages.Page(path)
    programs = [block for block in page.blocks if block.role == pitfall_pages.ROLES[0]]
    if not (page.entry.message and len(programs) > 1):
        return
    found = []
    for block in programs:
        outcome = pitfall_pages.run(block.text, path, block.line)
        found += explain(outcome.error).causes
    assert len(found) == len(programs)
    assert [cause for cause in page.entry.causes if cause in found] == found


def assert_is_a_page(target):
    gallery = DOCS.parent / "gallery" / target.removeprefix("/auto_gallery/")
    assert (DOCS / f"{target[1:]}.md").exists() or gallery.with_suffix(".py").exists()


PAGE = """# `grad can be implicitly created only for scalar outputs`

**Broken.** Call it.

```python
import torch

x = torch.ones(2, requires_grad=True)
{broken}
```

**Tempting, and wrong.** Take one.

```python
import torch

{tempting}
```

**What works.** Sum.

```python
import torch

{works}
```
"""
SOUND = {
    "broken": "x.backward()",
    "tempting": "got, truth = torch.zeros(1), torch.ones(1)",
    "works": "got, truth = torch.ones(1), torch.ones(1)",
}


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        ({"broken": "x.numpy()"}, 6, "torch says \"Can't call numpy"),
        ({"broken": "x.sum().backward()"}, 6, "torch says 'nothing'"),
        ({"tempting": SOUND["works"]}, 15, "the tempting fix works"),
        ({"works": SOUND["tempting"]}, 23, "the cure does not work"),
        ({"works": "1 / 0"}, 23, "the cure does not work: division by zero"),
        ({"works": "x = 1"}, 23, "a program ends with got, truth"),
    ],
)
def test_a_page_that_is_wrong_is_named_with_its_line(tmp_path, change, line, says):
    path = tmp_path / "non-scalar-backward.md"
    path.write_text(PAGE.format(**SOUND), "utf-8")
    assert "ag.explain" in pitfall_pages.Page(path).written()
    path.write_text(PAGE.format(**{**SOUND, **change}), "utf-8")
    with pytest.raises(pitfall_pages.PageError) as caught:
        pitfall_pages.Page(path).written()
    assert str(caught.value).startswith(f"{path}:{line}: {says}")


def test_a_page_whose_title_drifted_or_without_entry_is_named(tmp_path):
    path = tmp_path / "non-scalar-backward.md"
    text = PAGE.format(**SOUND)
    path.write_text(text.replace("implicitly", "silently"), "utf-8")
    with pytest.raises(pitfall_pages.PageError, match="title is not what torch says"):
        pitfall_pages.Page(path).written()
    with pytest.raises(pitfall_pages.PageError, match="no entry of this name"):
        pitfall_pages.Page(path.rename(tmp_path / "unknown.md"))
    path.write_text(text.replace("Tempting, and wrong", "Broken"), "utf-8")
    with pytest.raises(pitfall_pages.PageError, match="expected programs"):
        pitfall_pages.Page(path)


def test_the_index_names_every_pitfall():
    source = [(pitfall_pages.PAGES / "index.md").read_text("utf-8")]
    pitfall_pages.write_page(None, "pitfalls/index", source)
    for name in CATALOGUE:
        assert f"/pitfalls/{name}.md" in source[0]
        assert f"\n{name}\n" in source[0]


@pytest.mark.parametrize("entry", ENTRIES, ids=named)
def test_an_entry_is_whole(entry):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", entry.name)
    assert entry.page == f"pitfalls/{entry.name}.html"
    for cause in entry.causes:
        for sentence in (cause.cause, cause.tempting, cause.fix):
            assert sentence.endswith(".")
            assert "\n" not in sentence
        for check in filter(None, (cause.check, entry.check)):
            assert callable(getattr(_evidence, check))
    assert entry.causes


def test_a_link_is_absolute_where_a_site_is_named(monkeypatch):
    entry = CATALOGUE["non-scalar-backward"]
    monkeypatch.delenv("AUTODIFF_GUIDE_SITE", raising=False)
    assert entry.link == entry.page
    monkeypatch.setenv("AUTODIFF_GUIDE_SITE", "https://example.org/guide/")
    assert entry.link == "https://example.org/guide/pitfalls/non-scalar-backward.html"
    assert entry.link in str(explain(TRACEBACK))


# explain


def non_scalar():
    torch.ones(2, requires_grad=True).backward()


def explained(function):
    """Return what explain says of the error of `function`."""
    try:
        with explain():
            function()
    except Exception as error:
        return explain(error)
    pytest.fail("nothing was raised")


def test_context_adds_a_note_and_lets_the_error_pass():
    with pytest.raises(RuntimeError, match="scalar outputs") as caught, explain():
        non_scalar()
    (note,) = caught.value.__notes__
    known = CATALOGUE["non-scalar-backward"]
    (cause,) = known.causes
    for part in (known.name, cause.cause, cause.tempting, cause.fix, known.link):
        assert part in note


def test_the_very_same_exception_passes():
    error = RuntimeError("'NoneType' object has no attribute 'zero_'")
    with pytest.raises(RuntimeError) as caught, explain():
        raise error
    assert caught.value is error
    assert error.__cause__ is None
    assert error.__context__ is None


def test_an_error_passes_even_if_it_cannot_be_explained(monkeypatch):
    monkeypatch.delattr(_evidence, "walk_tb")
    with pytest.raises(RuntimeError, match="scalar outputs"), explain():
        non_scalar()


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


def test_functions_that_await_or_yield_are_explained():
    @explain
    async def awaited(fails):
        await asyncio.sleep(0)
        return non_scalar() if fails else 3

    @explain
    def generated(fails):
        received = yield 1
        yield received
        if fails:
            non_scalar()
        return 3

    assert asyncio.run(awaited(False)) == 3
    generator = generated(False)
    assert (next(generator), generator.send(2), next(generator, None)) == (1, 2, None)
    for fails in (lambda: asyncio.run(awaited(True)), lambda: list(generated(True))):
        with pytest.raises(RuntimeError, match="scalar outputs") as caught:
            fails()
        assert "non-scalar-backward" in caught.value.__notes__[0]


def test_what_an_error_was_raised_from_is_explained():
    def rethrow(hide):
        try:
            non_scalar()
        except RuntimeError as error:
            if hide:
                raise ValueError("training failed") from None
            raise ValueError("training failed") from error

    with pytest.raises(ValueError, match="failed") as caught, explain():
        rethrow(hide=False)
    assert "non-scalar-backward" in caught.value.__cause__.__notes__[0]
    assert explain(caught.value).pitfall is CATALOGUE["non-scalar-backward"]
    with pytest.raises(ValueError, match="failed") as caught, explain():
        rethrow(hide=True)
    assert explain(caught.value).pitfall is None


def test_nested_contexts_and_a_later_call_add_one_note():
    with pytest.raises(RuntimeError) as caught, explain(), explain():
        non_scalar()
    assert explain(caught.value).pitfall.name == "non-scalar-backward"
    assert len(caught.value.__notes__) == 1


def test_a_message_alone_gets_all_its_causes():
    explanation = explain(
        "element 0 of tensors does not require grad and does not have a grad_fn"
    )
    assert explanation.causes == CATALOGUE["no-history"].causes
    assert "1. Cause" in str(explanation)
    assert "7. Do this" in explanation._repr_html_()


@pytest.mark.parametrize(
    ("function", "name", "cause"), PROGRAMS, ids=[f.__name__ for f, *_ in PROGRAMS]
)
def test_explain_is_right_or_silent(function, name, cause):
    with torch.random.fork_rng(), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            function()
            said = []
        except Exception as error:
            said = [error]
        finally:
            torch.set_grad_enabled(True)
    said += [str(warning.message) for warning in warned]
    known = [found for found in map(explain, said) if found.pitfall]
    assert said
    if name is None:
        assert not known
        return
    assert known[0].pitfall is CATALOGUE[name]
    if cause:
        (found,) = known[0].causes
        assert found.cause.startswith(cause)


def test_code_that_cannot_be_read_leaves_the_causes_open():
    program = "import torch\nx = torch.ones(2, requires_grad=True)\n"
    explanation = explained(lambda: exec(f"{program}(x > 0).float().sum().backward()"))
    assert explanation.pitfall is CATALOGUE["no-history"]
    assert len(explanation.causes) > 1


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("division by zero"),
        KeyError("grad"),
        Exception(),
        TypeError("unsupported operand type(s) for +: 'NoneType' and 'str'"),
        AttributeError("'NoneType' object has no attribute 'append'"),
        AttributeError("'NoneType' object has no attribute 'data'"),
    ],
)
def test_unknown_errors_pass_without_a_note(error):
    with pytest.raises(type(error)) as caught, explain():
        raise error
    assert not hasattr(caught.value, "__notes__")
    assert "does not know" in str(explain(error))


def test_none_in_unrelated_code_is_not_claimed():
    def settings_without_a_value():
        rate, scale = {"rate": None}.get("rate"), 2.0
        return scale * rate

    assert explained(settings_without_a_value).pitfall is None


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
        assert explain(str(caught.value)) == Explanation(str(caught.value))


TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 3, in <module>
    loss.backward()
RuntimeError: grad can be implicitly created
only for scalar outputs
"""


def test_an_error_that_another_one_hides_is_found_in_a_traceback():
    hidden = f"{TRACEBACK}\nDuring handling of ...\n\nValueError: training failed\n"
    assert explain(hidden).pitfall is CATALOGUE["non-scalar-backward"]


def test_the_command_line_explains(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["autodiff_guide", "explain"])
    monkeypatch.setattr(sys, "stdin", io.StringIO(TRACEBACK))
    assert command_line.main() == 0
    assert "non-scalar-backward" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["autodiff_guide", "explain", "what", "is", "it"])
    assert command_line.main() == 1
    assert "does not know" in capsys.readouterr().out


def test_texts_survive_without_docstrings():
    message = "can't optimize a non-leaf Tensor"
    run = subprocess.run(
        [sys.executable, "-OO", "-m", "autodiff_guide", "explain", message],
        capture_output=True,
        text=True,
        check=True,
    )
    assert CATALOGUE["optimizer-of-non-leaf"].causes[0].fix in run.stdout


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


def symptoms(diagnosis):
    return {(f.where, f.symptom) for f in diagnosis.findings}


@pytest.mark.parametrize("symptom", _diagnose._SYMPTOMS)
def test_a_symptom_has_a_sentence_and_a_page(symptom):
    assert _diagnose._SYMPTOMS[symptom]["sentence"]
    assert Finding("w", symptom, "").pitfall.name in CATALOGUE


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
    assert finding.symptom == "nan"
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
    assert finding.symptom == "infinite"
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
    assert finding.symptom == "zero"
    assert finding.sentence.endswith(origin)


def test_one_bad_parameter_among_good_ones():
    good, bad = leaf(1.0), leaf(0.0)
    loss = (good * 2).exp().sum() + bad.sqrt().sum()
    diagnosis = diagnose(loss, [("good", good), ("bad", bad)])
    assert symptoms(diagnosis) == {("bad", "infinite")}


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
        ("cut", "not reached"),
        ("frozen", "frozen"),
        ("computed", "not a leaf"),
        ("others", "not given"),  # what the computed one was computed from
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
    assert ("loss", "no history") in symptoms(diagnose(build(w), [w]))


def test_a_loss_that_is_not_finite():
    w = leaf(-1.0)
    diagnosis = diagnose(w.log().sum(), [w])
    assert ("loss", "loss not finite") in symptoms(diagnosis)
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
        assert finding.symptom == "accumulated"
        assert f"ran {times} times" in finding.sentence


def test_other_gradients_in_grad():
    w = leaf(1.0, 2.0)
    (w**3).sum().backward()
    assert symptoms(diagnose((w**2).sum(), [("w", w)])) == {("w", "other gradient")}
    w.grad.zero_()
    assert diagnose((w**2).sum(), [w]).findings == ()
    w.grad.fill_(float("nan"))
    assert symptoms(diagnose((w**2).sum(), [("w", w)])) == {("w", "other gradient")}


def test_mixed_dtypes_and_devices_are_listed():
    w, b = leaf(1.0), leaf(2.0, dtype=torch.float64)
    (finding,) = diagnose((w * b).sum(), [("w", w), ("b", b)]).findings
    assert finding.symptom == "mixed dtypes"
    assert "torch.float32 in w" in finding.sentence
    elsewhere = torch.ones(1, device="meta")
    diagnosis = diagnose((w**2).sum(), [("w", w), ("elsewhere", elsewhere)])
    assert ("all", "mixed devices") in symptoms(diagnosis)


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
        if f.symptom != "mixed dtypes"
    ]
    assert finding.symptom == "accumulated"


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
        ("unused.weight", "not reached"),
        ("unused.bias", "not reached"),
    }
    assert "unused.weight" in diagnosis._repr_html_()
    assert CATALOGUE["unused-input"].link in str(diagnosis)


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
    assert "changed-in-place" in caught.value.__notes__[0]


def test_a_freed_graph_is_explained():
    w = leaf(1.0)
    loss = (w**2).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="second time") as caught:
        diagnose(loss, [w])
    assert "second-backward" in caught.value.__notes__[0]
    assert "call it before backward()" in caught.value.__notes__[-1]


def classifier():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))
    return module, torch.randn(8, 3), torch.randint(3, (8,))


def test_a_module_is_taken_as_its_parameters():
    module, x, target = classifier()
    loss = nn.functional.cross_entropy(module(x), target)
    named = diagnose(loss, module.named_parameters())
    assert diagnose(loss, module) == named
    assert named.findings == ()
    assert named.parameters == 4


@pytest.mark.parametrize("scale", [128.0, 1024.0, 65536.0])
def test_gradients_of_a_scaler_are_not_counted_as_backwards(scale):
    module, x, target = classifier()
    loss = nn.functional.cross_entropy(module(x), target)
    (scale * loss).backward(retain_graph=True)
    diagnosis = diagnose(loss, module)
    assert {symptom for _, symptom in symptoms(diagnosis)} == {"scaled"}
    assert "unscale_" in str(diagnosis)
    assert diagnose(scale * loss, module).findings == ()


@pytest.mark.parametrize(
    "clip",
    [
        lambda parameters: nn.utils.clip_grad_norm_(parameters, 0.05),
        lambda parameters: nn.utils.clip_grad_value_(parameters, 0.02),
    ],
)
def test_clipped_gradients_are_in_order(clip):
    module, x, target = classifier()
    loss = nn.functional.cross_entropy(module(x), target)
    loss.backward(retain_graph=True)
    before = module[0].weight.grad.clone()
    clip(list(module.parameters()))
    assert not module[0].weight.grad.equal(before)
    assert diagnose(loss, module).findings == ()


def test_one_parameter_off_among_others_is_no_clipping():
    module, x, target = classifier()
    loss = nn.functional.cross_entropy(module(x), target)
    loss.backward(retain_graph=True)
    module[2].weight.grad *= 0.7
    assert symptoms(diagnose(loss, module)) == {("2.weight", "other gradient")}


def test_hooks_on_parameters_are_in_order():
    module, x, target = classifier()
    module[0].weight.register_hook(lambda gradient: 3 * gradient)
    loss = nn.functional.cross_entropy(module(x), target)
    loss.backward(retain_graph=True)
    assert diagnose(loss, module).findings == ()


def test_layers_in_a_plain_list_are_named_and_missed():
    class Stack(nn.Module):
        def __init__(self, holder):
            super().__init__()
            self.head = nn.Linear(3, 1)
            self.layers = holder([nn.Linear(3, 3)])

        def forward(self, x):
            return self.head(self.layers[0](x))

    for holder in (list, tuple):
        module = Stack(holder)
        diagnosis = diagnose(module(torch.ones(2, 3)).sum(), module)
        assert symptoms(diagnosis) == {
            ("layers", "not registered"),
            ("others", "not given"),
        }
        assert holder.__name__ in str(diagnosis)
    module = Stack(nn.ModuleList)
    assert diagnose(module(torch.ones(2, 3)).sum(), module).findings == ()


def test_parameters_that_the_optimizer_does_not_hold_are_named():
    module, x, target = classifier()
    loss = nn.functional.cross_entropy(module(x), target)
    last = torch.optim.SGD(module[2].parameters(), lr=0.1)
    diagnosis = diagnose(loss, module, optimizer=last)
    assert symptoms(diagnosis) == {
        ("0.weight", "not optimized"),
        ("0.bias", "not optimized"),
    }
    every = torch.optim.SGD(module.parameters(), lr=0.1)
    assert diagnose(loss, module, optimizer=every).findings == ()
    with pytest.raises(TypeError, match=r"optimizer: expected a.* got Sequential"):
        diagnose(loss, module, optimizer=module)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda z, t: nn.functional.cross_entropy(z.softmax(1), t), True),
        (lambda z, t: nn.functional.cross_entropy(z.log_softmax(1), t), True),
        (lambda z, t: nn.functional.cross_entropy(z, t), False),
        (lambda z, t: nn.functional.nll_loss(z.log_softmax(1), t), False),
        (
            lambda z, t: nn.functional.binary_cross_entropy_with_logits(
                z[:, 0].sigmoid(), t.float() / 2
            ),
            True,
        ),
        (
            lambda z, t: (z.softmax(1) @ z.softmax(1).mT).softmax(1).square().sum(),
            False,
        ),
    ],
)
def test_a_softmax_before_another_is_told(loss, expected):
    module, x, target = classifier()
    found = symptoms(diagnose(loss(module(x), target), module))
    assert (("loss", "softmax twice") in found) is expected


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda z, t: (z - t).square().mean(), True),
        (lambda z, t: (t - z).square().mean(), True),
        (lambda z, t: nn.functional.mse_loss(z, t), True),
        (lambda z, t: (z[:, 0] - t).square().mean(), False),
        (lambda z, t: (z - t[:, None]).square().mean(), False),
        (lambda z, t: (z @ z.mT - z @ z.mT).mean() + z.sum(), False),
    ],
)
def test_a_column_against_a_row_is_told(loss, expected):
    torch.manual_seed(0)
    layer = nn.Linear(3, 1)
    value = loss(layer(torch.randn(8, 3)), torch.randn(8))
    found = symptoms(diagnose(value, layer))
    assert (("loss", "broadcast") in found) is expected


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1.0, [leaf(1.0)]), TypeError, "loss: expected a torch.Tensor, got float"),
        ((leaf(1.0, 2.0), [leaf(1.0)]), ValueError, r"loss: expected a scalar.*\(2,\)"),
        ((leaf(1.0), []), ValueError, "parameters: expected at least one"),
        ((leaf(1.0), [1.0]), TypeError, "parameter 0: expected a torch.Tensor"),
        ((leaf(1.0), [("w", None)]), TypeError, "w: expected a torch.Tensor"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        diagnose(*arguments)
