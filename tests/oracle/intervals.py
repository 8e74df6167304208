"""intervals: 95 % intervals for the figures that the oracle and the benchmark report."""

import math

Z95 = 1.959964
# Student's t, two-sided 95 %, for 1 to 30 degrees of freedom.
T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)


def student_t95(freedom):
    if freedom < 1:
        return float("inf")
    return T95[freedom - 1] if freedom <= len(T95) else Z95 + 2.4 / freedom


def wilson(hits, total):
    """Wilson's interval for a share of `hits` in `total`; hits may be a fraction (a weighted share)."""
    if total <= 0:
        return 0.0, 1.0
    share = hits / total
    z2 = Z95 * Z95
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    reach = Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    low = max(0.0, middle - reach) if hits > 0 else 0.0
    return low, min(1.0, middle + reach) if hits < total else 1.0


def mean_interval(values):
    """Mean of independent values and the half width of its 95 % interval."""
    count = len(values)
    mean = sum(values) / count
    if count < 2:
        return mean, float("inf")
    variance = sum((value - mean) ** 2 for value in values) / (count - 1)
    return mean, student_t95(count - 1) * math.sqrt(variance / count)


def median_interval(values):
    """Median of independent values and a 95 % interval of it (at least; from the binomial distribution
    of how many values lie below the median): what a few disturbed measurements cannot move."""
    ordered = sorted(values)
    count = len(ordered)
    middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    tail, rank = 0.0, 0
    for below in range(count // 2):
        tail += math.comb(count, below) / 2**count
        if tail > 0.025:
            break
        rank = below + 1
    if rank == 0:
        return middle, (-math.inf, math.inf)
    return middle, (ordered[rank - 1], ordered[count - rank])


def share_error(blocks):
    """Half width of the 95 % interval of a share measured in blocks of time, each a (part, whole).
    Samples of one moment resemble one another; blocks do not, so their scatter is the honest measure."""
    whole = sum(block[1] for block in blocks)
    count = len(blocks)
    if count < 2 or whole == 0:
        return float("inf")
    share = sum(block[0] for block in blocks) / whole
    scatter = sum((part - share * size) ** 2 for part, size in blocks)
    return student_t95(count - 1) * math.sqrt(scatter * count / (count - 1)) / whole
