"""The review of a case: its alerts with their rules, the form, the sign-off, and what happened."""

from typing import Any

import polars as pl
import streamlit as st

from pages.data import review_form
from pages.dose.outlier_list import reason
from pages.shared import auth, data, downloads
from pages.shared import format as fmt
from pages.shared.rejudge import rejudge
from warehouse import reviews
from warehouse.access import Person, RefusedError, may
from warehouse.case_keys import case_key
from warehouse.review_form import ReviewForm
from warehouse.reviews import Action, ConflictError, Review, ReviewError
from warehouse.settings import settings

MONTHS = 6
SAID, CLASH = "review-said", "review-clash"
WHAT_NEXT = {
    "open": "Nobody has looked at this case yet.",
    "in review": "A review is being written.",
    "awaiting sign-off": "The review is written and waits for a second person: neither its "
    "reviewer nor the operator of the case.",
    "reopened": "A closed review was opened again.",
    "closed": "The review is signed.",
}


def draw(row: dict[str, Any]) -> None:
    """Draw alerts, review and history of a case of query ``case_row``."""
    st.header("Alerts and review", anchor=False)
    key = case_key(
        row["site"], row["accession_number"], row["performed_on"], row["device"],
        row["procedure_start_at"], row["modality"],
    )  # fmt: skip
    rounds = reviews.reviews_of(settings(), key, data.scope())
    if not rounds:
        st.markdown("No rule in force is exceeded: there is nothing to review.")
        return
    said = st.session_state.pop(SAID, None)
    if said:
        st.success(said)
    alerts = reviews.alerts_of(settings(), [r.review_id for r in rounds], data.scope())
    _alerts(alerts)
    _round(rounds[0], row)
    _history(rounds)


def _alerts(alerts: pl.DataFrame) -> None:
    """Say each alert with the rule that held on the case's day, and where the rule comes from."""
    for alert in alerts.iter_rows(named=True):
        st.markdown(
            f"- {reason(alert)}  \n  :small[Rule {alert['rule_id']}, in force from "
            f"{fmt.day(alert['rule_valid_from'])}: {alert['rule_source']}. Found "
            f"{fmt.moment(alert['found_at'])} UTC.]"
        )


def _round(stands: Review, row: dict[str, Any]) -> None:
    who = auth.person()
    st.markdown(f"**Review: {stands.state}.** {WHAT_NEXT[stands.state]}")
    st.caption(f"You write as {who.name or 'nobody: sign in, or set KERMA_USER'}.")
    if stands.state in ("open", "in review", "reopened") and may(who, "review", row["site"]):
        _write(stands, row, who)
        return
    review_form.show(stands.form)
    names = {"reviewed by": stands.reviewer, "signed by": stands.signed_by}
    st.caption(" · ".join(f"{what} {name}" for what, name in names.items() if name))
    if stands.state in ("awaiting sign-off", "closed") and may(who, "review", row["site"]):
        _decide(stands, row, who)


def _write(stands: Review, row: dict[str, Any], who: Person) -> None:
    """Offer the form on the version that this person saw first, and keep what they wrote."""
    seen = _seen(stands)
    if seen.version != stands.version:
        _clash(seen, stands)
    if stands.state == "open" and st.button("Start review", icon=":material/edit_note:"):
        _do(seen, "take", who, row)
    with st.form(f"review-form-{stands.review_id}", enter_to_submit=False):
        given = review_form.fields(seen.form, _prefix(stands))
        with st.container(horizontal=True):
            save = st.form_submit_button("Save", icon=":material/save:")
            submit = st.form_submit_button(
                "Submit for sign-off", type="primary", icon=":material/how_to_reg:"
            )
    if not (save or submit):
        return
    form, wrong = review_form.read(given)
    if form is None:
        st.error("Nothing was written. " + "; ".join(wrong) + ".")
        return
    facts = _facts(row) if submit else None
    _do(seen, "submit" if submit else "save", who, row, form=form, facts=facts)


def _decide(stands: Review, row: dict[str, Any], who: Person) -> None:
    """Offer what can be done with a written review: sign, send back, reopen."""
    note = st.text_input(
        "Note", key=f"note-{_prefix(stands)}", placeholder="Needed to send back or to reopen",
        max_chars=1000,
    )  # fmt: skip
    with st.container(horizontal=True):
        if stands.state == "awaiting sign-off":
            if st.button("Sign off", type="primary", icon=":material/verified:"):
                _do(stands, "sign", who, row, note=note)
            if st.button("Send back", icon=":material/undo:"):
                _do(stands, "send back", who, row, note=note)
        elif st.button("Reopen", icon=":material/lock_open:"):
            _do(stands, "reopen", who, row, note=note)


def _do(
    seen: Review,
    action: Action,
    who: Person,
    row: dict[str, Any],
    *,
    form: ReviewForm | None = None,
    note: str | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Do it and show the page anew, or say why not; what was typed stays in the form."""
    try:
        judged = ""
        if form is not None and form.peak_skin_dose_mgy != seen.form.peak_skin_dose_mgy:
            # Judged before it is submitted: a rule exceeded afterwards would send it back.
            seen = reviews.act(settings(), seen, "save", who, form)
            judged = f" By the peak skin dose: {rejudge()}"
        after = reviews.act(
            settings(), seen, action, who, form, note or None, (row["operator"],), facts
        )
    except ConflictError as error:
        st.session_state[CLASH] = error.person
        st.error(str(error))
        if form is not None:
            st.rerun()
        return
    except (ReviewError, RefusedError) as error:
        st.error(f"Nothing was written: {error}.")
        return
    st.session_state.pop(CLASH, None)
    st.session_state[_seen_key(after)] = after
    st.session_state[SAID] = {
        "save": "Saved.", "take": "The review is yours to write.",
        "submit": "Submitted: a second person signs it off.",
        "sign": "Signed off: the review is closed.", "send back": "Sent back to its reviewer.",
        "reopen": "Reopened.",
    }[action] + judged  # fmt: skip
    st.rerun()


def _seen_key(stands: Review) -> str:
    return f"review-seen-{stands.review_id}"


def _seen(stands: Review) -> Review:
    """Return the review as this person saw it when they began to write.

    Who left the page left nothing typed behind, so they begin anew.
    """
    if f"{_prefix(stands)}-data_check" not in st.session_state:
        st.session_state[_seen_key(stands)] = stands
    return st.session_state.setdefault(_seen_key(stands), stands)


def _prefix(stands: Review) -> str:
    generation = st.session_state.get(f"review-generation-{stands.review_id}", 0)
    return f"review-{stands.review_id}-{generation}"


def _clash(seen: Review, stands: Review) -> None:
    """Say that somebody else was faster, show their words, and let this person choose."""
    person = st.session_state.get(CLASH) or "Somebody else"
    st.warning(
        f"{person} changed this review while you were writing. Nothing of yours was written or "
        "lost: what you typed is still in the form below, what stands now is in this table."
    )
    changed = stands.form.changed(seen.form)
    if changed:
        st.dataframe(
            pl.DataFrame(
                [
                    (review_form.LABELS[name], str(theirs or fmt.DASH), str(before or fmt.DASH))
                    for name, (theirs, before) in changed.items()
                ],
                schema=["Field", "Stands now", "When you began"],
                orient="row",
            ),
            hide_index=True,
            alt="What somebody else changed",
        )
    with st.container(horizontal=True):
        st.button("Go on with mine", on_click=_go_on, args=(stands, False), key="keep-mine")
        st.button("Take what stands", on_click=_go_on, args=(stands, True), key="take-theirs")


def _go_on(stands: Review, take_theirs: bool) -> None:
    """Write on top of what stands now, with one's own words or with theirs; a callback."""
    st.session_state[_seen_key(stands)] = stands
    if take_theirs:
        generation = f"review-generation-{stands.review_id}"
        st.session_state[generation] = st.session_state.get(generation, 0) + 1


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    """Return what the reviewer saw of the case: it may be corrected later, the review not."""
    names = (
        "procedure_code", "procedure_name", "room", "device", "operator", "trainee", "levels",
        "n_levels", "laterality", "age_years", "weight_kg", "height_cm", "bmi", "pregnancy_status",
        "air_kerma_mgy", "kap_gycm2", "fluoro_time_s", "ctdi_vol_mgy", "dlp_mgycm",
        "peak_skin_dose_mgy",
    )  # fmt: skip
    facts = {name: row[name] for name in names if row[name] is not None}
    mine = data.query("case_patient", None, procedure_id=row["procedure_id"], months=MONTHS)
    before = mine.filter(pl.col("performed_on") <= row["performed_on"])
    for name in ("air_kerma_mgy", "kap_gycm2", "dlp_mgycm"):
        if before[name].is_not_null().any():
            facts[f"{reviews.PATIENT_SUM}{MONTHS}_months_{name}"] = float(before[name].sum())
    return facts


def _history(rounds: list[Review]) -> None:
    """List everything that ever happened to the reviews of the case."""
    events = reviews.history(settings(), [r.review_id for r in rounds], data.scope())
    table = events.select(
        pl.col("at").alias("When (UTC)"),
        pl.col("what").alias("What"),
        pl.col("person").alias("Who"),
        pl.format("{} → {}", "from_state", "to_state").alias("State"),
        pl.col("note").alias("Note"),
        pl.col("details").replace("{}", None).alias("Details"),
    )
    with st.expander(f"History of the review: {fmt.plural(len(events), 'entry', 'entries')}"):
        downloads.offer(table, key="case-reviews", title="History of the review")
        st.dataframe(
            table, hide_index=True, placeholder="–", alt="History of the review",
            column_config={
                "When (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
                "Details": st.column_config.TextColumn(width="large"),
            },
        )  # fmt: skip
