"""What names a person in a source: columns by their header, and texts that repeat an identifier."""

import re
from collections.abc import Iterable

#: Headers of columns that name a person: never kept beside the log's own columns.
NAMES_A_PERSON = re.compile(
    r"(?i)(patient|\bpat\b|^pat_|\bpt\b|^pt_).{0,3}(name|id|nummer|number|no|nr)\b|^patient(in)?$"
    r"|^(mrn|ssn|svnr|pid|name|full.?name|first.?name|last.?name|given.?names?|middle.?name"
    r"|forename|surname|family.?name|maiden.?name|vorname|nachname|familienname|geburtsname"
    r"|nhs.?(number|no)|insurance.*|versicherten.*|krankenkasse.*|passport.*|medical.?record.*"
    r"|national.?id.*|social.?security.*|hospital.?(number|no|id)|next.?of.?kin|guardian|contact"
    r"|stra(ss|ß)e|street|plz|zip|zip.?code|post.?code|postal.?code|wohnort)$"
    r"|birth|^dob$|geburt|^geb\b|^geb[._ -]|address|adresse|anschrift|phone|telefon|^mobile$"
    r"|e-?mail"
)
#: Headers of columns that hold free text, in which names and dates may stand.
FREE_TEXT = re.compile(
    r"(?i)comment|kommentar|bemerk|anmerk|remark|\bnotes?$|notiz|free.?text|freitext|narrative"
    r"|anamnes|clinical.?(history|info|details|question)|^history|fragestellung|beurteilung"
    r"|^(findings?|impression|befund|befundtext|report|report.?text|text|memo|letter|message)$"
)
#: A value by which procedures can be grouped is short; what is longer is prose.
LONGEST_VALUE = 80
#: A shorter text may stand elsewhere by chance.
LEAST_TELLING = 4

#: Ages above are stored as 90, which then means 90 and more.
OLDEST_AGE = 89.0

REMOVED = "(removed)"


def without(text: str, hidden: Iterable[str]) -> str:
    """Take texts that name a person out of another text, the longest first."""
    for part in sorted(set(hidden), key=len, reverse=True):
        if text == part:
            return REMOVED
        if len(part) >= LEAST_TELLING:
            text = re.sub(re.escape(part), REMOVED, text, flags=re.IGNORECASE)
        else:
            text = text.replace(f"'{part}'", f"'{REMOVED}'")
    return text


#: What a library's error quotes, and numbers that could be an id or a day.
_QUOTED = re.compile(r"""['"`].*['"`]""", re.DOTALL)
_LONG_NUMBER = re.compile(r"\d{5,}|\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4}")


def without_values(error: str) -> str:
    """Take out of an error's text what may be a value of the file that it came from."""
    return _LONG_NUMBER.sub("…", _QUOTED.sub("'…'", error))


_VALUE = re.compile(r"^\s*[+-]?\d+([.,:/-]\d+)*([ T]\d{2}:\d{2}.*)?\s*$")


def names_columns(header: Iterable[str]) -> bool:
    """Say whether a first row names columns; one with a number or a date is a row of values."""
    return not any(_VALUE.match(cell) for cell in header)


#: Shorter words stand in file names by chance; shorter numbers are days, years, running numbers.
_LEAST_LETTERS, _LEAST_DIGITS = 3, 5
_WORD = re.compile(r"[^\W\d_]+|\d+")
_DATE = re.compile(r"(?<!\d)(\d{4})[-_.]?(\d{2})[-_.]?(\d{2})(?!\d)")


def telling_words(file_name: str) -> list[str]:
    """Return the parts of a file name that could be of a person: words, long numbers, dates."""
    words = {
        word.casefold()
        for word in _WORD.findall(file_name)
        if len(word) >= (_LEAST_DIGITS if word.isdecimal() else _LEAST_LETTERS)
    }
    for year, month, day in _DATE.findall(file_name):
        words |= {f"{year}-{month}-{day}", f"{year}{month}{day}", f"{day}.{month}.{year}"}
    return sorted(words)


def impersonal_name(file_name: str, persons: Iterable[str]) -> str:
    """Take what a file's content shows to name a person out of the file's name.

    ``persons`` are ids, names and birth dates as they stand in the file. An id or a date counts as
    a whole, whatever stands between its parts; of a name each word counts.
    """
    for person in persons:
        parts = _WORD.findall(person)
        letters = [part for part in parts if not part.isdecimal() and len(part) >= _LEAST_LETTERS]
        whole = r"[\W_]*".join(map(re.escape, parts))
        if sum(map(len, parts)) >= LEAST_TELLING:
            file_name = re.sub(
                rf"(?<![^\W_]){whole}(?![^\W_])", REMOVED, file_name, flags=re.IGNORECASE
            )
        for word in letters:
            file_name = re.sub(
                rf"(?<![^\W\d_]){word}(?![^\W\d_])", REMOVED, file_name, flags=re.IGNORECASE
            )
    return file_name
