"""Plain sentences about results: estimate and interval first, exact p, no overclaiming.

Nothing here says that groups are alike unless a margin was stated and the test against it was
passed. "Not shown to differ" is worded as exactly that.
"""

import math

from analytics.comparison import Comparison, Effect, Equivalence, GroupSummary
from analytics.multiplicity import NAMES
from analytics.results import Estimate, NotComputable, Pair, TestResult

LARGE_TOTAL = 50_000
CHI_SQUARED = (
    "Kruskal–Wallis", "Friedman", "χ²", "χ² of rates", "Cochran Q", "Cochran–Mantel–Haenszel",
    "Cochran–Armitage",
)  # fmt: skip
WHOLE_RECORDS = ("records", "patients", "visits")
ALPHA = 0.05
CHANGED = "changed"

NOT_RANDOMISED = (
    "Patients were not allocated at random; unmeasured differences between the groups may explain "
    "this."
)

NO_CONTROL = (
    "Without a comparison group, natural course and regression to the mean may explain a change."
)


def number(value: float, digits: int = 3) -> str:
    """Write a number to significant digits, without an exponent where that reads well."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size < -4 or size > 8:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    decimals = max(0, digits - 1 - size)
    return f"{value:,.{decimals}f}".replace(",", " ").replace("-", "−")


def p_text(p: float) -> str:
    """Write a p-value: three decimals, "p < .001" below."""
    if p < 0.001:
        return "p < .001"
    return f"p = {p:.3f}".replace("0.", ".", 1) if p < 0.9995 else "p > .999"


def scaled(value: float, scale: float = 1.0, digits: int = 3) -> str:
    """Write a number times 100 where it is a share: then with four decimals at most."""
    return number(value, digits) if scale == 1.0 else number(round(value * scale, 4), digits)


def interval(estimate: Estimate, scale: float = 1.0, digits: int = 3) -> str:
    """Write an interval with its level; a bound that the method cannot give is said to be open."""
    low = "no lower limit" if estimate.low is None else scaled(estimate.low, scale, digits)
    high = "no upper limit" if estimate.high is None else scaled(estimate.high, scale, digits)
    return f"{estimate.level * 100:.0f} % CI {low} to {high}"


def with_unit(text: str, unit: str) -> str:
    """Append a unit where there is one."""
    return f"{text} {unit}".rstrip()


def test_text(test: TestResult, comparison: Comparison | None = None) -> str:
    """Name the test, its statistic and p, adjusted p too."""
    parts = [test.method]
    if test.df is not None:
        df = test.df if isinstance(test.df, tuple) else (test.df,)
        letter = "F" if len(df) == 2 else ("χ²" if test.method in CHI_SQUARED else "t")
        inner = ", ".join(f"{d:.0f}" if d == int(d) else f"{d:.1f}" for d in df)
        parts.append(f"{letter}({inner}) = {number(test.statistic)}")
    parts.append(p_text(test.p_value))
    if comparison is not None and comparison.p_adjusted is not None:
        adjusted = p_text(comparison.p_adjusted).removeprefix("p ")
        parts.append(
            f"{comparison.adjustment}-adjusted {adjusted.removeprefix('= ')} "
            f"({comparison.family_size} tests)"
        )
    return ", ".join(parts)


def describe_group(group: GroupSummary, unit: str) -> str:
    """Write a group with its size and what is typical."""
    if group.events is not None and group.exposure is not None:
        return f"{group.group} {group.events} events in {number(group.exposure, 4)}"
    if group.events is not None:
        share = "" if group.n == 0 else f" ({100 * group.events / group.n:.1f} %)"
        return f"{group.group} {group.events}/{group.n}{share}"
    if isinstance(group.median, Estimate) and group.q1 is not None and group.q3 is not None:
        middle = with_unit(number(group.median.value), unit)
        spread = f"{number(group.q1)} to {number(group.q3)}"
        return f"{group.group} (n = {group.n}, median {middle}, IQR {spread})"
    return f"{group.group} (n = {group.n})"


def describe_effect(effect: Effect) -> str:
    """Write one effect with its interval."""
    e = effect.estimate
    if isinstance(e, NotComputable):
        return f"{effect.name}: {e.reason}"
    if effect.name == "probability of the higher value":
        return (
            f"a randomly chosen {effect.first} value is higher than a {effect.second} value in "
            f"{100 * e.value:.0f} % of pairs ({interval(e, 100)} %, {e.method})"
        )
    return f"{estimate_text(effect.name, e)} ({interval(e, _scale(effect.name))}, {e.method})"


def _scale(name: str) -> float:
    """Return 100 for an effect that is written in percent."""
    return 100.0 if name in ("risk difference", "probability of the higher value") else 1.0


def estimate_text(name: str, e: Estimate) -> str:
    """Write the name, the value and the unit of an effect."""
    if name == "risk difference":
        return f"difference {scaled(e.value, 100)} percentage points"
    colon = ":" if " at " in name else ""
    return f"{name}{colon} {with_unit(number(e.value), e.unit)}".strip()


def sentences(comparison: Comparison) -> tuple[str, ...]:
    """Word a whole comparison."""
    if isinstance(comparison.test, NotComputable):
        reason = comparison.test.reason.removeprefix("cannot be computed, because ")
        said = [f"{comparison.quantity}: the comparison cannot be computed, because {reason}."]
        return (*said, *_left_out(comparison), *_zero_events(comparison))
    said = [_headline(comparison, comparison.test)]
    further = comparison.effects[1:] if comparison.design == "repeated" else comparison.effects[1:3]
    said += [capital(describe_effect(e)) + "." for e in further]
    said += [f"{check.finding}." for check in comparison.checks if check.name == CHANGED]
    said += _not_shown(comparison)
    said += [word_pair(pair) for pair in comparison.pairs]
    said += _equivalence(comparison)
    said += _zero_events(comparison)
    said += _left_out(comparison)
    if sum(group.n for group in comparison.groups) > LARGE_TOTAL:
        said.append("With so many records p says little: read the size of the effect.")
    if comparison.design == "paired":
        said.append(NO_CONTROL)
    elif not comparison.randomised:
        said.append(NOT_RANDOMISED)
    return tuple(said)


def capital(text: str) -> str:
    """Begin with a capital letter."""
    return text[:1].upper() + text[1:]


def _headline(comparison: Comparison, test: TestResult) -> str:
    """Say who was compared, the primary effect and the test."""
    groups = " v ".join(describe_group(g, comparison.unit) for g in comparison.groups)
    tested = test_text(test, comparison)
    if comparison.effects:
        effect = describe_effect(comparison.effects[0])
        return f"{comparison.quantity}: {groups}: {effect}; {tested}."
    return f"{comparison.quantity}: {groups}; {tested}."


def _not_shown(comparison: Comparison) -> list[str]:
    """Word a p-value above 5 % as lack of evidence, with the effects that remain possible."""
    p = comparison.p_adjusted if comparison.p_adjusted is not None else comparison.p_value
    if comparison.design == "repeated" and p is not None and p < ALPHA:
        return ["The difference between groups changes over time: read it time by time."]
    if p is None or p < ALPHA:
        return []
    if comparison.design == "repeated":
        return ["The data do not show that the difference between groups changes over time."]
    said = "The data do not show a difference; that is not proof that there is none"
    if not comparison.effects or isinstance(comparison.effects[0].estimate, NotComputable):
        return [said + "."]
    effect = comparison.effects[0]
    e = comparison.effects[0].estimate
    assert isinstance(e, Estimate)
    if e.low is None or e.high is None:
        return [said + ", and so few values bound no effect."]
    scale = _scale(effect.name)
    unit = {"risk difference": "percentage points", "probability of the higher value": "%"}.get(
        effect.name, e.unit
    )
    span = with_unit(f"{scaled(e.low, scale)} to {scaled(e.high, scale)}", unit)
    return [f"{said}: a {effect.name} from {span} remains compatible with them."]


def word_pair(pair: Pair) -> str:
    """Word one pair of several groups."""
    p = p_text(pair.p_adjusted)
    label = f"{pair.first} v {pair.second}"
    how = f"{pair.test.method}, adjusted {p}"
    if pair.adjustment in NAMES:
        how = f"{pair.test.method}, {NAMES[pair.adjustment]}-adjusted {p}"
    if isinstance(pair.effect, Estimate):
        value = estimate_text(pair.effect_name, pair.effect)
        return f"{label}: {value} ({interval(pair.effect, _scale(pair.effect_name))}; {how})."
    return f"{label}: {how}."


def _equivalence(comparison: Comparison) -> list[str]:
    """Word the test against a stated margin; silent without one."""
    found = comparison.equivalence
    if found is None:
        return []
    if isinstance(found, NotComputable):
        return [f"The test against the margin {found.reason}."]
    scale = 100.0 if comparison.kind == "binary" else 1.0
    return [word_equivalence(found, scale)]


def word_equivalence(found: Equivalence, scale: float = 1.0) -> str:
    """Word equivalence or non-inferiority against its margin."""
    ends = [
        None if bound is None else number(bound * scale)
        for bound in (found.margin_low, found.margin_high)
    ]
    one_sided = None in ends
    margin = (
        f"{ends[0]} to {ends[1]}"
        if not one_sided
        else (f"above {ends[0]}" if ends[0] is not None else f"below {ends[1]}")
    )
    claim = "non-inferiority" if one_sided else "equivalence"
    verdict = (
        f"inside: {claim} is supported"
        if found.supported
        else f"partly outside: {claim} is not shown"
    )
    unit = " percentage points" if scale == 100.0 else ""
    return (
        f"With the margin {margin}{unit} set in advance, the {interval(found.estimate, scale)} "
        f"lies {verdict} ({found.method}, {p_text(found.p_value)})."
    )


def _zero_events(comparison: Comparison) -> list[str]:
    """Say what zero events leave possible."""
    return [
        f"No event in {group.n} of {group.group}; rates up to "
        f"{number(100 * group.upper_limit.high)} % remain compatible (one-sided 95 % limit)."
        for group in comparison.groups
        if group.events == 0
        and isinstance(group.upper_limit, Estimate)
        and group.upper_limit.high is not None
    ]


def _left_out(comparison: Comparison) -> list[str]:
    """Say what was left out and why."""
    if not comparison.left_out:
        return []
    parts = [
        f"{out.n}{' ' if out.group in WHOLE_RECORDS else ' of '}{out.group} ({out.why})"
        for out in comparison.left_out
    ]
    return [f"Left out: {', '.join(parts)}."]
