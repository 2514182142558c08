"""How the site is built. `tox -e docs` runs it; docs/_ext holds its own extensions."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE / "_build"

# The kernels of the chapters are child processes: they read the environment.
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]
os.environ["PYTHONPATH"] = os.pathsep.join([*sys.path[:2], os.getenv("PYTHONPATH", "")])
os.environ["JUPYTER_PATH"] = str(HERE / "_kernel")
os.environ["MATPLOTLIBRC"] = str(HERE / "matplotlibrc")
os.environ["OMP_NUM_THREADS"] = "1"

import autodiff_guide  # noqa: E402 - the path above leads to that of this checkout

project = "autodiff_guide"
author = project_copyright = "The autodiff_guide authors"
version = release = autodiff_guide.__version__
language = "en"
nitpicky = True

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "myst_nb",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinxcontrib.bibtex",
    "sphinxext.opengraph",
    "sphinx_sitemap",
    "notfound.extension",
    "api_names",
    "gallery_path",
    "chapter_downloads",
    "guide_terms",
    "katex_math",
    "page_foot",
    "page_links",
    "pitfall_pages",
    "search_words",
    "prose_numbers",
]
exclude_patterns = [
    "_*",
    "auto_gallery/**.ipynb",
    "auto_gallery/**.py",
    "**/GALLERY_HEADER.rst",
    "sg_execution_times.rst",
    "jupyter_execute",
    "katex/*.js",
    "katex/*.md",
]
templates_path = ["_templates"]

# -- HTML --------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_title = project
html_baseurl = "https://autodiff-guide.github.io/autodiff_guide/"
html_static_path = ["_static", "_vendor"]
html_css_files = ["guide.css", "icons.css"]
html_favicon = "_static/favicon.svg"
html_math_renderer = "katex"
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {
        "image_light": "_static/logo-light.svg",
        "image_dark": "_static/logo-dark.svg",
        "alt_text": "autodiff_guide, home",
    },
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "article_header_end": ["page-links"],
    "secondary_sidebar_items": ["page-toc", "sg_download_links"],
    "article_footer_items": ["related"],
    "navigation_with_keys": False,
    "footer_start": ["page-foot"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": []}
sitemap_url_scheme = "{link}"
ogp_site_url = html_baseurl
ogp_social_cards = {"enable": False}
notfound_urls_prefix = "/autodiff_guide/"

# -- references: local inventories, see _inv/refresh.py ------------------------
intersphinx_mapping = {
    "python": ("https://docs.python.org/3/", "_inv/python.inv"),
    "torch": ("https://docs.pytorch.org/docs/stable/", "_inv/torch.inv"),
    "numpy": ("https://numpy.org/doc/stable/", "_inv/numpy.inv"),
    "matplotlib": ("https://matplotlib.org/stable/", "_inv/matplotlib.inv"),
}
bibtex_bibfiles = ["references.bib"]

# -- API ---------------------------------------------------------------------
autodoc_typehints = "none"  # numpydoc prints the types
autosummary_ignore_module_all = False
autosummary_context = {"home": autodiff_guide._HOME}
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = {
    "Tensor": "torch.Tensor",
    "Module": "torch.nn.Module",
    "Generator": "torch.Generator",
    "Axes": "matplotlib.axes.Axes",
    "Figure": "matplotlib.figure.Figure",
    "FuncAnimation": "matplotlib.animation.FuncAnimation",
}

# -- gallery -----------------------------------------------------------------
sphinx_gallery_conf = {
    "examples_dirs": "../gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": "plot_",
    "thumbnail_size": (256, 180),
    "within_subsection_order": "gallery_path.Order",
    "backreferences_dir": "gen_modules/backreferences",
    "doc_module": ("autodiff_guide",),
    "image_scrapers": ("gallery_figures.scraper",),
    "reset_modules": ("matplotlib", "gallery_figures.reset"),
    "capture_repr": ("_repr_html_", "__repr__"),
    "ignore_repr_types": (
        r"matplotlib\.|Backward|torch\._C\.Generator|builtins\.(list|tuple|function)"
    ),
    "show_signature": False,
    "write_computation_times": False,
    "download_all_examples": True,
    "junit": str(BUILD / "gallery.xml"),
}

# -- guide -------------------------------------------------------------------
nb_execution_mode = "cache"
nb_execution_cache_path = str(BUILD / "jupyter_cache")
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 600
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = [
    "amsmath",
    "attrs_inline",
    "colon_fence",
    "deflist",
    "dollarmath",
]
myst_heading_anchors = 3
