"""What is wrong with the gradients of a loss: add a symptom to ``diagnose`` here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from autodiff_guide._printed import Printed, Table
from autodiff_guide._validate import require_scalar, require_tensor
from autodiff_guide.pitfalls._catalogue import CATALOGUE, Pitfall, read
from autodiff_guide.pitfalls._explain import explain
from autodiff_guide.pitfalls._replay import Replay

_ROUNDING = 1e-3
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
    require_scalar("loss", loss)
    named = _named(parameters)
    return Diagnosis(tuple(_findings(loss, named)), len(named))


def _finding(where: str, symptom: str, **details: object) -> Finding:
    return Finding(where, symptom, _SYMPTOMS[symptom]["sentence"].format(**details))


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
    with explain():
        replay = Replay(loss, [parameter for _, parameter in wanted])
    for (name, parameter), sparse in zip(wanted, replay.gradients, strict=True):
        if sparse is None:
            yield _finding(name, "not reached")
            continue
        gradient, held = (
            sparse.to_dense(),
            parameter.grad if parameter.is_leaf else None,
        )
        size, nans = gradient.numel(), int(gradient.isnan().sum())
        if count := nans or int(gradient.isinf().sum()):
            symptom = "nan" if nans else "infinite"
            origin = replay.origin(parameter, "not finite")
            yield _finding(name, symptom, count=count, size=size, operation=origin)
        elif size and not gradient.any():
            origin = replay.origin(parameter, "zero")
            yield _finding(name, "zero", operation=origin)
        if held is not None and held.to_dense().any():
            times = _multiple(held, gradient)
            if times == 0:
                yield _finding(name, "other gradient")
            elif times > 1:
                yield _finding(name, "accumulated", times=times)


def _multiple(held: Tensor, gradient: Tensor) -> int:
    """Return how many times `gradient` makes `held`; 0 if no whole number does."""
    old, new = _as_vector(held), _as_vector(gradient)
    times = float((old @ new) / (new @ new))
    left = float((old - times * new).norm() / old.norm())
    whole = left <= _ROUNDING and abs(times - round(times)) <= _ROUNDING
    return max(round(times), 0) if whole else 0


def _as_vector(gradient: Tensor) -> Tensor:
    dense = gradient.detach().to_dense()
    real = torch.view_as_real(dense) if dense.is_complex() else dense
    return real.flatten().double()
