-- Fraud detection in ksqlDB's dialect: bursts of payments with one card are sessions; a condition over them raises an alert.

CREATE STREAM payments (card VARCHAR KEY, place VARCHAR, amount DECIMAL(10, 2)) WITH (KAFKA_TOPIC='card_payments', VALUE_FORMAT='JSON');
CREATE TABLE cards (card VARCHAR PRIMARY KEY, owner VARCHAR, daily_limit INT) WITH (KAFKA_TOPIC='cards', VALUE_FORMAT='JSON');

-- A session is a run of events with no gap longer than this between them. HAVING keeps the sessions that look wrong: more than
-- two payments in a row, in more than one place. A session that comes to be so appears, and changes while it goes on.
CREATE TABLE bursts AS
  SELECT card, COUNT(*) AS payments, SUM(amount) AS total, COLLECT_SET(place) AS places, MAX(amount) AS largest
  FROM payments WINDOW SESSION (5 MINUTES)
  GROUP BY card
  HAVING COUNT(*) > 2 AND COUNT_DISTINCT(place) > 1
  EMIT CHANGES;

-- The same once a session is over, with nothing to follow: what one sends to people. It ends when time has passed by the gap.
CREATE TABLE closed_bursts AS
  SELECT card, COUNT(*) AS payments, SUM(amount) AS total
  FROM payments WINDOW SESSION (5 MINUTES, GRACE PERIOD 0 SECONDS)
  GROUP BY card
  HAVING COUNT(*) > 2 AND COUNT_DISTINCT(place) > 1
  EMIT FINAL;

-- Each payment beside its card: what is beyond the limit, and what comes from a card that nobody knows.
CREATE STREAM suspicious AS
  SELECT p.card AS card, c.owner, p.place, p.amount,
         CASE WHEN c.owner IS NULL THEN 'unknown card' ELSE 'over the limit' END AS reason
  FROM payments p LEFT JOIN cards c ON p.card = c.card
  WHERE c.owner IS NULL OR p.amount > c.daily_limit;

-- What was spent per card and day, never shown with the whole number of the card.
CREATE TABLE spending AS
  SELECT card, MASK_KEEP_RIGHT(card, 4) AS shown, SUM(amount) AS total
  FROM payments WINDOW TUMBLING (SIZE 1 DAY)
  GROUP BY card;

INSERT INTO cards (card, owner, daily_limit) VALUES ('4000-1111', 'Ann', 500);
INSERT INTO cards (card, owner, daily_limit) VALUES ('4000-2222', 'Bob', 100);

-- 12:00: an ordinary purchase, and the next one an hour later. 1767268800000 is 2026-01-01T12:00:00.
INSERT INTO payments (ROWTIME, card, place, amount) VALUES (1767268800000, '4000-1111', 'Oslo', 12.50);
INSERT INTO payments (ROWTIME, card, place, amount) VALUES (1767272400000, '4000-1111', 'Oslo', 80.00);

-- 13:10: three payments in four minutes, in three places.
INSERT INTO payments (ROWTIME, card, place, amount) VALUES (1767273000000, '4000-2222', 'Bergen', 9.99);
INSERT INTO payments (ROWTIME, card, place, amount) VALUES (1767273120000, '4000-2222', 'Lagos', 99.00);
INSERT INTO payments (ROWTIME, card, place, amount) VALUES (1767273240000, '4000-2222', 'Lima', 450.00);
INSERT INTO payments (ROWTIME, card, place, amount) VALUES (1767273250000, '4000-9999', 'Lima', 1.00);

-- WINDOWSTART and WINDOWEND are the first and the last event of a session.
SELECT * FROM bursts;
SELECT * FROM suspicious;

-- The burst goes on. A payment with Ann's card comes late: it was four minutes after the one at 13:00, so both are one session, but no burst.
INSERT INTO payments (ROWTIME, card, place, amount) VALUES (1767273300000, '4000-2222', 'Lima', 20.00);
INSERT INTO payments (ROWTIME, card, place, amount) VALUES (1767272640000, '4000-1111', 'Rome', 5.00);
SELECT card, payments, total, places FROM bursts WHERE largest > 100;

-- This burst is not over yet. The next event, at 14:00, ends all sessions before it.
SELECT * FROM closed_bursts;
INSERT INTO payments (ROWTIME, card, place, amount) VALUES (1767276000000, '4000-1111', 'Oslo', 30.00);
SELECT card, FORMAT_TIMESTAMP(FROM_UNIXTIME(WINDOWSTART), 'HH:mm') AS begins, payments, total FROM closed_bursts;
SELECT shown, total FROM spending WHERE WINDOWSTART >= '2026-01-01';
