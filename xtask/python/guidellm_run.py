"""guidellm without torch, of which it takes two classes and one function: what they do here, written out.

Usage: guidellm_run.py ARGUMENTS…, which are guidellm's. Its workers are processes that may read this file again.
"""

import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Generic, TypeVar

# Its libraries are not to take this for torch.
os.environ["USE_TORCH"] = "0"
Item = TypeVar("Item", covariant=True)


class IterableDataset(Generic[Item]):
    pass


class DataLoader(Generic[Item]):
    """In order and one item at a time, as guidellm has it unless it is told otherwise; but without workers."""

    def __init__(self, dataset, batch_size, shuffle, collate_fn, num_workers, prefetch_factor, generator):
        assert (batch_size, shuffle) == (1, False)
        self.dataset, self.collate_fn = dataset, collate_fn

    def __iter__(self):
        return (self.collate_fn([item]) for item in self.dataset)


class Generator:
    def manual_seed(self, _):
        return self


def module(name, **content):
    made = ModuleType(name)
    made.__spec__ = ModuleSpec(name, None, is_package=True)
    made.__path__ = []
    made.__dict__.update(content)
    sys.modules[name] = made
    return made


parts = {"DataLoader": DataLoader, "IterableDataset": IterableDataset, "get_worker_info": lambda: None}
parts["dataloader"] = module("torch.utils.data.dataloader", DataLoader=DataLoader)
parts["dataset"] = module("torch.utils.data.dataset", IterableDataset=IterableDataset)
utils = module("torch.utils", data=module("torch.utils.data", **parts))
module("torch", utils=utils, Generator=Generator, Tensor=type("Tensor", (), {}))

if __name__ == "__main__":
    from guidellm.__main__ import cli

    cli()
