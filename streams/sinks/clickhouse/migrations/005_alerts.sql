-- What the watches of a model say, tick by tick: one row a watch, slice and tick. A tick is looked at once; only the same
-- look, made again, replaces a row.
-- Partitioned by month of the tick, which is part of the key, so that old looks can be dropped at once.
CREATE TABLE IF NOT EXISTS signals
(
    model LowCardinality(String) COMMENT 'Model, as named in the configuration',
    slice_id UInt64 COMMENT 'Number of the slice: XXH3-64 of its attributes and values' CODEC(ZSTD(1)),
    slice Map(LowCardinality(String), String) COMMENT 'Attributes of the slice with their values; empty for the whole',
    watch LowCardinality(String) COMMENT 'Name of a metric or column, or traffic, label_coverage or label_delay',
    kind LowCardinality(String) COMMENT 'metric, column, traffic, threshold or assertion',
    tick DateTime64(6, 'UTC') COMMENT 'End of the event time that the look covers' CODEC(Delta, ZSTD(1)),
    standing LowCardinality(String) COMMENT 'learning, quiet, suspected, changed or no data',
    value Nullable(Float64) COMMENT 'What was seen in the tick; of columns, the standardized distance' CODEC(ZSTD(1)),
    reference Nullable(Float64) COMMENT 'What was expected' CODEC(ZSTD(1)),
    effect Nullable(Float64) COMMENT 'Mean distance from what was expected, since the onset' CODEC(ZSTD(1)),
    low Nullable(Float64) COMMENT 'Lower end of the interval of the effect' CODEC(ZSTD(1)),
    high Nullable(Float64) COMMENT 'Upper end of the interval of the effect' CODEC(ZSTD(1)),
    n Float64 COMMENT 'Observations in the tick' CODEC(ZSTD(1)),
    n_effective Float64 COMMENT 'The same, reduced for unequal weights' CODEC(ZSTD(1)),
    label_coverage Nullable(Float64) COMMENT 'Labels that came in the tick, beside its predictions' CODEC(ZSTD(1)),
    log_e Float64 COMMENT 'Natural logarithm of the evidence for a change' CODEC(ZSTD(1)),
    threshold Float64 COMMENT 'The same from which on a change is proven' CODEC(ZSTD(1)),
    onset Nullable(DateTime64(6, 'UTC')) COMMENT 'When the change began' CODEC(ZSTD(1)),
    onset_low Nullable(DateTime64(6, 'UTC')) COMMENT 'The earliest that it may have begun' CODEC(ZSTD(1)),
    onset_high Nullable(DateTime64(6, 'UTC')) COMMENT 'The latest that it may have begun' CODEC(ZSTD(1)),
    release String COMMENT 'The release nearest to the onset, such as version 7; empty if none' CODEC(ZSTD(1)),
    method LowCardinality(String) COMMENT 'By which method',
    revision UInt64 COMMENT 'The highest one of a key counts' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(tick)
ORDER BY (model, watch, kind, slice_id, tick);

-- Notices of alerts: each time that one fires, is told anew, or is over. Few, so not partitioned.
CREATE TABLE IF NOT EXISTS alerts
(
    dedup_key String COMMENT 'Names the alert: the same in all its notices',
    sequence UInt32 COMMENT 'Counts the notices of an alert, from 1',
    status LowCardinality(String) COMMENT 'firing, updated or resolved',
    reason String COMMENT 'Why it is told',
    tick DateTime64(6, 'UTC') COMMENT 'End of the tick in which it is told',
    model LowCardinality(String) COMMENT 'Model, as named in the configuration',
    rule LowCardinality(String) COMMENT 'The rule that it breaks',
    kind LowCardinality(String) COMMENT 'metric, column, traffic, threshold or assertion',
    watch LowCardinality(String) COMMENT 'What is watched, as in signals',
    slice Map(LowCardinality(String), String) COMMENT 'Attributes of the slice with their values; empty for the whole',
    severity LowCardinality(String) COMMENT 'info, warning or page',
    team LowCardinality(String) COMMENT 'Whom it is for',
    state LowCardinality(String) COMMENT 'How the watch stands: ok, warning, firing, no_data or recovering',
    cause LowCardinality(String) COMMENT 'outage, labels, release, columns, slices, together or alone',
    explanation String COMMENT 'What explains it, where that is something else',
    title String COMMENT 'One line for a person',
    value Nullable(Float64) COMMENT 'What was seen at last',
    reference Nullable(Float64) COMMENT 'What was expected',
    effect Nullable(Float64) COMMENT 'Mean distance from what was expected, since the onset',
    low Nullable(Float64) COMMENT 'Lower end of the interval of the effect',
    high Nullable(Float64) COMMENT 'Upper end of the interval of the effect',
    n Float64 COMMENT 'Observations in the tick',
    n_effective Float64 COMMENT 'The same, reduced for unequal weights',
    label_coverage Nullable(Float64) COMMENT 'Labels that came in the tick, beside its predictions',
    since DateTime64(6, 'UTC') COMMENT 'When the trouble began',
    since_low DateTime64(6, 'UTC') COMMENT 'The earliest that it may have begun',
    since_high DateTime64(6, 'UTC') COMMENT 'The latest that it may have begun',
    opened DateTime64(6, 'UTC') COMMENT 'When it was first told',
    flapping Bool COMMENT 'Whether it came and went so often that it is held open',
    worst_slices Array(Map(LowCardinality(String), String)) COMMENT 'Slices that moved most, the worst first',
    worst_effects Array(Float64) COMMENT 'How far each of them moved',
    release String COMMENT 'The release nearest to the onset; empty if none',
    members UInt32 COMMENT 'How many monitors have been part of it',
    worst_members Array(String) COMMENT 'What the worst of the others say',
    query String COMMENT 'SQL that shows the numbers',
    runbook String COMMENT 'Where to read what to do',
    revision UInt64 COMMENT 'The highest one of a key counts'
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (dedup_key, sequence);

-- What stands now: the last notice of each alert.
CREATE OR REPLACE VIEW current_alerts AS
SELECT * EXCEPT revision
FROM alerts FINAL
ORDER BY dedup_key, sequence DESC
LIMIT 1 BY dedup_key;

-- What came of each notice at each route: an outcome for every one, also where nothing was sent.
CREATE TABLE IF NOT EXISTS deliveries
(
    dedup_key String COMMENT 'Names the alert; empty where the record was no notice',
    sequence UInt32 COMMENT 'Which of its notices',
    status LowCardinality(String) COMMENT 'firing, updated or resolved',
    model LowCardinality(String) COMMENT 'Model of the alert',
    rule LowCardinality(String) COMMENT 'Rule of the alert',
    severity LowCardinality(String) COMMENT 'info, warning or page',
    tick DateTime64(6, 'UTC') COMMENT 'End of the tick in which it was told',
    route LowCardinality(String) COMMENT 'Name of the route; empty where none was concerned',
    position Int64 COMMENT 'Offset of the notice in its topic',
    outcome LowCardinality(String) COMMENT 'What came of it: sent, silenced, failed and so on',
    detail String COMMENT 'What the other side, or somebody, said',
    attempts UInt32 COMMENT 'How often it was sent',
    at DateTime64(6, 'UTC') COMMENT 'When that was known'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (dedup_key, sequence, route, position);

-- For some time nobody wants to hear of some alerts. The last word on a silence counts.
CREATE TABLE IF NOT EXISTS silences
(
    silence_id String COMMENT 'Names the silence',
    model String COMMENT 'Of which models: a pattern, * stands for any text',
    rule String COMMENT 'Of which rules, likewise',
    dedup_key String COMMENT 'Of which alerts, likewise',
    starts DateTime64(6, 'UTC') COMMENT 'From when on',
    ends DateTime64(6, 'UTC') COMMENT 'Until before when',
    author String COMMENT 'Who said so',
    why String COMMENT 'For what reason',
    at DateTime64(6, 'UTC') COMMENT 'When that was said'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY silence_id;

-- Somebody looks after an alert.
CREATE TABLE IF NOT EXISTS acknowledgements
(
    dedup_key String COMMENT 'Names the alert',
    author String COMMENT 'Who looks after it',
    why String COMMENT 'What is being done',
    at DateTime64(6, 'UTC') COMMENT 'When that was said'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (dedup_key, at);
