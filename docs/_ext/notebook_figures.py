"""The matplotlib backend of the guide's chapters: ``plt.show()`` writes HTML.

The kernel of ``docs/_kernel`` chooses it. A figure without a label fails its cell.
"""

from itertools import count

import figures
from IPython.display import HTML, display
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas

__all__ = ["FigureCanvas", "show"]

number = count(1)


def show(*, block=None):
    """Display every open figure, then close it."""
    try:
        for figure in map(plt.figure, plt.get_fignums()):
            display(HTML(figures.html(figure, f"figure{next(number)}")))
    finally:
        plt.close("all")
