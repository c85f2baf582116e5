-- Nexmark: an auction house. People register, open auctions and bid.
-- Of 50 events one is a person, three are auctions and 46 are bids. No two events happen at the same time.
CREATE STREAM person (
  id bigint, name text, email_address text, credit_card text, city text, state text, date_time timestamp, extra text
);
CREATE STREAM auction (
  id bigint, item_name text, description text, initial_bid bigint, reserve bigint, date_time timestamp, expires timestamp,
  seller bigint, category bigint, extra text
);
CREATE STREAM bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
);
-- What q13 looks up.
CREATE TABLE side (key bigint PRIMARY KEY, value text);
