"""One file per data set, reading its public layout."""

from core.contracts.dataset import DatasetSpec
from core.registry import Registry

DATASETS: Registry[DatasetSpec] = Registry("data set", "core.datasets", "opsight.datasets")
