"""Tail probabilities of tests and the quantiles of intervals, with the level checked once."""

from scipy import special

from analytics.guards import check_level


def normal_p(z: float) -> float:
    """Return the two-sided p of a standard normal statistic."""
    return float(2 * special.ndtr(-abs(z)))


def t_p(t: float, df: float) -> float:
    """Return the two-sided p of Student's t."""
    return float(2 * special.stdtr(df, -abs(t)))


def chi_square_p(statistic: float, df: float) -> float:
    """Return the upper tail of χ²."""
    return float(special.chdtrc(df, statistic))


def normal_quantile(level: float) -> float:
    """Return the two-sided standard normal quantile of a level, 1.96 for 0.95."""
    return float(-special.ndtri((1 - check_level(level)) / 2))


def t_quantile(level: float, df: float) -> float:
    """Return the two-sided quantile of Student's t of a level."""
    return float(-special.stdtrit(df, (1 - check_level(level)) / 2))
