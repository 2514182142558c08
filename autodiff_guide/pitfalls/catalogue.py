"""All pitfalls by name, in the order in which they are taught."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from autodiff_guide.pitfalls.entry import Pitfall
from autodiff_guide.pitfalls.lessons import (
    refused_backward,
    refused_functions,
    refused_leaves,
    refused_types,
    silent_graph,
    silent_numbers,
    silent_training,
)

CATALOGUE: Mapping[str, Pitfall] = MappingProxyType(
    {
        value.name: value
        for module in (
            refused_backward,
            refused_leaves,
            refused_types,
            refused_functions,
            silent_graph,
            silent_numbers,
            silent_training,
        )
        for value in vars(module).values()
        if isinstance(value, Pitfall)
    }
)
