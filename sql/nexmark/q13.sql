-- Bids beside what a table of the side says about their auction, now: a change of the table changes them.
CREATE MATERIALIZED VIEW q13 AS
SELECT b.auction, b.bidder, b.price, b.date_time, side.value
FROM bid AS b
JOIN side ON side.key = b.auction % 10000;
