-- The number of each bid's channel: known by name, or found in the url.
CREATE MATERIALIZED VIEW q21 AS
SELECT *
FROM (
  SELECT auction, bidder, price, channel,
         CASE lower(channel)
           WHEN 'apple' THEN '0'
           WHEN 'google' THEN '1'
           WHEN 'facebook' THEN '2'
           WHEN 'baidu' THEN '3'
           ELSE (regexp_match(url, '(&|^)channel_id=([^&]*)'))[2]
         END AS channel_id
  FROM bid
) AS numbered
WHERE channel_id IS NOT NULL;
