-- A table whose rows refer to each other, kept by rules of its own, and what follows from it however deep it goes.

CREATE TABLE staff (
  id int PRIMARY KEY,
  boss int REFERENCES staff,
  name text NOT NULL,
  team text NOT NULL,
  salary numeric(10,2) NOT NULL CHECK (salary > 0)
);

-- Every change is told to a stream, with the rights of who made the function. What a trigger writes are events like any others.
CREATE STREAM staff_changes (what text NOT NULL, id int NOT NULL, before jsonb, after jsonb);

CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO staff_changes VALUES (TG_OP, coalesce(NEW.id, OLD.id), to_jsonb(OLD), to_jsonb(NEW));
  RETURN NULL;
END $$;

CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON staff FOR EACH ROW EXECUTE FUNCTION tell_change();

-- Who reports to whom, all the way up: it follows each change of the table, by as much as that changes.
CREATE MATERIALIZED VIEW reports AS
WITH RECURSIVE above (boss, id, steps) AS (
  SELECT boss, id, 1 FROM staff WHERE boss IS NOT NULL
  UNION ALL
  SELECT s.boss, a.id, a.steps + 1 FROM above a JOIN staff s ON s.id = a.boss WHERE s.boss IS NOT NULL
)
SELECT boss, id, steps FROM above;

-- A view over it: what each pays for, directly or not.
CREATE MATERIALIZED VIEW payroll AS
SELECT r.boss AS id, count(*) AS people, sum(s.salary) AS salaries FROM reports r JOIN staff s ON s.id = r.id GROUP BY r.boss;

INSERT INTO staff VALUES
  (1, NULL, 'ann', 'all', 9000),
  (2, 1, 'bob', 'shop', 6000),
  (3, 1, 'eve', 'bank', 7000),
  (4, 2, 'joe', 'shop', 4000),
  (5, 4, 'kim', 'shop', 3000);

SELECT s.name, p.people, p.salaries FROM payroll p JOIN staff s USING (id) ORDER BY p.salaries DESC;

-- Joe moves to the bank, and Kim still reports to him.
UPDATE staff SET boss = 3, team = 'bank' WHERE id = 4;

SELECT s.name, p.people, p.salaries FROM payroll p JOIN staff s USING (id) ORDER BY p.salaries DESC;

SELECT what, id, after ->> 'boss' AS boss, after ->> 'team' AS team FROM staff_changes WHERE what = 'UPDATE';

-- A manager sees the own team, and changes nothing else: a policy is a condition on each row.
ALTER TABLE staff ENABLE ROW LEVEL SECURITY;
CREATE POLICY team ON staff USING (team = current_setting('app.team', true));
CREATE ROLE manager;
GRANT SELECT, UPDATE ON staff TO manager;

SET ROLE manager;
SET app.team = 'bank';
SELECT id, name, salary FROM staff ORDER BY id;
UPDATE staff SET salary = salary + 100;
RESET ROLE;

SELECT team, sum(salary) AS salaries FROM staff GROUP BY team ORDER BY team;
