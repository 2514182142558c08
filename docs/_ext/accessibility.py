"""Small repairs of the HTML that the extensions write."""

REPAIRS = {
    # ARIA 1.3 deprecates the role of a bibliography's entries
    'role="doc-biblioentry"': 'role="listitem"',
    # the visible words of a summary are its name
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


def repair(app, pagename, templatename, context, doctree):
    body = context.get("body", "")
    for wrong, right in REPAIRS.items():
        body = body.replace(wrong, right)
    context["body"] = body


def setup(app):
    app.connect("html-page-context", repair)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
