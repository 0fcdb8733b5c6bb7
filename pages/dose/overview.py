"""Whether the department is all right."""

from pages.shared import page

view = page.begin("Overview", "Are we all right?")
