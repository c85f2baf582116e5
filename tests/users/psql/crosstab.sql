-- Results as grids.
CREATE TABLE x (v text, h text, d int, n int);
INSERT INTO x VALUES ('b','q',1,2),('a','p',2,1),('b','p',3,1),('c',null,4,null),(null,'q',null,2);
SELECT v,h,d FROM x ORDER BY d \crosstabview
\pset null (null)
SELECT v,h,d FROM x ORDER BY d \crosstabview
SELECT * FROM x ORDER BY d \crosstabview v h d n
SELECT * FROM x ORDER BY d \crosstabview 1 2 4
SELECT * FROM x ORDER BY d \crosstabview h V 3
SELECT * FROM x ORDER BY d \crosstabview
SELECT v,h FROM x \crosstabview
SELECT * FROM x \crosstabview 1 1 3
SELECT * FROM x \crosstabview 1 9 3
SELECT * FROM x \crosstabview 1 nope 3
SELECT v, v, h, d FROM x \crosstabview v h d
SELECT x.* FROM x, x y \crosstabview 1 2 3
SELECT v, h, d FROM x WHERE false \crosstabview
SELECT v, h AS "Odd h", d FROM x ORDER BY d \crosstabview v "Odd h" d
SELECT v,h,d FROM x ORDER BY d \crosstabview v h;
SELECT v,h,d FROM x ORDER BY d \crosstabview d h v
CREATE TABLE zz (a int) \crosstabview
\x
SELECT v,h,d FROM x ORDER BY d \crosstabview
\x
\pset format csv
SELECT v,h,d FROM x ORDER BY d \crosstabview
