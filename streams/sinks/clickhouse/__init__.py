"""
The store: five tables and one view in ClickHouse, embedded (chDB) or a server, behind the same few calls.

Start at `store.py`. The tables are declared in `migrations/*.sql` and, as Arrow schemas, in `rows.py`.
"""
