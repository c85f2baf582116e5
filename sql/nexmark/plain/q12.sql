SELECT bidder, count(*) AS bids, bin AS window_start, bin + INTERVAL '10 seconds' AS window_end
FROM (SELECT bidder, date_bin('10 seconds', date_time, TIMESTAMP '2000-01-01') AS bin FROM bid) AS binned
GROUP BY bidder, bin;
