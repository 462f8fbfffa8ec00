-- How much of a window's labels has come, and what its metrics will say when all have and all are represented.
ALTER TABLE windows
    ADD COLUMN IF NOT EXISTS maturity Nullable(Float64)
        COMMENT 'Share of the labels that will come that has come; NULL where it is not known' CODEC(ZSTD(1))
        AFTER label_coverage,
    ADD COLUMN IF NOT EXISTS corrected Nullable(Float64)
        COMMENT 'Estimate corrected for labels that are late or missing; NULL where that cannot be' CODEC(ZSTD(1))
        AFTER maturity,
    ADD COLUMN IF NOT EXISTS corrected_low Nullable(Float64)
        COMMENT 'Lower end of its confidence interval' CODEC(ZSTD(1)) AFTER corrected,
    ADD COLUMN IF NOT EXISTS corrected_high Nullable(Float64)
        COMMENT 'Upper end of its confidence interval' CODEC(ZSTD(1)) AFTER corrected_low,
    ADD COLUMN IF NOT EXISTS corrected_n_effective Nullable(Float64)
        COMMENT 'Events that it rests on, reduced for unequal weights' CODEC(ZSTD(1)) AFTER corrected_high;

CREATE OR REPLACE VIEW quality AS
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
    label_coverage,
    maturity,
    corrected,
    corrected_low,
    corrected_high,
    corrected_n_effective,
    is_final,
    window
FROM windows FINAL;
