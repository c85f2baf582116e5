-- The trade between France and Germany, by year.
CREATE MATERIALIZED VIEW q7 AS
SELECT supp_nation, cust_nation, l_year, sum(volume) AS revenue
FROM (
  SELECT s.n_name AS supp_nation, c.n_name AS cust_nation, extract(year FROM l_shipdate) AS l_year,
         l_extendedprice * (1 - l_discount) AS volume
  FROM supplier
  JOIN lineitem ON l_suppkey = s_suppkey
  JOIN orders ON o_orderkey = l_orderkey
  JOIN customer ON c_custkey = o_custkey
  JOIN nation AS s ON s.n_nationkey = s_nationkey
  JOIN nation AS c ON c.n_nationkey = c_nationkey
  WHERE (s.n_name = 'FRANCE' AND c.n_name = 'GERMANY' OR s.n_name = 'GERMANY' AND c.n_name = 'FRANCE')
    AND l_shipdate BETWEEN DATE '1995-01-01' AND DATE '1996-12-31'
) AS shipping
GROUP BY supp_nation, cust_nation, l_year;
