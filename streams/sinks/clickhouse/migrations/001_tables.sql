-- What the pipeline keeps. The same statements run on a ClickHouse server and on the embedded engine (chDB).
--
-- Every table is a ReplacingMergeTree whose sorting key identifies the row: writing a row again replaces it,
-- so a write may be repeated at will, and a replay leaves what the first run left.
-- Statements say IF NOT EXISTS so that two processes that migrate at once do each other no harm.

-- One row for each window, model version, slice and metric, written again on each change; the highest revision counts.
-- Low-cardinality columns that queries filter on come first in the key, then time.
-- Partitioned by month, which the key determines (rows of one key in two partitions would never replace each other),
-- so that old months can be dropped at once. One insert may touch more than 100 months (the default limit of
-- ClickHouse, which would refuse all of it): the writer lifts max_partitions_per_insert_block.
-- Plain strings inside the map: LowCardinality there doubled the time of an insert.
CREATE TABLE IF NOT EXISTS windows
(
    model LowCardinality(String) COMMENT 'Model, as named in the configuration',
    version LowCardinality(String) COMMENT 'Version of the model',
    window LowCardinality(String) COMMENT 'Which window: 1d, 15m/1m, 1mo',
    window_start DateTime64(6, 'UTC') COMMENT 'First instant of the window' CODEC(Delta, ZSTD(1)),
    window_end DateTime64(6, 'UTC') COMMENT 'First instant after the window' CODEC(Delta, ZSTD(1)),
    slice_id UInt64 COMMENT 'Hash of the slice' CODEC(ZSTD(1)),
    slice Map(String, String) COMMENT 'Attribute -> value; empty for everything' CODEC(ZSTD(1)),
    metric LowCardinality(String) COMMENT 'Name of the metric',
    value Nullable(Float64) COMMENT 'Estimate; NULL where it is undefined' CODEC(ZSTD(1)),
    low Nullable(Float64) COMMENT 'Lower end of the confidence interval' CODEC(ZSTD(1)),
    high Nullable(Float64) COMMENT 'Upper end of the confidence interval' CODEC(ZSTD(1)),
    n Float64 COMMENT 'Events that the estimate rests on' CODEC(ZSTD(1)),
    n_effective Float64 COMMENT 'The same, reduced for unequal weights' CODEC(ZSTD(1)),
    label_coverage Float64 COMMENT 'Weighted share of the predictions that have a label' CODEC(ZSTD(1)),
    is_final Bool COMMENT 'No admissible event can change this row any more',
    revision UInt64 COMMENT 'The highest one of a key counts' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(window_start)
ORDER BY (model, metric, window, window_start, version, slice_id);

-- The groups that were admitted, and those that were counted in __other__ instead. Small: no partitions.
CREATE TABLE IF NOT EXISTS slices
(
    model LowCardinality(String) COMMENT 'Model, as named in the configuration',
    slice_id UInt64 COMMENT 'Hash of the slice',
    slice Map(String, String) COMMENT 'Attribute -> value; empty for everything',
    first_seen DateTime64(6, 'UTC') COMMENT 'Time of the first event of the group',
    state LowCardinality(String) COMMENT 'admitted or overflow',
    revision UInt64 COMMENT 'The highest one of a key counts'
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (model, slice_id);

-- The next three keep single events, keyed by where each was read: the last one written for a place counts.
-- They are not partitioned: their key holds no time, and a row read again with another time must still replace
-- the first. The skip indexes serve the two questions that the key does not: when, and which request.

-- A share of the raw events, for looking at examples.
CREATE TABLE IF NOT EXISTS samples
(
    type LowCardinality(String) COMMENT 'prediction, outcome or feedback',
    request_id String COMMENT 'The request that the event belongs to' CODEC(ZSTD(1)),
    event_time DateTime64(6, 'UTC') COMMENT 'When it happened' CODEC(Delta, ZSTD(1)),
    model LowCardinality(String) COMMENT 'Empty for outcomes and feedback',
    version LowCardinality(String) COMMENT 'Empty for outcomes and feedback',
    payload String COMMENT 'The event as JSON' CODEC(ZSTD(3)),
    inclusion_probability Float64 COMMENT 'Chance that the event came to be here; weigh by its inverse' CODEC(ZSTD(1)),
    source LowCardinality(String) COMMENT 'File or topic-partition',
    position Int64 COMMENT 'Ordinal in the file, offset in the partition' CODEC(Delta, ZSTD(1)),
    INDEX by_time event_time TYPE minmax,
    INDEX by_request request_id TYPE bloom_filter
)
ENGINE = ReplacingMergeTree
ORDER BY (source, position);

-- Records that took part in nothing, with the bytes as they came.
CREATE TABLE IF NOT EXISTS rejected
(
    source LowCardinality(String) COMMENT 'File or topic-partition',
    position Int64 COMMENT 'Ordinal in the file, offset in the partition' CODEC(Delta, ZSTD(1)),
    type LowCardinality(String) COMMENT 'prediction, outcome or feedback; empty where that is not known',
    reason LowCardinality(String) COMMENT 'Why, one word',
    detail String COMMENT 'Why, with the values' CODEC(ZSTD(1)),
    original String COMMENT 'The record, byte by byte' CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
ORDER BY (source, position);

-- Outcomes and feedback that no prediction was found for in time. NULL where the event did not have the field.
CREATE TABLE IF NOT EXISTS orphans
(
    source LowCardinality(String) COMMENT 'File or topic-partition',
    position Int64 COMMENT 'Ordinal in the file, offset in the partition' CODEC(Delta, ZSTD(1)),
    type LowCardinality(String) COMMENT 'outcome or feedback',
    reason LowCardinality(String) COMMENT 'late or unmatched',
    request_id String COMMENT 'The request that the event belongs to' CODEC(ZSTD(1)),
    prediction_id Nullable(String) COMMENT 'The prediction that it names' CODEC(ZSTD(1)),
    event_time DateTime64(6, 'UTC') COMMENT 'When it happened' CODEC(Delta, ZSTD(1)),
    label Nullable(String) COMMENT 'Label of an outcome' CODEC(ZSTD(1)),
    value Nullable(Float64) COMMENT 'Value of an outcome or of feedback' CODEC(ZSTD(1)),
    kind LowCardinality(Nullable(String)) COMMENT 'Kind of feedback',
    revision Nullable(Int64) COMMENT 'Revision of an outcome' CODEC(ZSTD(1)),
    INDEX by_time event_time TYPE minmax,
    INDEX by_request request_id TYPE bloom_filter
)
ENGINE = ReplacingMergeTree
ORDER BY (source, position);
