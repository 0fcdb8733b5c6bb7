"""Does it help, and is it safe: pain and function, responders, complications, satisfaction."""

from collections.abc import Callable

from pages.analysis import (
    outcome_complications,
    outcome_predictors,
    outcome_readers,
    outcome_responders,
    outcome_satisfaction,
    outcome_scores,
)
from pages.shared import filters, page
from pages.shared.page import View

SECTIONS: dict[str, tuple[str, Callable[[View], None]]] = {
    "scores": ("Pain and function", outcome_scores.draw_scores),
    "responders": ("Responders", outcome_responders.draw_responders),
    "predictors": ("Predictors", outcome_predictors.draw),
    "readers": ("Reader agreement", outcome_readers.draw),
    "complications": ("Complications", outcome_complications.draw),
    "satisfaction": ("Satisfaction", outcome_satisfaction.draw),
}


def main() -> None:
    """Draw the chosen section of the page."""
    view = page.begin("Outcomes", "Does it help, and is it safe?")
    names = {key: name for key, (name, _) in SECTIONS.items()}
    SECTIONS[filters.choose("show", "Show", names)][1](view)


main()
