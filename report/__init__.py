"""Reports as documents: what a report holds, and how it becomes HTML and PDF. It knows no data."""
