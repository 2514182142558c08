"""The modules of torch.nn that belong to the activations of the catalogue."""

from functools import partial

from torch import nn

_NEED_SETTINGS = {
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),
    "prelu": lambda weight=0.25: nn.PReLU(init=weight),
    "threshold": lambda threshold=1.0, value=0.0: nn.Threshold(threshold, value),
    "softmax": partial(nn.Softmax, dim=-1),
    "log_softmax": partial(nn.LogSoftmax, dim=-1),
    "softmin": partial(nn.Softmin, dim=-1),
}
_BY_NAME = {name.lower(): value for name, value in vars(nn).items()}


def torch_module(name, **settings):
    """Return the module, set to evaluate: a random slope is its mean."""
    make = _NEED_SETTINGS.get(name) or _BY_NAME[name.replace("_", "")]
    return make(**settings).double().eval()
