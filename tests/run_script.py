"""Run one gallery script and report, as JSON, how long it took and what is missing.

The script's figures are inspected as it ends: each needs a label, the words for those
who do not see it; numbers along an axis need a name.
"""

import json
import re
import runpy
import sys
import time

import matplotlib.pyplot as plt

NOT_DIGITS = re.compile(r"\\[a-z]+|[-−+.,e${}^\s]")


def is_number(text):
    """Return whether a tick says a number, also as 10² in TeX, and no word."""
    return NOT_DIGITS.sub("", text).isdigit()


def has_numbers(axis):
    ticks = axis.get_ticklabels() if axis.get_visible() else []
    return any(tick.get_visible() and is_number(tick.get_text()) for tick in ticks)


def unnamed(figure, direction):
    """Return whether there are numbers along x (or y) and nothing says of what."""
    axes = [ax for ax in figure.axes if ax.axison and ax.get_visible()]
    axises = [getattr(ax, f"{direction}axis") for ax in axes]
    named = any(axis.get_label_text() for axis in axises)
    whole = getattr(figure, f"get_sup{direction}label")()
    return any(map(has_numbers, axises)) and not (named or whole)


def faults():
    """Yield what the open figures lack."""
    for number in plt.get_fignums():
        figure = plt.figure(number)
        figure.canvas.draw()
        if not figure.get_label().strip():
            yield f"figure {number}: no label; call fig.set_label() with what it shows"
        for direction in "xy":
            if unnamed(figure, direction):
                yield f"figure {number}: numbers along {direction}, but no axis label"


if __name__ == "__main__":  # a process that a script starts imports this file
    shown = []
    plt.show = lambda *args, **kwargs: shown.append(plt.get_fignums())
    start = time.perf_counter()
    runpy.run_path(sys.argv[1], run_name="__main__")
    seconds = time.perf_counter() - start
    report = {
        "seconds": seconds,
        "figures": len(plt.get_fignums()),
        "faults": [*faults()],
    }
    if not shown:
        report["faults"].append("never calls plt.show()")
    print(json.dumps(report))
