"""Softmax, its derivative, and the logarithm of a sum of exponentials."""

from __future__ import annotations

import torch
from torch import Tensor

from autodiff_guide._validate import require_floating


def log_sum_exp(logits: Tensor, dim: int = -1) -> Tensor:
    r"""Logarithm of a sum of exponentials, without overflow.

    .. math:: \log \sum_j e^{x_j} = m + \log \sum_j e^{x_j - m}, \qquad m = \max_j x_j

    The shift makes the largest exponential 1, so the sum lies between 1 and n.

    Parameters
    ----------
    logits : Tensor
        Real numbers, shape ``(*)``.
    dim : int
        Axis to sum over; it is dropped.

    Returns
    -------
    Tensor
        Same dtype, one axis less.

    References
    ----------
    .. [1] P. Blanchard, D. J. Higham and N. J. Higham, "Accurately computing the
       log-sum-exp and softmax functions", 2021, doi:10.1093/imanum/draa038.

    Examples
    --------
    >>> logits = torch.tensor([1000.0, 1000.0])
    >>> logits.exp().sum().log(), log_sum_exp(logits)
    (tensor(inf), tensor(1000.6932))
    """
    largest = require_floating("logits", logits).detach().amax(dim, keepdim=True)
    shift = torch.where(largest.isinf(), 0, largest)
    return (logits - shift).exp().sum(dim).log() + shift.squeeze(dim)


def softmax(logits: Tensor, dim: int = -1) -> Tensor:
    r"""Probabilities in the proportions of the exponentials.

    .. math:: p_i = \frac{e^{x_i}}{\sum_j e^{x_j}}

    Parameters
    ----------
    logits : Tensor
        Real numbers, shape ``(*)``.
    dim : int
        Axis along which the probabilities sum to 1.

    Returns
    -------
    Tensor
        Numbers in (0, 1), in the shape and dtype of `logits`.

    References
    ----------
    .. [1] J. S. Bridle, "Probabilistic interpretation of feedforward classification
       network outputs", 1990, doi:10.1007/978-3-642-76153-9_28.

    Examples
    --------
    >>> softmax(torch.tensor([3.0, 1.0, -3.0]))
    tensor([0.8789, 0.1189, 0.0022])
    """
    largest = require_floating("logits", logits).detach().amax(dim, keepdim=True)
    powers = (logits - largest).exp()
    return powers / powers.sum(dim, keepdim=True)


def log_softmax(logits: Tensor, dim: int = -1) -> Tensor:
    r"""Logarithm of the softmax, finite where the softmax has underflown to 0.

    .. math:: \log p_i = x_i - \log \sum_j e^{x_j}

    Parameters
    ----------
    logits : Tensor
        Real numbers, shape ``(*)``.
    dim : int
        Axis along which the probabilities sum to 1.

    Returns
    -------
    Tensor
        Numbers below 0, in the shape and dtype of `logits`.

    Examples
    --------
    >>> log_softmax(torch.tensor([0.0, 200.0]))
    tensor([-200.,    0.])
    """
    return logits - log_sum_exp(logits, dim).unsqueeze(dim)


def softmax_jacobian(logits: Tensor) -> Tensor:
    r"""Every derivative of every probability by every logit.

    .. math:: \frac{\partial p_i}{\partial x_j} = p_i (\delta_{ij} - p_j)

    Symmetric; each row sums to 0, because the probabilities keep their sum.

    Parameters
    ----------
    logits : Tensor
        Real numbers, shape ``(*, n)``.

    Returns
    -------
    Tensor
        Jacobians, shape ``(*, n, n)``.

    Raises
    ------
    ValueError
        If `logits` is a single number.

    Examples
    --------
    >>> softmax_jacobian(torch.tensor([0.0, 0.0]))
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    if require_floating("logits", logits).ndim == 0:
        raise ValueError("logits: expected shape (*, n), got (); try logits.reshape(1)")
    p = softmax(logits)
    return p.diag_embed() - p.unsqueeze(-1) * p.unsqueeze(-2)


def softmax_vjp(logits: Tensor, cotangent: Tensor, dim: int = -1) -> Tensor:
    r"""Product of a vector with the Jacobian of the softmax, without the Jacobian.

    .. math:: v^\top J = p \odot \bigl(v - \langle p, v \rangle\bigr)

    Parameters
    ----------
    logits : Tensor
        Real numbers, shape ``(*)``.
    cotangent : Tensor
        The vector v, in the shape of `logits`: what backward hands in.
    dim : int
        Axis of the softmax.

    Returns
    -------
    Tensor
        What backward hands on, in the shape of `logits`.

    Examples
    --------
    >>> softmax_vjp(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0]))
    tensor([ 0.2500, -0.2500])
    """
    p = softmax(logits, dim)
    return p * (cotangent - (p * cotangent).sum(dim, keepdim=True))
