"""Directions in the space of a module's parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autodiff_guide._validate import require_count, require_floating
from autodiff_guide.landscape._problem import flat, require_module, split

NORMALIZATIONS = ("filter", None)


def random_directions(
    module: nn.Module,
    *,
    count: int = 2,
    normalize: str | None = "filter",
    frozen: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Draw random directions, each filter as long as the module's own.

    .. math:: d_{i,j} \leftarrow
              \frac{d_{i,j}}{\lVert d_{i,j} \rVert}\, \lVert \theta_{i,j} \rVert
              \qquad \text{filter } j \text{ of layer } i

    A step of 1 then changes every filter by its own length, whatever its scale. Biases,
    parameters of normalization layers and frozen ones are not moved: their entries are
    zero.

    Parameters
    ----------
    module : Module
        With P parameters. A filter is what one index of a weight's first axis selects.
    count : int
        How many directions.
    normalize : {"filter", None}
        None keeps the Gaussian entries, of variance 1.
    frozen : bool
        Whether weights with ``requires_grad=False`` move, too.
    generator : Generator, optional
        On the module's device; torch's own by default.

    Returns
    -------
    Tensor
        Of shape ``(count, P)``, in the order of ``module.parameters()``.

    Raises
    ------
    TypeError, ValueError
        If `module` has no parameters, or several dtypes or devices, or no weight that
        moves; if `count` is not positive, or `normalize` is unknown.

    References
    ----------
    .. [1] H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein, "Visualizing the loss
       landscape of neural nets", NeurIPS 2018, arXiv:1712.09913.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.Linear(3, 2)
    >>> first, second = random_directions(layer)
    >>> moved = first[:6].view(2, 3)
    >>> torch.allclose(moved.norm(dim=1), layer.weight.norm(dim=1))
    True
    >>> first[6:]
    tensor([0., 0.])
    """
    require_module("module", module)
    require_count(count)
    if normalize not in NORMALIZATIONS:
        raise ValueError(
            f"normalize: expected one of {NORMALIZATIONS}, got {normalize!r}"
        )
    still = {
        id(parameter)
        for part in module.modules()
        if isinstance(part, nn.LayerNorm | nn.RMSNorm)
        for parameter in part.parameters(recurse=False)
    }
    parameters = list(module.parameters())
    moves = [
        part.dim() > 1 and id(part) not in still and (frozen or part.requires_grad)
        for part in parameters
    ]
    if not any(moves):
        raise ValueError(
            "module: expected a weight that moves, got biases, normalization layers "
            "and frozen parameters only; frozen=True moves frozen ones, too"
        )
    directions = torch.zeros_like(flat(parameters)).repeat(count, 1)
    for direction in directions:
        parts = zip(moves, split(direction, parameters), parameters, strict=True)
        for moved, part, weight in parts:
            if moved:
                filters = part.normal_(generator=generator).flatten(1)
                if normalize == "filter":
                    lengths = weight.detach().flatten(1).norm(dim=1, keepdim=True)
                    filters *= lengths / filters.norm(dim=1, keepdim=True)
    return directions


def direction_to(module: nn.Module, other: nn.Module) -> Tensor:
    r"""Return the direction that leads from one module's parameters to another's.

    .. math:: d = \theta_{\text{other}} - \theta

    Only parameters are compared, frozen ones as well. The running means and variances
    of BatchNorm are buffers: they stay the module's own all along the way.

    Parameters
    ----------
    module, other : Module
        With P parameters of the same names and shapes.

    Returns
    -------
    Tensor
        Of shape ``(1, P)``; the step 1 along it reaches `other`.

    Raises
    ------
    TypeError, ValueError
        If one has no parameters, or several dtypes or devices, or they do not match.

    Examples
    --------
    >>> import torch
    >>> one, two = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    >>> way = direction_to(one, two)
    >>> torch.allclose(one.weight + way[0, 0], two.weight)
    True
    """
    mine, theirs = (
        {name: tuple(part.shape) for name, part in each.named_parameters()}
        for each in (require_module("module", module), require_module("other", other))
    )
    for name in mine | theirs:
        if mine.get(name) != theirs.get(name):
            raise ValueError(
                f"other: expected the parameters of module, got other ones: {name} has "
                f"shape {mine.get(name, 'none')} in module and "
                f"{theirs.get(name, 'none')} in other; build both alike"
            )
    return (flat(other.parameters()) - flat(module.parameters()))[None]


def pca_directions(points: Tensor, *, count: int = 2) -> Tensor:
    r"""Return the directions in which training moved most, as seen from its end.

    They are the first right singular vectors of :math:`M`, whose row :math:`t` is
    :math:`\theta_t - \theta_T`.

    Parameters
    ----------
    points : Tensor
        Of shape ``(T, P)``: parameters during training, the last ones last. Each is
        ``torch.nn.utils.parameters_to_vector(module.parameters()).detach()``.
    count : int
        How many directions.

    Returns
    -------
    Tensor
        Of shape ``(count, P)``; of length 1 and at right angles. The largest entry of
        each is positive.

    Raises
    ------
    TypeError
        If `points` is not a floating-point tensor.
    ValueError
        If the points do not span `count` directions.

    References
    ----------
    .. [1] H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein, "Visualizing the loss
       landscape of neural nets", NeurIPS 2018, arXiv:1712.09913, section 7.

    Examples
    --------
    >>> import torch
    >>> path = torch.tensor([[3.0, 4.0], [1.5, 2.0], [0.0, 0.0]])
    >>> pca_directions(path, count=1)
    tensor([[0.6000, 0.8000]])
    """
    require_count(count)
    if require_floating("points", points).dim() != 2:
        raise ValueError(
            f"points: expected shape (T, P), got {tuple(points.shape)}; stack one "
            "vector of parameters for each moment"
        )
    moves = (points - points[-1]).detach().double()
    _, sizes, directions = torch.linalg.svd(moves, full_matrices=False)
    spanned = int((sizes > 1e-12 * sizes[0]).sum())
    if spanned < count:
        raise ValueError(
            f"points: expected points that span {count} directions, got {spanned}; "
            "record more moments of training"
        )
    return upright(directions[:count]).to(points.dtype)


def project(points: Tensor, center: Tensor, directions: Tensor) -> Tensor:
    r"""Return the coordinates on a slice of the points on it nearest to given ones.

    .. math:: \min_c \Big\lVert \theta - \theta_0 - \sum_k c_k d_k \Big\rVert

    Parameters
    ----------
    points : Tensor
        Of shape ``(T, P)``.
    center : Tensor
        Of shape ``(P,)``: the parameters :math:`\theta_0` at the slice's center.
    directions : Tensor
        Of shape ``(k, P)``: those of the slice, of any lengths and angles.

    Returns
    -------
    Tensor
        Of shape ``(T, k)``.

    Raises
    ------
    TypeError
        If one is not a floating-point tensor.
    ValueError
        If their shapes do not match.

    Examples
    --------
    >>> import torch
    >>> directions = torch.tensor([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    >>> project(torch.tensor([[3.0, 1.0, 5.0]]), torch.zeros(3), directions)
    tensor([[1., 1.]])
    """
    require_floating("points", points)
    require_floating("center", center)
    require_floating("directions", directions)
    shapes = [tuple(part.shape) for part in (points, center, directions)]
    if [len(shape) for shape in shapes] != [2, 1, 2] or len(
        {shape[-1] for shape in shapes}
    ) > 1:
        raise ValueError(
            f"points: expected shapes (T, P), (P,) and (k, P), got {shapes[0]}, "
            f"{shapes[1]} and {shapes[2]}"
        )
    way, plane = (points - center).double(), directions.double()
    coordinates: Tensor = torch.linalg.solve(plane @ plane.T, plane @ way.T).T
    return coordinates.to(points.dtype)


def upright(directions: Tensor) -> Tensor:
    """Return the directions, each turned so that its largest entry is positive."""
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return directions * largest.sign()
