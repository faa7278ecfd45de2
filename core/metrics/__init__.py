"""One file per family of metric.

Every metric works on weighted cases and on all bootstrap replicates at once: a replicate is a row of integer weights that
says how often each case was drawn. The result equals the metric on the rows so repeated.
"""

from core.contracts.metric import MetricSpec
from core.registry import Registry

METRICS: Registry[MetricSpec] = Registry("metric", "core.metrics", "opsight.metrics")
