-- What became of the events of each partition that a worker has read: the newest row of each counts. Added up over
-- partitions, the counts say of every event where it is; docs/semantics.md has what adds up to what.
CREATE TABLE IF NOT EXISTS intake
(
    partition Int64 COMMENT 'Number of the partition, the same for the three topics of events',
    counts Map(String, UInt64) COMMENT 'Events by what became of them' CODEC(ZSTD(1)),
    watermark Nullable(DateTime64(6, 'UTC')) COMMENT 'How far event time is known to have come there; NULL at first',
    revision UInt64 COMMENT 'The highest one of a partition counts'
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY partition;
