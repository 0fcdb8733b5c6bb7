"""No series makes an analysis of dose raise or warn: it answers or says why not."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.attribute_charts import g_chart, p_chart, u_chart
from analytics.change_points import before_after, change_points, pettitt
from analytics.control_charts import moving_ranges, rebaselined, xmr
from analytics.funnel import log_dose_funnel, proportion_funnel
from analytics.rank_trend import mann_kendall, seasonal_mann_kendall, sen_slope
from analytics.reference_levels import Benchmarks, judge
from analytics.results import NotComputable
from analytics.smoothed_charts import cusum, ewma
from analytics.trend import dose_trend, prais_winsten
from tests.analytics.test_trend import months

SERIES = st.lists(
    st.one_of(
        st.floats(),
        st.sampled_from([0.0, 1.0, 1.0, 2.5, -1.0, 1e-300, 1e300, float("nan"), float("inf")]),
    ),
    max_size=40,
)
ANALYSES: list[Callable[[list[float]], object]] = [
    lambda x: dose_trend(months(len(x)), x),
    lambda x: before_after(months(len(x)), x, date(2021, 1, 1)),
    lambda x: prais_winsten(np.arange(len(x)), x),
    sen_slope,
    mann_kendall,
    seasonal_mann_kendall,
    change_points,
    pettitt,
    xmr,
    moving_ranges,
    lambda x: xmr(x, (0, min(len(x), 12)), "median_range"),
    lambda x: rebaselined(x, [10, 20]),
    ewma,
    cusum,
    g_chart,
    lambda x: p_chart(x, [10.0] * len(x)),
    lambda x: u_chart(x, x),
    lambda x: proportion_funnel([str(i) for i in range(len(x))], x, [20] * len(x)),
    lambda x: log_dose_funnel([str(i) for i in range(len(x))], x, [20] * len(x), 0.5),
    lambda x: judge(x, Benchmarks(drl=1.0), "mGy"),
]


@pytest.mark.parametrize("number", range(len(ANALYSES)))
@given(x=SERIES)
def test_answers_or_says_why_not(number: int, x: list[float]) -> None:
    result = ANALYSES[number](x)
    if isinstance(result, NotComputable):
        assert result.reason.startswith("cannot be computed, because ")
