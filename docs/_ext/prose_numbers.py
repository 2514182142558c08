"""Numbers that the code computed look like prose: −1.5, 6.5 × 10³, never 6.5e+03."""

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

NUMBER = re.compile(r"(?<![\w.])(-?)(\d[\d.,]*)(?:e([+-]\d+))?(?!\w)")


def typeset(text):
    """Yield the nodes of a text: its numbers with true signs and powers of ten."""
    end = 0
    for number in NUMBER.finditer(text):
        sign, digits, exponent = number.groups()
        shown = sign.replace("-", "−") + digits
        if exponent and digits.strip("0.") == "1" and float(digits) == 1:
            shown = sign.replace("-", "−")
        elif exponent:
            shown += "\u00a0×\u00a0"
        yield nodes.Text(text[end : number.start()] + shown + "10" * bool(exponent))
        if exponent:
            power = f"{int(exponent)}".replace("-", "−")
            yield nodes.superscript("", power)
        end = number.end()
    yield nodes.Text(text[end:])


class TypesetNumbers(SphinxPostTransform):
    """Replace what ``glue:text`` printed, once it is there."""

    default_priority = 6  # myst-nb pastes from other pages at 5

    def run(self, **kwargs):
        for pasted in self.document.findall(nodes.inline):
            if "pasted-text" in pasted["classes"]:
                text = pasted.astext()
                pasted.clear()
                pasted.extend(node for node in typeset(text) if node.astext())


def setup(app):
    app.add_post_transform(TypesetNumbers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
