-- How many bids each bidder made in each of their sessions, which ten seconds of silence end.
CREATE MATERIALIZED VIEW q11 AS
SELECT bidder, window_start, window_end, count(*) AS bids
FROM SESSION(bid, date_time, INTERVAL '10 seconds', bidder)
GROUP BY bidder, window_start, window_end;
