"""One message after a run that somebody should look at; off unless addresses are set."""

from etl.ledger import RunResult
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


def notify(settings: Settings, run: RunResult, new_alerts: int) -> str | None:
    """Send the message to every address set; return what went wrong, without the addresses."""
    text = message(run, new_alerts)
    if text is None or not settings.notify_urls or run.dry_run:
        return None
    import apprise

    sender = apprise.Apprise()
    wrong = [
        position
        for position, url in enumerate(settings.notify_urls, start=1)
        if not sender.add(url.get_secret_value())
    ]
    if wrong:
        return f"notify_urls: address {', '.join(map(str, wrong))} is not understood"
    if not sender.notify(body=text, title=TITLE):
        return "the message about this run could not be delivered to every address"
    return None
