-- Commands: what people ask for is written to a view, and becomes events, or is refused. Reading and writing have one name, and two sides.

CREATE STREAM stock_events (sku text NOT NULL, kind text NOT NULL, pieces int NOT NULL, CHECK (kind IN ('received', 'reserved', 'released')));

-- The read side: what can be sold.
CREATE MATERIALIZED VIEW stock AS
SELECT sku,
       sum(CASE kind WHEN 'received' THEN pieces ELSE 0 END) AS received,
       sum(CASE kind WHEN 'reserved' THEN pieces WHEN 'released' THEN -pieces ELSE 0 END) AS reserved
FROM stock_events GROUP BY sku;

CREATE VIEW shelf AS SELECT sku, received - reserved AS available, reserved FROM stock;

-- The write side: the same rows, as a form. The function says what a change of them means. Who reserves waits for his turn, and asks what is left then.
CREATE FUNCTION change_shelf() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  rest bigint;
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO stock_events VALUES (NEW.sku, 'received', NEW.available);
  ELSIF NEW.reserved > OLD.reserved THEN
    PERFORM pg_advisory_xact_lock(hashtext(OLD.sku));
    SELECT available INTO rest FROM shelf WHERE sku = OLD.sku;
    IF NEW.reserved - OLD.reserved > rest THEN
      RAISE EXCEPTION 'only % of % are left', rest, OLD.sku USING HINT = 'Reserve fewer.';
    END IF;
    INSERT INTO stock_events VALUES (OLD.sku, 'reserved', NEW.reserved - OLD.reserved);
  ELSE
    INSERT INTO stock_events VALUES (OLD.sku, 'released', OLD.reserved - NEW.reserved);
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER shelf_form INSTEAD OF INSERT OR UPDATE ON shelf FOR EACH ROW EXECUTE FUNCTION change_shelf();

INSERT INTO shelf (sku, available) VALUES ('tea', 10), ('pot', 2);

UPDATE shelf SET reserved = reserved + 3 WHERE sku = 'tea';

-- What cannot be is refused, and leaves no event behind: the order takes both, or none.
DO $$
BEGIN
  UPDATE shelf SET reserved = reserved + 1 WHERE sku = 'pot';
  UPDATE shelf SET reserved = reserved + 8 WHERE sku = 'tea';
EXCEPTION WHEN raise_exception THEN
  RAISE NOTICE 'refused: %', SQLERRM;
END $$;

UPDATE shelf SET reserved = reserved - 1 WHERE sku = 'tea' RETURNING sku, reserved;

SELECT * FROM shelf ORDER BY sku;

-- What happened, in its order.
SELECT _offset, sku, kind, pieces FROM stock_events ORDER BY _offset;
