-- Page views in ksqlDB's dialect: a stream, a table, a join of both, and counts in windows of time.

-- A stream is a topic whose rows are events. KEY names the column that rows are keyed by; a row's time is its ROWTIME.
CREATE STREAM pageviews (userid VARCHAR KEY, page VARCHAR, seconds INT)
  WITH (KAFKA_TOPIC='pageviews', VALUE_FORMAT='JSON', PARTITIONS=1);

-- A table has the last row for each primary key.
CREATE TABLE users (userid VARCHAR PRIMARY KEY, name VARCHAR, region VARCHAR)
  WITH (KAFKA_TOPIC='users', VALUE_FORMAT='JSON', PARTITIONS=1);

-- A persistent query: each view is joined with its user as the table is at that moment, and written to a new stream.
CREATE STREAM enriched AS
  SELECT v.userid AS userid, u.name, COALESCE(u.region, 'unknown') AS region, v.page, v.seconds
  FROM pageviews v LEFT JOIN users u ON v.userid = u.userid
  EMIT CHANGES;

-- Aggregates are tables. A window is a part of the key: one row per region and minute.
CREATE TABLE views_per_region AS
  SELECT region, COUNT(*) AS views, SUM(seconds) AS seconds, COLLECT_SET(page) AS pages
  FROM enriched WINDOW TUMBLING (SIZE 1 MINUTE)
  GROUP BY region
  EMIT CHANGES;

-- The same every 30 seconds, over the minute that then begins; only what is busy is kept.
CREATE TABLE busy_regions AS
  SELECT region, COUNT(*) AS views
  FROM enriched WINDOW HOPPING (SIZE 1 MINUTE, ADVANCE BY 30 SECONDS)
  GROUP BY region
  HAVING COUNT(*) >= 3;

-- The page that each user saw last, and how many in all.
CREATE TABLE visitors AS
  SELECT userid, COUNT(*) AS views, LATEST_BY_OFFSET(page) AS last_page
  FROM pageviews GROUP BY userid;

-- Users are there before their views: a join looks them up at the view's place in the log.
INSERT INTO users (userid, name, region) VALUES ('u1', 'Ann', 'north');
INSERT INTO users (userid, name, region) VALUES ('u2', 'Bob', 'south');

-- ROWTIME is given, in milliseconds, so that this script always answers the same. Without it, it is now.
INSERT INTO pageviews (ROWTIME, userid, page, seconds) VALUES (1767225600000, 'u1', '/home', 5);
INSERT INTO pageviews (ROWTIME, userid, page, seconds) VALUES (1767225610000, 'u2', '/home', 7);
INSERT INTO pageviews (ROWTIME, userid, page, seconds) VALUES (1767225640000, 'u1', '/shop', 30);
INSERT INTO pageviews (ROWTIME, userid, page, seconds) VALUES (1767225655000, 'u1', '/shop/tea', 12);
INSERT INTO pageviews (ROWTIME, userid, page, seconds) VALUES (1767225661000, 'u3', '/home', 2);

-- Ann moves. What she saw before stays in the north, what she sees from now on is in the south.
INSERT INTO users (userid, name, region) VALUES ('u1', 'Ann', 'south');
INSERT INTO pageviews (ROWTIME, userid, page, seconds) VALUES (1767225665000, 'u1', '/cart', 9);
INSERT INTO pageviews (ROWTIME, userid, page, seconds) VALUES (1767225670000, 'u2', '/shop', 4);
-- This one comes late. Windows take rows for a day after their end, unless GRACE PERIOD says otherwise.
INSERT INTO pageviews (ROWTIME, userid, page, seconds) VALUES (1767225630000, 'u2', '/help', 1);

-- Pull queries: the state as it is now.
SELECT * FROM enriched;
SELECT * FROM views_per_region;
SELECT region, views FROM views_per_region WHERE region = 'south' AND WINDOWSTART = '2026-01-01T00:01:00';
SELECT region, FORMAT_TIMESTAMP(FROM_UNIXTIME(WINDOWSTART), 'HH:mm:ss') AS begins, views FROM busy_regions;
SELECT * FROM visitors WHERE userid IN ('u1', 'u3');

-- A push query: the changes themselves, here the first four from the beginning of the log.
SET 'auto.offset.reset' = 'earliest';
SELECT userid, views, last_page FROM visitors EMIT CHANGES LIMIT 4;
