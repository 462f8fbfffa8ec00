"""Where results go: the ClickHouse store, embedded or a server, and how its tables are shown to people."""
