"""What is wrong with the gradients of a loss: add a symptom to ``diagnose`` here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.optim import Optimizer

from autodiff_guide._printed import Printed, Table
from autodiff_guide._validate import require_scalar, require_tensor
from autodiff_guide.pitfalls._catalogue import CATALOGUE, Pitfall, read
from autodiff_guide.pitfalls._explain import explain
from autodiff_guide.pitfalls._replay import Replay
from autodiff_guide.pitfalls._suspicious import (
    column_against_row,
    leaves,
    softmax_twice,
)

_ROUNDING = 1e-3  # of a gradient in 16 bits
_SCALE = 128  # nobody forgets to zero so often; gradient scalers begin at 2**16
_SYMPTOMS = read("symptoms.toml")


@dataclass(frozen=True)
class Finding:
    """One symptom of one parameter, as a sentence.

    Parameters
    ----------
    where : str
        The parameter, ``"loss"``, or ``"all"``.
    symptom : str
        In short: a title of ``symptoms.toml``, such as ``"not reached"``.
    sentence : str
        What is wrong, with what was measured and the usual causes.
    """

    where: str
    symptom: str
    sentence: str

    @property
    def pitfall(self) -> Pitfall:
        """The pitfall whose page says more."""
        return CATALOGUE[_SYMPTOMS[self.symptom]["pitfall"]]


@dataclass(frozen=True)
class Diagnosis(Printed):
    """What :func:`autodiff_guide.diagnose` found; empty if all is in order."""

    findings: tuple[Finding, ...]
    parameters: int

    def _table(self) -> Table:
        if not self.findings:
            rows = [("all", "every gradient is there, finite and not 0 everywhere", "")]
        else:
            rows = [(f.where, f.sentence, f.pitfall.link) for f in self.findings]
        plural = "" if self.parameters == 1 else "s"
        return Table(f"Gradients of {self.parameters} parameter{plural}", rows)


Parameters = Module | Iterable[Tensor] | Iterable[tuple[str, Tensor]]


def diagnose(
    loss: Tensor, parameters: Parameters, *, optimizer: Optimizer | None = None
) -> Diagnosis:
    """Say what is wrong with the gradients of `loss`, though nothing was raised.

    It runs one backward pass of its own and keeps the graph; ``.grad``, the
    parameters and the loss stay as they are. Call it before ``backward()``, or
    after ``backward(retain_graph=True)``. Hooks that you registered do run.

    Parameters
    ----------
    loss : Tensor
        One number with its history.
    parameters : Module, or iterable of Tensor or of (str, Tensor)
        The module itself, its ``named_parameters()``, or a list of tensors.
    optimizer : Optimizer, optional
        What is to move them: those it does not hold are named.

    Returns
    -------
    Diagnosis
        Its findings: parameters that were not reached, gradients that are NaN,
        infinite or 0 with the operation that made them so, old or scaled gradients in
        ``.grad``, mixed dtypes and devices, tensors that get a gradient and are not
        among the parameters, layers that their module does not know, a softmax before
        another, a column that was broadcast against a row. Gradients that were
        clipped are in order.

    Raises
    ------
    TypeError
        If `loss` or a parameter is not a tensor, or `optimizer` no optimizer.
    ValueError
        If `loss` is not one number, or there are no parameters.
    RuntimeError
        What torch raises if it cannot go back, with a note by
        :func:`autodiff_guide.explain`; after a plain ``backward()`` the graph is gone,
        and the note says when to call.

    Examples
    --------
    >>> import torch
    >>> x = torch.zeros(2, requires_grad=True)
    >>> print(diagnose((x**2).sum().sqrt(), [("x", x)]).findings[0].sentence)
    its gradient is NaN at 2 of 2 places; the first operation that sent back NaN or
    infinity is sqrt (SqrtBackward0)
    """
    require_scalar("loss", loss)
    if not isinstance(optimizer, Optimizer | None):
        raise TypeError(
            "optimizer: expected a torch.optim.Optimizer, got "
            f"{type(optimizer).__name__}; for example torch.optim.SGD(...)"
        )
    findings: list[Finding] = []
    if isinstance(parameters, Module):
        findings += _plain_lists(parameters)
        parameters = parameters.named_parameters()
    named = _named(parameters)
    findings += _findings(loss, named)
    if optimizer is not None:
        findings += _not_optimized(optimizer, named)
    return Diagnosis(tuple(findings), len(named))


def _finding(where: str, symptom: str, **details: object) -> Finding:
    return Finding(where, symptom, _SYMPTOMS[symptom]["sentence"].format(**details))


def _plain_lists(module: Module) -> Iterator[Finding]:
    for name, part in module.named_modules():
        for attribute, value in vars(part).items():
            held = value.values() if isinstance(value, dict) else value
            if attribute.startswith("_") or not isinstance(held, Iterable):
                continue
            if isinstance(value, list | tuple | dict) and any(
                isinstance(entry, Module | Parameter) for entry in held
            ):
                where = f"{name}.{attribute}".lstrip(".")
                yield _finding(where, "not registered", kind=type(value).__name__)


def _not_optimized(
    optimizer: Optimizer, named: list[tuple[str, Tensor]]
) -> Iterator[Finding]:
    moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in named:
        if parameter.requires_grad and id(parameter) not in moved:
            yield _finding(name, "not optimized")


def _named(
    parameters: Iterable[Tensor] | Iterable[tuple[str, Tensor]],
) -> list[tuple[str, Tensor]]:
    named = [
        entry if isinstance(entry, tuple) else (f"parameter {number}", entry)
        for number, entry in enumerate(parameters)
    ]
    for name, parameter in named:
        require_tensor(name, parameter)
    if not named:
        raise ValueError(
            "parameters: expected at least one tensor, got none; is it a generator "
            "that was used up, or a module that keeps its layers in a plain list?"
        )
    return named


def _findings(loss: Tensor, named: list[tuple[str, Tensor]]) -> Iterator[Finding]:
    if not loss.requires_grad:
        yield _finding("loss", "no history")
    if not loss.isfinite():
        value = loss.detach().reshape(()).item()
        yield _finding("loss", "loss not finite", value=value)
    yield from _mixtures([("loss", loss), *named])
    for name, parameter in named:
        if not parameter.requires_grad:
            yield _finding(name, "frozen")
        elif not parameter.is_leaf:
            yield _finding(name, "not a leaf")
    wanted = [(name, p) for name, p in named if p.requires_grad]
    if loss.requires_grad and wanted:
        yield from _of_the_gradients(loss, wanted)


def _mixtures(named: list[tuple[str, Tensor]]) -> Iterator[Finding]:
    for attribute, symptom in (
        ("dtype", "mixed dtypes"),
        ("device", "mixed devices"),
    ):
        groups: dict[str, list[str]] = {}
        for name, tensor in named:
            groups.setdefault(str(getattr(tensor, attribute)), []).append(name)
        if len(groups) > 1:
            listed = [
                f"{value} in {', '.join(names)}" for value, names in groups.items()
            ]
            yield _finding("all", symptom, groups="; ".join(listed))


def _of_the_gradients(
    loss: Tensor, wanted: list[tuple[str, Tensor]]
) -> Iterator[Finding]:
    replay = _replay(loss, [parameter for _, parameter in wanted])
    yield from _of_the_graph(replay, wanted)
    held: list[tuple[str, Tensor, Tensor]] = []
    for (name, parameter), sparse in zip(wanted, replay.gradients, strict=True):
        if sparse is None:
            yield _finding(name, "not reached")
            continue
        gradient = sparse.to_dense()
        size, nans = gradient.numel(), int(gradient.isnan().sum())
        if count := nans or int(gradient.isinf().sum()):
            symptom = "nan" if nans else "infinite"
            origin = replay.origin(parameter, "not finite")
            yield _finding(name, symptom, count=count, size=size, operation=origin)
        elif size and not gradient.any():
            origin = replay.origin(parameter, "zero")
            yield _finding(name, "zero", operation=origin)
        kept = parameter.grad if parameter.is_leaf else None
        if kept is not None and kept.to_dense().any():
            held.append((name, _as_vector(kept), _as_vector(gradient)))
    yield from _of_what_is_held(held)


def _replay(loss: Tensor, parameters: list[Tensor]) -> Replay:
    try:
        with explain():
            return Replay(loss, parameters)
    except RuntimeError as error:
        if CATALOGUE["second-backward"].matches(str(error)):
            error.add_note(
                "diagnose goes back through the graph: call it before backward(), or "
                "after backward(retain_graph=True)"
            )
        raise


def _of_the_graph(
    replay: Replay, wanted: list[tuple[str, Tensor]]
) -> Iterator[Finding]:
    given = {id(parameter) for _, parameter in wanted}
    others = [leaf for leaf in leaves(replay.nodes) if id(leaf) not in given]
    if others:
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in others)
        yield _finding("others", "not given", count=len(others), shapes=shapes)
    if twice := softmax_twice(replay.nodes):
        yield _finding("loss", "softmax twice", first=twice[0], second=twice[1])
    if grown := column_against_row(replay.nodes):
        yield _finding("loss", "broadcast", column=grown[0], square=grown[1])


def _of_what_is_held(held: list[tuple[str, Tensor, Tensor]]) -> Iterator[Finding]:
    """Compare each ``.grad`` with the gradient of this loss, both as vectors."""
    factors = [_factor(old, new) for _, old, new in held]
    if _clipped_together(factors):
        return
    for (name, old, new), factor in zip(held, factors, strict=True):
        if factor == 1 or old.equal(new.clamp(-old.abs().max(), old.abs().max())):
            continue
        if not factor or factor != int(factor):
            yield _finding(name, "other gradient")
        elif factor >= _SCALE and factor == 2 ** round(math.log2(factor)):
            yield _finding(name, "scaled", times=int(factor))
        else:
            yield _finding(name, "accumulated", times=int(factor))


def _clipped_together(factors: list[float]) -> bool:
    """Tell whether one factor below 1 made all of them, as ``clip_grad_norm_`` does."""
    return bool(factors) and all(
        0 < factor < 1 and abs(factor - factors[0]) <= _ROUNDING * factors[0]
        for factor in factors
    )


def _factor(old: Tensor, new: Tensor) -> float:
    """Return by which positive factor `new` makes `old`, or 0 if none does."""
    factor = float((old @ new) / (new @ new))
    if not float((old - factor * new).norm() / old.norm()) <= _ROUNDING:
        return 0
    whole = round(factor)
    return max(0, whole if abs(factor - whole) <= _ROUNDING * max(1, whole) else factor)


def _as_vector(gradient: Tensor) -> Tensor:
    dense = gradient.detach().to_dense()
    real = torch.view_as_real(dense) if dense.is_complex() else dense
    return real.flatten().double()
