"""Matrices as drawn: their numbers, the places of these, their contrast."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_rgb

from autodiff_guide.plotting import matrix
from autodiff_guide.plotting import vector_jacobian_product as view


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def drawn_numbers(ax):
    return [float(text.get_text()) for text in ax.texts]


def product(vector, jacobian, **settings):
    """Draw a vector times a Jacobian of vectors."""
    return view(vector, jacobian, vector @ jacobian, **settings)


def squares(x):
    mixing = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]])
    return (mixing @ x) ** 2


def test_the_numbers_in_the_cells_are_v_j_and_what_backward_gives():
    x = torch.tensor([1.0, 1.0, 0.0], requires_grad=True)
    v = torch.tensor([1.0, -2.0])
    squares(x).backward(gradient=v)
    jacobian = torch.func.jacrev(squares)(x.detach())

    ax = view(v, jacobian, x.grad)

    expected = [*v.tolist(), *jacobian.flatten().tolist(), *x.grad.tolist()]
    assert drawn_numbers(ax) == expected


def test_colors_share_one_scale():
    jacobian = torch.tensor([[1.0, -5.0], [2.0, 7.0]])
    ax = product(torch.tensor([2.0, 3.0]), jacobian)
    limits = {mesh.get_clim() for mesh in ax.collections}
    assert limits == {(-5.0, 21.0 - 10.0)}


def test_each_number_stands_in_its_own_cell():
    jacobian = torch.arange(6.0).reshape(2, 3)
    ax = product(torch.tensor([1.0, 1.0]), jacobian)
    for text in ax.texts:
        column, row = text.get_position()
        meshes = [
            mesh
            for mesh in ax.collections
            if mesh.get_datalim(ax.transData).contains(column, row)
        ]
        assert len(meshes) == 1


def test_a_label_for_every_row_and_column():
    ax = view(torch.ones(2, 2), torch.zeros(2, 2, 3), torch.zeros(3))
    assert len(ax.get_xticklabels()) == 1 + 3
    assert len(ax.get_yticklabels()) == 4 + 1


@pytest.mark.parametrize("scale", [-1.0, 1.0])
def test_text_contrasts_with_its_cell(scale):
    def luminance(color):
        return torch.tensor(to_rgb(color)) @ torch.tensor([0.299, 0.587, 0.114])

    jacobian = scale * torch.arange(12.0).reshape(3, 4)
    ax = product(torch.ones(3), jacobian)
    cells = [
        color
        for mesh in ax.collections
        for color in mesh.to_rgba(mesh.get_array()).reshape(-1, 4)
    ]
    for text, cell in zip(ax.texts, cells, strict=True):
        difference = luminance(text.get_color()) - luminance(cell[:3])
        assert difference.abs() > 0.4


def test_draws_where_it_is_told_and_on_detached_copies():
    _, ax = plt.subplots()
    v = torch.ones(2, requires_grad=True)
    assert product(v, torch.eye(2), ax=ax) is ax
    assert v.grad is None


def test_a_jacobian_of_other_outputs_is_refused():
    with pytest.raises(ValueError, match=r"jacobian: expected shape .*, got \(3, 2\)"):
        view(torch.ones(2), torch.zeros(3, 2), torch.zeros(2))


def test_a_matrix_has_its_numbers_and_names():
    values = torch.tensor([[1.0, -2.0, 0.0], [0.25, 3.0, 4.0]])
    ax = matrix(values, rows=["a", "b"], columns=["x", "y", "z"])
    assert drawn_numbers(ax) == values.flatten().tolist()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["x", "y", "z"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
    assert ax.yaxis_inverted()
    assert ax.collections[0].get_clim() == (-4, 4)
    with pytest.raises(ValueError, match=r"values: .* \(1, 3\), .* \(2, 3\)"):
        matrix(values, rows=["a"], columns=["x", "y", "z"])
