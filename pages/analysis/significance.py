"""Is this difference real: outcome and groups in; checks, test, effect and words out."""

from pages.analysis import significance_choices as ask
from pages.analysis.significance_groups import compare_groups
from pages.analysis.significance_pairs import compare_pairs
from pages.analysis.significance_times import compare_times
from pages.shared import filters, page

DESIGNS = {"groups": compare_groups, "times": compare_times, "pairs": compare_pairs}


def main() -> None:
    """Draw the page."""
    view = page.begin("Significance", "Is this difference real, and how large may it be?")
    design = filters.choose("design", "Compare", ask.DESIGNS)
    DESIGNS[design](view)


main()
