"""The matplotlib backend of the guide's chapters: ``plt.show()`` writes HTML.

The kernel of ``docs/_kernel`` chooses it. A figure without a label fails its cell.
"""

from itertools import count

import ink
from IPython.core.getipython import get_ipython
from IPython.display import HTML, display
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas

__all__ = ["FigureCanvas", "show"]

number = count(1)


def show(*, block=None):
    """Display every open figure, then close it."""
    try:
        for figure in map(plt.figure, plt.get_fignums()):
            display(HTML(ink.html(figure, f"figure{next(number)}")))
    finally:
        plt.close("all")


def show_animation(animation):
    plt.close(animation._fig)
    return ink.animation_html(animation)


get_ipython().display_formatter.formatters["text/html"].for_type_by_name(
    "matplotlib.animation", "FuncAnimation", show_animation
)
