-- What an alert is to be called, and why.
ALTER TABLE alerts
    ADD COLUMN IF NOT EXISTS called LowCardinality(String) DEFAULT ''
        COMMENT 'quality, missing labels, delayed labels, outage / traffic or mix of traffic; empty if none' AFTER runbook,
    ADD COLUMN IF NOT EXISTS account String DEFAULT '' COMMENT 'The evidence for that' AFTER called,
    COMMENT COLUMN kind 'metric, column, traffic, threshold, assertion or verdict',
    COMMENT COLUMN cause 'outage, labels, arms, release, columns, slices, together or alone',
    COMMENT COLUMN watch 'What is watched, as in signals, or the metric of a verdict';

-- A view has the columns that there were when it was made.
CREATE OR REPLACE VIEW current_alerts AS
SELECT * EXCEPT revision
FROM alerts FINAL
ORDER BY dedup_key, sequence DESC
LIMIT 1 BY dedup_key;
