-- How many bids each bidder made in each ten seconds (by the time of the event).
CREATE MATERIALIZED VIEW q12 AS
SELECT bidder, count(*) AS bids, window_start, window_end
FROM TUMBLE(bid, date_time, INTERVAL '10 seconds')
GROUP BY bidder, window_start, window_end;
