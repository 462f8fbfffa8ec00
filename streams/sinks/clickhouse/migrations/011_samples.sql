-- Of two rows of one event the one with the larger chance counts, whichever was written last: an event that was kept by
-- chance is kept for certain once something shows of it, such as that it was wrong, and its row is written again then.
-- `certainty` is the chance as a whole number. It is not part of `SELECT *`, and never written.
DROP TABLE IF EXISTS samples_before;
CREATE TABLE IF NOT EXISTS samples_anew
(
    type LowCardinality(String) COMMENT 'prediction, outcome or feedback',
    request_id String COMMENT 'The request that the event belongs to' CODEC(ZSTD(1)),
    event_time DateTime64(6, 'UTC') COMMENT 'When it happened' CODEC(Delta, ZSTD(1)),
    model LowCardinality(String) COMMENT 'Empty for outcomes and feedback',
    version LowCardinality(String) COMMENT 'Empty for outcomes and feedback',
    payload String COMMENT 'The fields of the event that may be stored, as JSON' CODEC(ZSTD(3)),
    inclusion_probability Float64 COMMENT 'Chance that the event came to be here; weigh by its inverse' CODEC(ZSTD(1)),
    source LowCardinality(String) COMMENT 'File or topic-partition',
    position Int64 COMMENT 'Ordinal in the file, offset in the partition' CODEC(Delta, ZSTD(1)),
    certainty UInt64 MATERIALIZED toUInt64(inclusion_probability * 9007199254740992)
        COMMENT 'The chance times 2 to the power of 53: the row with the highest counts',
    INDEX by_time event_time TYPE minmax,
    INDEX by_request request_id TYPE bloom_filter
)
ENGINE = ReplacingMergeTree(certainty)
ORDER BY (source, position);
INSERT INTO samples_anew (type, request_id, event_time, model, version, payload, inclusion_probability, source, position)
    SELECT type, request_id, event_time, model, version, payload, inclusion_probability, source, position
    FROM samples FINAL;
RENAME TABLE samples TO samples_before, samples_anew TO samples;
DROP TABLE samples_before;
