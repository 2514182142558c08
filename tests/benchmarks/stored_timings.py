"""Measure what the build cannot, and store it beside the gallery's pages on speed.

``python tests/benchmarks/stored_timings.py`` writes ``compile_cpu.json`` and
``descent_cpu.json`` and, where there is an accelerator, ``product_gpu.json`` and
``copying_gpu.json``.
"""

from pathlib import Path

import torch

import autodiff_guide as ag
from autodiff_guide.descent import Adam
from autodiff_guide.objectives import CATALOGUE

HERE = Path(__file__).parents[2] / "gallery" / "10_speed"


def wave(x):
    return (torch.sin(x) * 2 + torch.cos(x)).relu()


def eager(size, device):
    x = torch.rand(size, device=device)
    return lambda: wave(x)


def fused(size, device):
    x = torch.rand(size, device=device)
    compiled = torch.compile(wave, dynamic=False)
    return lambda: compiled(x)


def descent(steps, device, compiled=False):
    start = torch.tensor([-1.2, 1.0], device=device)
    fn, rule = CATALOGUE["rosenbrock"], Adam(0.001)
    settings = {"steps": steps, "gradient_below": None, "compile": compiled}
    return lambda: ag.minimize(fn, start, rule, **settings)


def compiled_descent(steps, device):
    return descent(steps, device, compiled=True)


def stay(size, device):
    x = torch.rand(size, size)
    return lambda: x @ x


def there(size, device):
    x = torch.rand(size, size, device=device)
    return lambda: x @ x


def go_and_return(size, device):
    x = torch.rand(size, size)

    def run():
        moved = x.to(device)
        return (moved @ moved).cpu()

    return run


def store(name, contenders, sizes, device, min_run_time=1.0):
    timing = ag.compare(
        contenders, sizes=sizes, device=device, min_run_time=min_run_time
    )
    print(name, timing, sep="\n")
    timing.save(HERE / name)


if __name__ == "__main__":
    elements = [1_000, 10_000, 100_000, 1_000_000]
    store("compile_cpu.json", {"eager": eager, "inductor": fused}, elements, "cpu")
    both = {"plain": descent, "compiled": compiled_descent}
    store("descent_cpu.json", both, [100, 1_000, 10_000, 100_000], "cpu", 0.01)
    device = ag.preferred_device()
    if device.type != "cpu":
        sizes = [10, 30, 100, 300, 500, 1000, 3000]
        store("product_gpu.json", {"torch, GPU": there}, sizes, device)
        both = {"CPU": stay, "copy, GPU, copy": go_and_return}
        store("copying_gpu.json", both, sizes, device)
