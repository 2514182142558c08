"""One figure for a light page and a dark page.

``docs/matplotlibrc`` draws with two colours that nothing else uses: *ink* for text and
lines, *paper* for what must hide what is below. On a dark page both are exchanged.
"""

import base64
import gzip
import io
import re
from html import escape

from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.colors import to_rgb, to_rgba_array
from PIL import Image

INK, PAPER = "#20262e", "#fefefe"
ON_DARK = {INK: "#e6e9ed", PAPER: "#14181e"}
ON_THE_PAGE = {INK: "currentColor", PAPER: "var(--pst-color-background)"}

PIXELS_PER_INCH = 100  # on the page; images have twice as many
HEAVIEST_SVG = 40_000  # bytes, compressed

SWAPS = {to_rgb(old): to_rgb(new) for old, new in ON_DARK.items()}


def swapped(colour):
    """Return an RGB or RGBA colour as the dark page shows it."""
    return colour and (*SWAPS.get(tuple(colour[:3]), colour[:3]), *colour[3:])


def swapped_all(colours):
    """Return an array of RGBA colours as the dark page shows them."""
    colours = to_rgba_array(colours).copy()
    for old, new in SWAPS.items():
        colours[(colours[:, :3] == old).all(axis=1), :3] = new
    return colours


class DarkContext(GraphicsContextBase):
    """A pen that is handed ink and draws with light ink."""

    def set_foreground(self, fg, isRGBA=False):
        super().set_foreground(fg, isRGBA)
        self._rgb = swapped(self._rgb)


class DarkRenderer(RendererAgg):
    """Draws any figure for the dark page, without touching its artists."""

    def new_gc(self):
        return DarkContext()

    def draw_path(self, gc, path, transform, rgbFace=None):
        super().draw_path(gc, path, transform, swapped(rgbFace))

    def _update_methods(self):
        super()._update_methods()
        markers, collection = self.draw_markers, self.draw_path_collection

        def draw_markers(gc, marker, marker_transform, path, transform, rgbFace=None):
            markers(gc, marker, marker_transform, path, transform, swapped(rgbFace))

        def draw_path_collection(
            gc,
            master,
            paths,
            all_transforms,
            offsets,
            offset_transform,
            facecolors,
            edgecolors,
            *rest,
            **settings,
        ):
            collection(
                gc,
                master,
                paths,
                all_transforms,
                offsets,
                offset_transform,
                swapped_all(facecolors),
                swapped_all(edgecolors),
                *rest,
                **settings,
            )

        self.draw_markers = draw_markers
        self.draw_path_collection = draw_path_collection


class DarkCanvas(FigureCanvasAgg):
    """The canvas of a `DarkRenderer`."""

    def get_renderer(self):
        size = (*self.get_width_height(physical=True), self.figure.dpi)
        if size != self._lastKey:
            self.renderer, self._lastKey = DarkRenderer(*size), size
        return self.renderer


def png(fig, canvas_class):
    """Return the figure as the bytes of a transparent PNG with 256 colours."""
    window = fig.canvas
    file = io.BytesIO()
    try:
        canvas_class(fig).print_figure(file, format="png", dpi=2 * PIXELS_PER_INCH)
    finally:
        fig.set_canvas(window)
    palette = Image.open(file).convert("RGBA").quantize(256, Image.Quantize.FASTOCTREE)
    file = io.BytesIO()
    palette.save(file, "PNG", optimize=True)
    return file.getvalue()


def png_twins(fig):
    """Return the figure for the light page and for the dark page."""
    return png(fig, FigureCanvasAgg), png(fig, DarkCanvas)


def svg(fig, prefix):
    """Return the figure as an SVG element whose ids begin with `prefix`.

    Its ink is the colour of the text around it.
    """
    file = io.StringIO()
    fig.savefig(file, format="svg", metadata={"Date": None})
    element = re.sub(r"<metadata>.*?</metadata>", "", file.getvalue(), flags=re.DOTALL)
    element = element[element.index("<svg") :]
    element = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}-", element)
    for old, new in ON_THE_PAGE.items():
        element = element.replace(old, new)
    width, height = fig.get_size_inches()
    return re.sub(
        r'<svg .*?viewBox="(.*?)".*?>',
        f'<svg class="guide-figure" style="width: {width * PIXELS_PER_INCH:.0f}px" '
        rf'viewBox="\1" role="img" aria-label="{escape(alt(fig))}">',
        element,
        count=1,
        flags=re.DOTALL,
    )


def html(fig, prefix):
    """Return the figure as HTML: one inline SVG or, where that is heavy, two images."""
    element = svg(fig, prefix)
    if len(gzip.compress(element.encode())) <= HEAVIEST_SVG:
        return element
    width = fig.get_size_inches()[0] * PIXELS_PER_INCH
    return "".join(
        f'<img class="guide-figure {theme}" style="width: {width:.0f}px" '
        f'alt="{escape(alt(fig))}" src="data:image/png;base64,'
        f'{base64.b64encode(image).decode()}">'
        for theme, image in zip(
            ("only-light", "only-dark"), png_twins(fig), strict=True
        )
    )


def animation_html(animation):
    """Return the animation with buttons to play it; it stands still until asked."""
    label = escape(alt(animation._fig))
    element = animation.to_jshtml(default_mode="once")
    element = re.sub(r"<link[^>]*>", "", element)
    element = element.replace(
        '<img id="', f'<img class="dark-light" alt="{label}" id="'
    )
    return element.replace('type="range"', 'type="range" aria-label="Frame"')


def alt(fig):
    """Return the figure's label, which the site reads out in place of the picture."""
    label = " ".join(fig.get_label().split())
    if not label:
        raise ValueError(
            "figure: expected a label, which becomes its alternative text, got none; "
            'say in one sentence what it shows: fig.set_label("…")'
        )
    return label
