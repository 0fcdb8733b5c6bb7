"""Words that logs use for the values of an enumeration; profiles add their own."""

_MODALITY = {
    "CT": ("ct", "computed tomography", "cbct"),
    "fluoroscopy": ("fluoroscopy", "fluoro", "fl", "xa", "rf", "xf", "xray", "x-ray",
                    "angiography", "c-arm"),
    "ultrasound": ("ultrasound", "us", "sonography", "sono"),
}  # fmt: skip
_SIDE = {
    "left": ("left", "l", "lt"),
    "right": ("right", "r", "rt"),
    "bilateral": ("bilateral", "b", "both", "bi"),
    "midline": ("midline", "m", "median", "central"),
}
_YES_NO = {
    True: ("true", "yes", "y", "1", "t"),
    False: ("false", "no", "n", "0", "f"),
}
_WORDS: dict[str, dict[object, tuple[str, ...]]] = {
    "modality": {**_MODALITY},
    "second_modality": {**_MODALITY},
    "sex": {
        "M": ("m", "male", "man"),
        "F": ("f", "female", "woman"),
        "O": ("o", "other", "diverse"),
        "U": ("u", "unknown"),
    },
    "laterality": {**_SIDE},
    "status": {
        "completed": ("completed", "complete", "done", "performed", "cm"),
        "cancelled": ("cancelled", "canceled", "ca", "no show"),
        "discontinued": ("discontinued", "aborted", "stopped", "dc"),
        "scheduled": ("scheduled", "planned", "booked", "sc"),
        "deleted": ("deleted", "void"),
    },
    "dose_index": {
        "air_kerma": ("air_kerma", "air kerma", "ka,r", "ka_r", "kar", "ak", "reference air kerma"),
        "ctdi_vol": ("ctdi_vol", "ctdivol", "ctdi vol", "ctdi"),
        "ssde": ("ssde",),
        "unspecified": ("unspecified", "unknown"),
    },
    "pregnancy_status": {
        "not pregnant": ("not pregnant", "not_pregnant", "no", "negative", "1"),
        "possibly pregnant": ("possibly pregnant", "possibly", "possible", "2"),
        "pregnant": ("pregnant", "definitely pregnant", "yes", "positive", "3"),
        "unknown": ("unknown", "4"),
        "not applicable": ("not applicable", "n/a"),
    },
    "pain_scale": {
        "NRS 0-10": ("nrs 0-10", "nrs", "nrs 0–10", "nrs-11"),
        "VAS 0-10": ("vas 0-10", "vas 0–10", "vas-10", "vas10"),
        "VAS 0-100": ("vas 0-100", "vas 0–100", "vas-100", "vas100"),
    },
    "satisfaction": {
        1: ("1", "very dissatisfied", "very unsatisfied"),
        2: ("2", "dissatisfied", "unsatisfied"),
        3: ("3", "neutral", "neither satisfied nor dissatisfied"),
        4: ("4", "satisfied"),
        5: ("5", "very satisfied"),
    },
    "trainee": {**_YES_NO},
    "is_test": {**_YES_NO},
}


def word_map(field: str, added: dict[str, str]) -> dict[str, object]:
    """Return the canonical value of each word of a column, in lower case, with a profile's own."""
    values = _WORDS.get(field, {})
    known = {word: value for value, spelled in values.items() for word in spelled}
    own: dict[str, object] = {}
    for word, meaning in added.items():
        target = meaning.casefold()
        if values and target not in known:
            raise ValueError(f"{field}: '{meaning}' (for '{word}') is none of its values")
        own[word.casefold()] = known[target] if values else meaning
    return known | own
