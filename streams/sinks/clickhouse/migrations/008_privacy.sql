-- When a rejected record landed: it has no other time that could be trusted. Not part of `SELECT *`, and never written.
-- Rows that were there before count from now on.
ALTER TABLE rejected ADD COLUMN IF NOT EXISTS landed DateTime('UTC') MATERIALIZED now() COMMENT 'When it was stored';
ALTER TABLE rejected MATERIALIZE COLUMN landed;

-- Whose feedback an orphan is, so that it is found when the unit is to be forgotten.
ALTER TABLE orphans ADD COLUMN IF NOT EXISTS unit_id Nullable(String) COMMENT 'Unit that feedback is from' CODEC(ZSTD(1));

-- What is stored of a record is what the section `privacy` of the configuration lets pass.
ALTER TABLE rejected COMMENT COLUMN detail 'Why, with the values that may be stored';
ALTER TABLE rejected COMMENT COLUMN original 'The fields that may be stored, as JSON; where there are none, the size';
ALTER TABLE samples COMMENT COLUMN payload 'The fields of the event that may be stored, as JSON';
