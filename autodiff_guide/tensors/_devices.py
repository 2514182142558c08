"""Where to compute: the device asked for, or the best there is."""

from __future__ import annotations

import os

import torch

DEVICE_VARIABLE = "AUTODIFF_GUIDE_DEVICE"


def preferred_device() -> torch.device:
    """Return the device to compute on: the one asked for, or the best there is.

    The environment variable ``AUTODIFF_GUIDE_DEVICE`` decides, where it is set.
    Otherwise it is the accelerator that ``torch.accelerator`` finds, if it is
    available and computes in float64 (Apple's MPS does not), and else the CPU.

    Returns
    -------
    torch.device
        Pass it as ``device=`` where a tensor is made.

    Raises
    ------
    ValueError
        If ``AUTODIFF_GUIDE_DEVICE`` names a device that does not exist here. The
        message lists those that do.

    Examples
    --------
    >>> torch.ones(2, device=preferred_device()).sum().item()
    2.0
    """
    if name := os.environ.get(DEVICE_VARIABLE):
        return _named_device(name)
    if torch.accelerator.is_available():
        accelerator = torch.accelerator.current_accelerator()
        if accelerator is not None and _computes_in_float64(accelerator):
            return accelerator
    return torch.device("cpu")


def _named_device(name: str) -> torch.device:
    existing = ["cpu"]
    if torch.accelerator.is_available():
        kind = str(torch.accelerator.current_accelerator())
        count = torch.accelerator.device_count()
        existing += [kind, *(f"{kind}:{number}" for number in range(count))]
    if name not in existing:
        raise ValueError(
            f"{DEVICE_VARIABLE}: expected a device that exists here "
            f"({', '.join(existing)}), got {name!r}; set one of these, or unset it"
        )
    return torch.device(name)


def _computes_in_float64(device: torch.device) -> bool:
    try:
        torch.ones(1, dtype=torch.float64, device=device) + 1
    except (TypeError, RuntimeError):
        return False
    return True
