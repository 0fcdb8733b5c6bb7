"""The DuckDB warehouse: its schema, its migrations, its queries; the only home of SQL."""
