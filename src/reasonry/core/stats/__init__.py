"""Statistics of evaluations: intervals, exact paired tests, bootstrap, and evidence valid at any stopping
time.

NumPy and SciPy only. Each file names its formulas and sources.
"""

from reasonry.core.stats.anytime import (
    BernoulliEProcess,
    ConfidenceSequence,
    anytime_interval,
    confidence_sequence,
    log_e_value,
)
from reasonry.core.stats.clusters import cluster_bootstrap
from reasonry.core.stats.equivalence import EquivalenceResult, equivalent_mean, equivalent_share
from reasonry.core.stats.intervals import (
    Interval,
    check_level,
    clopper_pearson,
    fisher_interval,
    newcombe_difference,
    wilson,
)
from reasonry.core.stats.multiple import benjamini_hochberg
from reasonry.core.stats.paired import (
    PairedResult,
    holm,
    mcnemar_exact,
    paired_permutation,
    sign_test,
)
from reasonry.core.stats.repetitions import Spread, spread
from reasonry.core.stats.resampling import (
    BootstrapResult,
    bca_interval,
    bootstrap,
    percentile_interval,
    resample_counts,
)
from reasonry.core.stats.shares import Share
from reasonry.core.stats.two_samples import PermutationResult, two_sample_permutation

__all__ = [
    "BernoulliEProcess",
    "BootstrapResult",
    "ConfidenceSequence",
    "EquivalenceResult",
    "Interval",
    "PairedResult",
    "PermutationResult",
    "Share",
    "Spread",
    "anytime_interval",
    "bca_interval",
    "benjamini_hochberg",
    "bootstrap",
    "check_level",
    "clopper_pearson",
    "cluster_bootstrap",
    "confidence_sequence",
    "equivalent_mean",
    "equivalent_share",
    "fisher_interval",
    "holm",
    "log_e_value",
    "mcnemar_exact",
    "newcombe_difference",
    "paired_permutation",
    "percentile_interval",
    "resample_counts",
    "sign_test",
    "spread",
    "two_sample_permutation",
    "wilson",
]
