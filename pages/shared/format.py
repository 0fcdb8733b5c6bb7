"""Every number, unit, date and name that a page shows passes through here."""

from dataclasses import dataclass
from datetime import date, datetime
from math import floor, isfinite, log10

from analytics.results import Estimate, NotComputable
from analytics.wording import p_text
from warehouse.procedures import procedure_names

THIN = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Measure:
    """A column of the warehouse in words: its name, its short name and its unit."""

    name: str
    short: str
    unit: str

    @property
    def axis(self) -> str:
        """Axis title with the unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


MEASURES = {
    "kap_gycm2": Measure("Kerma-area product", "KAP", "Gy·cm²"),
    "air_kerma_mgy": Measure("Air kerma at the reference point", "K_a,r", "mGy"),
    "fluoro_time_s": Measure("Fluoroscopy time", "Fluoroscopy time", "s"),
    "dlp_mgycm": Measure("Dose-length product", "DLP", "mGy·cm"),
    "ctdi_vol_mgy": Measure("Volume CT dose index", "CTDIvol", "mGy"),
    "ssde_mgy": Measure("Size-specific dose estimate", "SSDE", "mGy"),
    "peak_skin_dose_mgy": Measure("Peak skin dose", "PSD", "mGy"),
    "effective_dose_msv": Measure("Estimated effective dose", "E", "mSv"),
    "duration_min": Measure("Procedure duration", "Duration", "min"),
    "waiting_min": Measure("Waiting", "Waiting", "min"),
    "satisfaction": Measure("Satisfaction, 1 to 5", "Satisfaction", ""),
    "age_years": Measure("Age", "Age", "years"),
    "bmi": Measure("Body mass index", "BMI", "kg/m²"),
}


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with three significant digits: 0.0123, 42.1, 1 230."""
    if value is None or not isfinite(value):
        return DASH
    if value == 0:
        return "0"
    decimals = digits - 1 - floor(log10(abs(value)))
    rounded = round(value, decimals)
    if rounded and floor(log10(abs(rounded))) > floor(log10(abs(value))):
        decimals -= 1
    if abs(rounded) < 1e-6 or abs(rounded) >= 1e12:
        return f"{rounded:.{digits - 1}e}".replace("-", MINUS)
    written = f"{rounded:,.{max(decimals, 0)}f}"
    if "." in written and float(rounded).is_integer():
        written = written.split(".")[0] if abs(rounded) >= 10 ** (digits - 1) else written
    return written.replace(",", THIN).replace("-", MINUS)


def count(value: int | None) -> str:
    """Write a count in full: 12 345."""
    return DASH if value is None else f"{value:,}".replace(",", THIN).replace("-", MINUS)


def plural(value: int, noun: str, nouns: str | None = None) -> str:
    """Write a count with its noun: 1 case, 12 cases."""
    return f"{count(value)} {noun if value == 1 else nouns or noun + 's'}"


def quantity(value: float | None, unit: str) -> str:
    """Write a number with its unit."""
    return f"{number(value)} {unit}".rstrip() if value is not None else DASH


def signed(value: float | None, decimals: int | None = None) -> str:
    """Write a change with its sign: +3.2, −0.4; as short as it can be, or with so many decimals.

    In a column, and beside an interval, all have the same decimals: −2.0 (−2.1 to −1.9).
    """
    if value is None or not isfinite(value):
        return DASH
    if decimals is not None:
        written = f"{value:+,.{decimals}f}".replace(",", THIN).replace("-", MINUS)
        return written[1:] if not written.strip(f"+{MINUS}0.") else written
    rounded = round(value, 2)
    written = number(rounded, 2)
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return f"+{written}" if rounded > 0 else written


def percent(fraction: float | None) -> str:
    """Write a share: 0.0312 → 3.12 %; no more than two decimals."""
    if fraction is None or not isfinite(fraction):
        return DASH
    shown = number(round(100 * fraction, 2))
    return f"{shown}{THIN}%"


def interval(low: float | None, high: float | None) -> str:
    """Write the two ends of an interval: 38–47, −3 to 5, at least 2."""
    if low is None and high is None:
        return "no interval"
    if low is None:
        return f"up to {number(high)}"
    if high is None:
        return f"at least {number(low)}"
    joint = " to " if low < 0 or high < 0 else DASH
    return f"{number(low)}{joint}{number(high)}"


def percent_interval(low: float | None, high: float | None) -> str:
    """Write the interval of a share in per cent: 2.1–4.4 %."""
    as_percent = (None if end is None else round(100 * end, 2) for end in (low, high))
    return f"{interval(*as_percent)}{THIN}%"


def estimate(found: Estimate | NotComputable, what: str = "") -> str:
    """Write an estimate: median 42.1 Gy·cm² (95 % CI 38–47, n = 214)."""
    if isinstance(found, NotComputable):
        return f"{what} not computed: {found.reason}".strip()
    shown = quantity(found.value, found.unit)
    level = f"{100 * found.level:g}"
    ends = interval(found.low, found.high)
    return f"{what} {shown} ({level}{THIN}% CI {ends}, n = {count(found.n)})".strip()


def share(found: Estimate | NotComputable, what: str = "") -> str:
    """Write an estimated share: 3.1 % (95 % CI 2.1–4.4 %, n = 1 204)."""
    if isinstance(found, NotComputable):
        return f"{what} not computed: {found.reason}".strip()
    level = f"{100 * found.level:g}"
    ends = percent_interval(found.low, found.high)
    return f"{what} {percent(found.value)} ({level}{THIN}% CI {ends}, n = {count(found.n)})".strip()


def ratio_change(ratio: Estimate) -> tuple[str, str]:
    """Write a ratio as a change in per cent, and its interval: +3.2 %, 1.0 to 5.5 %."""
    low, high = (None if end is None else 100 * (end - 1) for end in (ratio.low, ratio.high))
    return f"{signed(100 * (ratio.value - 1))}{THIN}%", _change_interval(low, high, f"{THIN}%")


def points_change(difference: Estimate) -> tuple[str, str]:
    """Write a difference of shares in percentage points, and its interval."""
    low, high = (None if end is None else 100 * end for end in (difference.low, difference.high))
    return f"{signed(100 * difference.value)}{THIN}pp", _change_interval(low, high, f"{THIN}pp")


def _change_interval(low: float | None, high: float | None, unit: str) -> str:
    """Write the ends of a change: both with their sign."""
    if low is None or high is None:
        return interval(low, high) + unit
    return f"{signed(low)} to {signed(high)}{unit}"


def p_value(p: float | None) -> str:
    """Write a p value as the analyses word it: p < .001, p = .031."""
    return DASH if p is None or not isfinite(p) else p_text(p)


def day(value: date | None) -> str:
    """Write a day: 20 Nov 2026."""
    return DASH if value is None else f"{value.day} {value:%b %Y}"


def moment(value: datetime | None) -> str:
    """Write a time: 20 Nov 2026 23:59."""
    return DASH if value is None else f"{value.day} {value:%b %Y %H:%M}"


def measure(column: str) -> Measure:
    """Return the words for a column; one that is not listed goes by its own name."""
    return MEASURES.get(column, Measure(column.replace("_", " "), column, ""))


def procedure(code: str | None) -> str:
    """Write a procedure by its name with its code."""
    if code is None or code == "unmapped":
        return "Name not mapped"
    name = procedure_names().get(code)
    return f"{name} ({code})" if name else code
