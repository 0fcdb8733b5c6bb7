"""One message after a run that somebody should look at; off unless addresses are set."""

from etl.ledger import RunResult
from warehouse.alert_messages import Untold, told, untold
from warehouse.review_store import ReviewsUnreachableError
from warehouse.settings import Settings

TITLE = "Kerma: nightly refresh"


def message(run: RunResult, new_alerts: int) -> str | None:
    """Word what a person should know of a run, in counts alone; None when all is well.

    File names may hold patients' names, so they stay in the log.
    """
    told: list[str] = []
    if run.failure:
        told.append("The refresh failed; the former data stay in service.")
    failed = sum(file.status in ("failed", "unreadable") for file in run.files)
    refused = sum(file.status == "refused" for file in run.files)
    if failed:
        told.append(f"{failed} files could not be read or merged.")
    if refused:
        told.append(f"{refused} files were refused.")
    if run.totals.rejected:
        told.append(f"{run.totals.rejected} of {run.totals.read} rows were rejected.")
    if run.alerts_failure:
        told.append("Dose alerts could not be found; the next run does it.")
    if new_alerts:
        told.append(f"{new_alerts} new dose alerts wait for review.")
    if not told:
        return None
    return "\n".join([*told, f"Run {run.run_id}; see Data health or `python -m etl status`."])


def notify(settings: Settings, run: RunResult) -> str | None:
    """Send the message to every address set; return what went wrong, without the addresses.

    Each address is told of the alerts that are news to it: what could not be delivered is told by
    the next run, what was delivered is not told again.
    """
    if not settings.notify_urls or run.dry_run:
        return None
    import apprise

    wrong, undelivered = [], []
    for position, url in enumerate(settings.notify_urls, start=1):
        address = url.get_secret_value()
        news = _news(settings, run, address)
        text = message(run, news.n)
        if text is None:
            continue
        sender = apprise.Apprise()
        if not sender.add(address):
            wrong.append(str(position))
        elif not sender.notify(body=text, title=TITLE):
            undelivered.append(str(position))
        elif news.n:
            told(settings, address, news.newest)
    if wrong:
        return f"notify_urls: address {', '.join(wrong)} is not understood"
    if undelivered:
        return f"the message could not be delivered to address {', '.join(undelivered)}"
    return None


def _news(settings: Settings, run: RunResult, address: str) -> Untold:
    """Return the alerts to tell; where the reviews cannot be read, the run tells that instead."""
    try:
        return untold(settings, address)
    except ReviewsUnreachableError as error:
        run.alerts_failure = run.alerts_failure or str(error)
        return Untold(0, 0)
