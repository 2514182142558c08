"""Is this gradient right? Verified by probes, with error bars, and a diagnosis.

`check_gradient` takes a function, `check_loss` a loss, `check_module` a module;
`assert_gradient` is for test suites. Each returns a `GradientReport`, whose `kind` is
one of `KINDS`. `gradcheck` and `gradgradcheck` take the place of torch's in suites that
exist; ``pytest --autodiff-guide-gradcheck`` puts them there, and with
``--autodiff-guide-gradcheck-compare`` torch's run beside them. :doc:`The guide
</guide/checking_a_gradient>` tells how it works, and what it can miss.
"""

from autodiff_guide.gradcheck._api import (
    assert_gradient,
    check_gradient,
    check_loss,
)
from autodiff_guide.gradcheck._kinds import KINDS
from autodiff_guide.gradcheck._module import check_module
from autodiff_guide.gradcheck._report import (
    Comparison,
    GradientReport,
    InputRow,
    Worst,
)
from autodiff_guide.gradcheck._torch import gradcheck, gradgradcheck

__all__ = [
    "KINDS",
    "Comparison",
    "GradientReport",
    "InputRow",
    "Worst",
    "assert_gradient",
    "check_gradient",
    "check_loss",
    "check_module",
    "gradcheck",
    "gradgradcheck",
]
