-- Bids of middling price in euros, with the time of day in words and the number of times that c stands in their text.
CREATE MATERIALIZED VIEW q14 AS
SELECT auction, bidder, price, daytime, date_time, extra, length(extra) - length(replace(extra, 'c', '')) AS c_count
FROM (
  SELECT auction, bidder, 0.908 * price AS price, date_time, extra,
         CASE
           WHEN extract(hour FROM date_time) BETWEEN 8 AND 18 THEN 'day'
           WHEN extract(hour FROM date_time) <= 6 OR extract(hour FROM date_time) >= 20 THEN 'night'
           ELSE 'other'
         END AS daytime
  FROM bid
) AS converted
WHERE price > 1000000 AND price < 50000000;
