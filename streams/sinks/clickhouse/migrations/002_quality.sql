-- What analysts and dashboards read: the newest revision of every window.
--
-- FINAL, because it is the faster way to the newest revision: of one million rows in 102 parts, half of them
-- superseded, on two cores, a count over everything took 0.12 s with FINAL, 0.29 s with LIMIT 1 BY and 0.96 s with
-- argMax; where the key narrows it down, the three were within 0.1 s of each other. It also keeps NULL as NULL,
-- which argMax skips.
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
    is_final,
    window
FROM windows FINAL;
