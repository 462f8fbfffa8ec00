-- What workers took out of what waits when a unit was to be forgotten: each input partition's answer to an order, a row
-- for each kind of what waits. An order is known by a random name, so that a row says nothing of the unit.
CREATE TABLE IF NOT EXISTS forgotten
(
    order_name String COMMENT 'The order, as `streams forget` has named it',
    source LowCardinality(String) COMMENT 'The input partition in which the order was met',
    kind LowCardinality(String) COMMENT 'predictions, outcomes, feedback, or samples: raw events that may land as such',
    asked DateTime64(6, 'UTC') COMMENT 'When the broker took the order',
    removed UInt64 COMMENT 'How many of them waited, and were taken out',
    remaining UInt64 COMMENT 'How many of the unit were there afterwards, counted anew',
    revision UInt64 COMMENT 'The highest one of a key counts'
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (order_name, source, kind);
