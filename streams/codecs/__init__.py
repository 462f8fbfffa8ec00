"""Codecs: Avro, JSON lines and Parquet to and from blocks of columns; schemas by id and by fingerprint."""
