-- Event sourcing with accounts: what happened is the truth, the balance is a fold of it.

CREATE STREAM account_events (
  account text NOT NULL,
  kind text NOT NULL,            -- opened, deposited, withdrawn, closed
  amount numeric(14,2) NOT NULL DEFAULT 0,
  owner text,
  happened timestamptz NOT NULL
);

-- The current state of each account.
CREATE MATERIALIZED VIEW accounts AS
SELECT account,
       max(owner) AS owner,
       sum(CASE kind WHEN 'deposited' THEN amount WHEN 'withdrawn' THEN -amount ELSE 0 END) AS balance,
       count(*) FILTER (WHERE kind IN ('deposited', 'withdrawn')) AS movements,
       bool_or(kind = 'closed') AS closed,
       max(happened) AS last_event
FROM account_events GROUP BY account;

-- What an account's owner has in all: a fold of the fold.
CREATE MATERIALIZED VIEW wealth AS
SELECT owner, count(*) AS accounts, sum(balance) AS balance FROM accounts WHERE NOT closed GROUP BY owner;

-- Accounts that must not be: an alert is a view that should be empty.
CREATE MATERIALIZED VIEW overdrawn AS SELECT account, owner, balance FROM accounts WHERE balance < 0;

INSERT INTO account_events (account, kind, owner, happened) VALUES
  ('A-1', 'opened', 'ann', '2026-03-01 08:00+00'),
  ('A-2', 'opened', 'ann', '2026-03-01 08:10+00'),
  ('B-1', 'opened', 'bob', '2026-03-01 09:00+00');

INSERT INTO account_events (account, kind, amount, happened) VALUES
  ('A-1', 'deposited', 100.00, '2026-03-01 10:00+00'),
  ('B-1', 'deposited', 55.50, '2026-03-01 11:00+00');

SELECT account, owner, balance, movements, closed FROM accounts ORDER BY account;

-- A transfer is two events in one transaction: neighbours in the log, and nobody ever sees one without the other.
BEGIN;
INSERT INTO account_events (account, kind, amount, happened) VALUES ('A-1', 'withdrawn', 30.25, '2026-03-02 08:00+00');
INSERT INTO account_events (account, kind, amount, happened) VALUES ('A-2', 'deposited', 30.25, '2026-03-02 08:00+00');
COMMIT;

SELECT * FROM wealth ORDER BY owner;

-- What is rolled back never happened.
BEGIN;
INSERT INTO account_events (account, kind, amount, happened) VALUES ('B-1', 'withdrawn', 1000, '2026-03-02 09:00+00');
ROLLBACK;
SELECT count(*) AS overdrawn FROM overdrawn;

INSERT INTO account_events (account, kind, amount, happened) VALUES ('B-1', 'withdrawn', 60.00, '2026-03-02 10:00+00');
SELECT * FROM overdrawn;
INSERT INTO account_events (account, kind, amount, happened) VALUES ('B-1', 'deposited', 10.00, '2026-03-02 11:00+00');
SELECT count(*) AS overdrawn FROM overdrawn;

INSERT INTO account_events (account, kind, happened) VALUES ('A-2', 'closed', '2026-03-03 08:00+00');
SELECT * FROM wealth ORDER BY owner;

-- The statement of one account, with a running balance: window functions run when reading.
SELECT _offset, kind, amount,
       sum(CASE kind WHEN 'deposited' THEN amount WHEN 'withdrawn' THEN -amount ELSE 0 END) OVER (ORDER BY _offset) AS balance
FROM account_events WHERE account = 'A-1' ORDER BY _offset;
