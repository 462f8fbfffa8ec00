-- How many units a row is about, so that rows about few can be kept from being shown.
ALTER TABLE windows
    ADD COLUMN IF NOT EXISTS units Nullable(UInt64)
        COMMENT 'At least so many units made what the estimate rests on; NULL where units are not counted' CODEC(ZSTD(1))
        AFTER n_effective;

-- Views read tables with the rights of who made them: so an analyst may be given the views, and no table.
CREATE OR REPLACE VIEW quality DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    model,
    version,
    metric,
    slice,
    window_start,
    window_end,
    value,
    low,
    high,
    n,
    n_effective,
    units,
    label_coverage,
    maturity,
    corrected,
    corrected_low,
    corrected_high,
    corrected_n_effective,
    is_final,
    window
FROM windows FINAL;
ALTER TABLE current_verdicts MODIFY DEFINER = CURRENT_USER SQL SECURITY DEFINER;
ALTER TABLE first_verdicts MODIFY DEFINER = CURRENT_USER SQL SECURITY DEFINER;
