-- What the judge says of each arm of an experiment against the control, look by look: a history. A later look is a row
-- of its own; only the same look, made again, replaces a row. Looks are far fewer than windows: a row for each arm and
-- metric at a tick.
-- Partitioned by month of the tick, which is part of the key, so that old looks can be dropped at once.
CREATE TABLE IF NOT EXISTS verdicts
(
    model LowCardinality(String) COMMENT 'Model, as named in the configuration',
    experiment LowCardinality(String) COMMENT 'Experiment, as named in the configuration',
    metric LowCardinality(String) COMMENT 'Name of the metric; sample_ratio and crossovers are checks of the experiment',
    kind LowCardinality(String) COMMENT 'primary, guardrail, exploratory, sample_ratio or crossovers',
    arm LowCardinality(String) COMMENT 'The arm that is judged',
    control LowCardinality(String) COMMENT 'The arm that it is compared with; empty for sample_ratio',
    tick DateTime64(6, 'UTC') COMMENT 'End of the event time that the look covers' CODEC(Delta, ZSTD(1)),
    verdict LowCardinality(String) COMMENT 'better, worse, equivalent, not enough evidence, match or mismatch',
    effect Nullable(Float64) COMMENT 'Arm less control, in the unit of the metric' CODEC(ZSTD(1)),
    low Nullable(Float64) COMMENT 'Lower end of the always-valid interval of the effect' CODEC(ZSTD(1)),
    high Nullable(Float64) COMMENT 'Upper end of the always-valid interval of the effect' CODEC(ZSTD(1)),
    error Nullable(Float64) COMMENT 'Standard error of the effect' CODEC(ZSTD(1)),
    arm_value Nullable(Float64) COMMENT 'The metric in the arm' CODEC(ZSTD(1)),
    control_value Nullable(Float64) COMMENT 'The metric in the control' CODEC(ZSTD(1)),
    log_e Float64 COMMENT 'Natural logarithm of the e-value' CODEC(ZSTD(1)),
    p Float64 COMMENT 'Always-valid p-value' CODEC(ZSTD(1)),
    n_arm Float64 COMMENT 'Observations in the arm' CODEC(ZSTD(1)),
    n_control Float64 COMMENT 'Observations in the control' CODEC(ZSTD(1)),
    n_effective_arm Float64 COMMENT 'The same in the arm, reduced for unequal weights' CODEC(ZSTD(1)),
    n_effective_control Float64 COMMENT 'The same in the control, reduced for unequal weights' CODEC(ZSTD(1)),
    label_coverage_arm Nullable(Float64) COMMENT 'Weighted share of predictions with a label, arm' CODEC(ZSTD(1)),
    label_coverage_control Nullable(Float64) COMMENT 'The same in the control' CODEC(ZSTD(1)),
    alpha Float64 COMMENT 'The level that this row was judged at' CODEC(ZSTD(1)),
    margin Float64 COMMENT 'Effect beyond which a guardrail is harmed; 0 for other metrics' CODEC(ZSTD(1)),
    method LowCardinality(String) COMMENT 'By which method',
    first_reached Nullable(DateTime64(6, 'UTC')) COMMENT 'Tick of the first look with this verdict' CODEC(ZSTD(1)),
    needed Nullable(Float64) COMMENT 'Further observations after which this effect would be known' CODEC(ZSTD(1)),
    revision UInt64 COMMENT 'The highest one of a key counts' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(tick)
ORDER BY (model, experiment, metric, arm, tick);

-- What holds now: the newest look at every arm by every metric. The sample ratio is of all arms together and names the
-- one that is furthest off, which changes from look to look.
--
-- Which look is the newest needs no FINAL, since every revision of a look has its tick; FINAL is left with one row of
-- each key. Of 1.5 million rows in 159 parts, a third of them superseded, on two cores, it took 0.06 s to 0.2 s so,
-- 0.3 s to 0.8 s with LIMIT 1 BY behind FINAL, and 0.7 s with argMax.
CREATE OR REPLACE VIEW current_verdicts AS
SELECT
    model,
    experiment,
    kind,
    metric,
    arm,
    control,
    verdict,
    effect,
    low,
    high,
    error,
    arm_value,
    control_value,
    log_e,
    p,
    n_arm,
    n_control,
    n_effective_arm,
    n_effective_control,
    label_coverage_arm,
    label_coverage_control,
    alpha,
    margin,
    method,
    first_reached,
    needed,
    tick
FROM verdicts FINAL
WHERE (model, experiment, metric, if(kind = 'sample_ratio', '', arm), tick) IN
(
    SELECT model, experiment, metric, if(kind = 'sample_ratio', '', arm) AS compared, max(tick)
    FROM verdicts
    GROUP BY model, experiment, metric, compared
);

-- Since when it is known: every verdict that an arm has had, with the numbers of the first look that came to it. A
-- verdict that was lost and came back is one row, and so is one of the sample ratio, whichever arms it named; where old
-- months were dropped, the numbers are those of the first look that is left, and first_reached still says when it was.
CREATE OR REPLACE VIEW first_verdicts AS
SELECT
    model,
    experiment,
    kind,
    metric,
    arm,
    control,
    verdict,
    first_reached,
    effect,
    low,
    high,
    error,
    log_e,
    p,
    n_arm,
    n_control,
    alpha,
    margin,
    method,
    tick
FROM verdicts FINAL
WHERE first_reached IS NOT NULL
ORDER BY model, experiment, metric, if(kind = 'sample_ratio', '', arm), verdict, tick
LIMIT 1 BY model, experiment, metric, if(kind = 'sample_ratio', '', arm), verdict;
