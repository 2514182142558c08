"""What is wrong with the gradients of a loss: add a symptom to ``diagnose`` here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from autodiff_guide._printed import Printed, Table
from autodiff_guide._validate import require_tensor
from autodiff_guide.pitfalls._catalogue import CATALOGUE, Pitfall, read
from autodiff_guide.pitfalls._explain import explain
from autodiff_guide.pitfalls._replay import Replay

_ROUNDING = 1e-3
_SYMPTOMS = read("symptoms.toml")


class Symptom(Enum):
    """What can be wrong; the sentences are in ``symptoms.toml``."""

    NO_HISTORY = "no history"
    LOSS_NOT_FINITE = "loss not finite"
    FROZEN = "frozen"
    NOT_A_LEAF = "not a leaf"
    NOT_REACHED = "not reached"
    NAN = "nan"
    INFINITE = "infinite"
    ZERO = "zero"
    ACCUMULATED = "accumulated"
    OTHER_GRADIENT = "other gradient"
    MIXED_DTYPES = "mixed dtypes"
    MIXED_DEVICES = "mixed devices"

    @property
    def sentence(self) -> str:
        """What is wrong, with its usual causes; braces hold what was measured."""
        return str(_SYMPTOMS[self.value]["sentence"])

    @property
    def pitfall(self) -> Pitfall:
        """The pitfall whose page says more."""
        return CATALOGUE[_SYMPTOMS[self.value]["pitfall"]]


@dataclass(frozen=True)
class Finding:
    """One symptom of one parameter, as a sentence; ``symptom.pitfall`` says more."""

    where: str
    symptom: Symptom
    sentence: str


@dataclass(frozen=True)
class Diagnosis(Printed):
    """What :func:`autodiff_guide.diagnose` found; empty if all is in order."""

    findings: tuple[Finding, ...]
    parameters: int

    def _table(self) -> Table:
        if not self.findings:
            rows = [("all", "every gradient is there, finite and not 0 everywhere", "")]
        else:
            rows = [
                (f.where, f.sentence, f.symptom.pitfall.link) for f in self.findings
            ]
        plural = "" if self.parameters == 1 else "s"
        return Table(f"Gradients of {self.parameters} parameter{plural}", rows)


def diagnose(
    loss: Tensor, parameters: Iterable[Tensor] | Iterable[tuple[str, Tensor]]
) -> Diagnosis:
    """Say what is wrong with the gradients of `loss`, though nothing was raised.

    It runs one backward pass of its own and keeps the graph; ``.grad``, the
    parameters and the loss stay as they are. Call it before ``backward()``, or
    after ``backward(retain_graph=True)``. Hooks that you registered do run.

    Parameters
    ----------
    loss : Tensor
        One number with its history.
    parameters : iterable of Tensor, or of (str, Tensor)
        ``module.named_parameters()``, or a list of tensors.

    Returns
    -------
    Diagnosis
        Its findings: parameters that were not reached, gradients that are NaN,
        infinite or 0 with the operation that made them so, old gradients in
        ``.grad``, mixed dtypes and devices.

    Raises
    ------
    TypeError
        If `loss` or a parameter is not a tensor.
    ValueError
        If `loss` is not one number, or there are no parameters.
    RuntimeError
        What torch raises if it cannot go back, with a note by
        :func:`autodiff_guide.explain`.

    Examples
    --------
    >>> import torch
    >>> x = torch.zeros(2, requires_grad=True)
    >>> print(diagnose((x**2).sum().sqrt(), [("x", x)]).findings[0].sentence)
    its gradient is NaN at 2 of 2 places; the first operation that sent back NaN or
    infinity is sqrt (SqrtBackward0)
    """
    if not isinstance(loss, Tensor):
        raise TypeError(
            f"loss: expected a torch.Tensor, got {type(loss).__name__}; "
            "pass the loss itself, not loss.item()"
        )
    if loss.numel() != 1:
        raise ValueError(
            f"loss: expected one number, got shape {tuple(loss.shape)}; "
            "take its mean() or sum()"
        )
    named = _named(parameters)
    findings = [*_of_the_loss(loss), *_mixtures(loss, named)]
    for name, parameter in named:
        if not parameter.requires_grad:
            findings.append(_finding(name, Symptom.FROZEN))
        elif not parameter.is_leaf:
            findings.append(_finding(name, Symptom.NOT_A_LEAF))
    wanted = [(name, p) for name, p in named if p.requires_grad]
    if loss.requires_grad and wanted:
        findings += _of_the_gradients(loss, wanted)
    return Diagnosis(tuple(findings), len(named))


def _finding(where: str, symptom: Symptom, **details: object) -> Finding:
    return Finding(where, symptom, symptom.sentence.format(**details))


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


def _of_the_loss(loss: Tensor) -> list[Finding]:
    findings = []
    if not loss.requires_grad:
        findings.append(_finding("loss", Symptom.NO_HISTORY))
    if not loss.isfinite():
        value = loss.detach().reshape(()).item()
        findings.append(_finding("loss", Symptom.LOSS_NOT_FINITE, value=value))
    return findings


def _mixtures(loss: Tensor, named: list[tuple[str, Tensor]]) -> list[Finding]:
    findings = []
    for attribute, symptom in (
        ("dtype", Symptom.MIXED_DTYPES),
        ("device", Symptom.MIXED_DEVICES),
    ):
        groups: dict[str, list[str]] = {}
        for name, tensor in [("loss", loss), *named]:
            groups.setdefault(str(getattr(tensor, attribute)), []).append(name)
        if len(groups) > 1:
            listed = "; ".join(
                f"{value} in {', '.join(names)}" for value, names in groups.items()
            )
            findings.append(_finding("all", symptom, groups=listed))
    return findings


def _of_the_gradients(loss: Tensor, wanted: list[tuple[str, Tensor]]) -> list[Finding]:
    with explain():
        replay = Replay(loss, [parameter for _, parameter in wanted])
    findings = [
        _finding(name, Symptom.NOT_REACHED)
        for (name, _), gradient in zip(wanted, replay.gradients, strict=True)
        if gradient is None
    ]
    reached = [
        (name, parameter, gradient)
        for (name, parameter), gradient in zip(wanted, replay.gradients, strict=True)
        if gradient is not None
    ]
    if not reached:
        return findings
    measured = torch.stack([_measure(p, g).to(loss.device) for _, p, g in reached])
    for (name, parameter, gradient), row in zip(
        reached, measured.tolist(), strict=True
    ):
        nans, infinities, others, held, times, residual = row
        size = gradient.numel()
        if nans or infinities:
            symptom = Symptom.NAN if nans else Symptom.INFINITE
            origin = replay.origin(parameter, "not finite")
            count = int(nans or infinities)
            findings.append(
                _finding(name, symptom, count=count, size=size, operation=origin)
            )
        elif not others and size:
            origin = replay.origin(parameter, "zero")
            findings.append(_finding(name, Symptom.ZERO, operation=origin))
        if held:
            whole = round(times) if residual <= _ROUNDING else 0
            if whole < 1 or abs(times - whole) > _ROUNDING:
                findings.append(_finding(name, Symptom.OTHER_GRADIENT))
            elif whole > 1:
                findings.append(_finding(name, Symptom.ACCUMULATED, times=whole))
    return findings


def _measure(parameter: Tensor, gradient: Tensor) -> Tensor:
    """Count NaN, inf and non-zeros; fit what ``.grad`` holds by the gradient.

    The last three are whether it holds anything, its multiple of the gradient, and
    the relative size of what that multiple leaves over.
    """
    gradient = gradient.to_dense()
    counts = [gradient.isnan().sum(), gradient.isinf().sum(), (gradient != 0).sum()]
    held = parameter.grad if parameter.is_leaf else None
    if held is None:
        fit = [gradient.new_zeros(())] * 3
    else:
        old, new = _as_vector(held), _as_vector(gradient)
        times = (old @ new) / (new @ new)
        fit = [(old != 0).any(), times, (old - times * new).norm() / old.norm()]
    return torch.stack([number.double() for number in (*counts, *fit)])


def _as_vector(gradient: Tensor) -> Tensor:
    dense = gradient.detach().to_dense()
    real = torch.view_as_real(dense) if dense.is_complex() else dense
    return real.flatten().double()
