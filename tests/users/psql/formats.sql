-- Every output format of \pset, as psql 15 writes it.
\pset null '(null)'
\pset title 'A <title> & 100%'
-- HTML
\pset format html
\pset border 2
\pset tableattr 'class="t" width="50%"'
SELECT 1234567.5 AS "n_1", E'<b>&"x" 50% of $3\n#{y}|^~\\' AS "a|b & c", NULL AS nothing UNION ALL SELECT -7, '  led', '' ORDER BY 1;
\x on
SELECT 1 AS "<id>", E' a\nb' AS text UNION ALL SELECT 2, NULL ORDER BY 1;
\t on
SELECT 1 AS "<id>", ' ' AS text;
\t off
\x off
-- AsciiDoc: a frame for each border but 3
\pset format asciidoc
\pset border 0
SELECT 1 AS id, 'a|b' AS "x|y", ' ' AS blank UNION ALL SELECT 2, NULL, '' ORDER BY 1;
\pset border 1
\x on
SELECT 1 AS id, 'a|b' AS "x|y", '' AS blank;
\pset border 2
\x off
\t on
SELECT 1 AS id, 'a|b' AS "x|y", '' AS blank;
\t off
\pset border 3
SELECT 1 AS id WHERE false;
-- LaTeX
\pset format latex
SELECT 1234567.5 AS "n_1", E'<b>&"x" 50% of $3\n#{y}|^~\\' AS "a|b & c", NULL AS nothing UNION ALL SELECT -7, '  led', '' ORDER BY 1;
\pset border 2
\x on
SELECT 1 AS id, 'a_b' AS text UNION ALL SELECT 2, NULL ORDER BY 1;
\pset border 0
SELECT 1 AS id, 'a_b' AS text;
\x off
-- Columns that stand to the left have widths, of which the last holds for all that follow.
\pset format latex-longtable
\pset tableattr '0.2 0.5'
\pset border 2
SELECT 'a' AS x, 1 AS n, 'b' AS y, 'c' AS z;
\pset border 3
\pset tableattr
SELECT 'a_1' AS x, 1 AS n UNION ALL SELECT NULL, 2 ORDER BY 1;
\pset title
\pset border 2
SELECT 'a' AS x, 1 AS n;
-- troff
\pset format troff-ms
\pset title 'back\\slash'
SELECT 1 AS n, E'a\\b' AS text UNION ALL SELECT 2, NULL ORDER BY 1;
\x on
SELECT 1 AS n, E'a\\b' AS text UNION ALL SELECT 2, NULL ORDER BY 1;
\pset border 1
SELECT 1 AS n, 'x' AS text UNION ALL SELECT 2, 'y' ORDER BY 1;
\x off
\pset title
-- Wrapped, and expanded by itself where that is still too wide
\pset format wrapped
\pset columns 40
SELECT i, repeat('lorem ipsum ', i) AS text, i * 1000 AS "a heading" FROM generate_series(1, 4) i;
\pset linestyle old-ascii
SELECT E'two\nlines' AS U&"high\000ahead", 'wider than there is room for it here' AS t, E'a\tb' AS tab UNION ALL SELECT '日本語の文字列', E'e\u0301\r', '' ORDER BY 1;
\pset linestyle unicode
\pset border 2
SELECT '日本語の文字列はとても幅が広いのです' AS japanese, repeat('x', 30) AS x;
\x on
SELECT '日本語の文字列はとても幅が広いのです' AS japanese, repeat('x', 30) AS x;
\x auto
\pset columns 20
SELECT 'short' AS a, 'quite a long value' AS b;
SELECT 'short' AS a, 'one' AS b;
-- The same aligned, where nothing is cut
\pset format aligned
SELECT 'short' AS a, 'quite a long value' AS b;
\pset columns 0
SELECT 'short' AS a, 'quite a long value' AS b;
\x off
-- Double lines
\pset unicode_border_linestyle double
SELECT 1 AS a, 2 AS b;
\pset unicode_column_linestyle double
\pset unicode_header_linestyle double
SELECT 1 AS a, 2 AS b;
\pset unicode_border_linestyle single
SELECT 1 AS a, E'x\ny' AS b;
\x on
SELECT 1 AS a, E'x\ny' AS b UNION ALL SELECT 2, NULL ORDER BY 1;
\x off
-- Lines that go on, in the old way
\pset linestyle old-ascii
\pset border 1
SELECT E'two\nlines' AS "a", 1 AS n, E'x\ny\nz' AS b UNION ALL SELECT 'one', NULL, '' ORDER BY 1;
\pset border 0
SELECT E'two\nlines' AS "a", 1 AS n, E'x\ny\nz' AS b;
\pset linestyle ascii
SELECT E'two\nlines' AS "a", 1 AS n, E'x\ny\nz' AS b;
\pset border 1
-- Numbers in groups
\pset numericlocale on
SELECT 1234567 AS i, -1234567.8901 AS n, 999 AS small, '1000' AS text, 1.5e20::float8 AS f;
\pset format csv
SELECT 1234567 AS i, 'a,b' AS t;
\pset numericlocale off
\pset format unaligned
SELECT 1234567 AS i, 'a,b' AS t;
-- In parts
\set FETCH_COUNT 2
\pset format aligned
\pset title parts
SELECT i, repeat('x', i) AS x FROM generate_series(1, 5) i;
\x on
SELECT i, repeat('x', i) AS x FROM generate_series(1, 4) i;
\pset format html
SELECT i FROM generate_series(1, 3) i;
\x off
\pset format asciidoc
SELECT i FROM generate_series(1, 3) i;
\pset format unaligned
SELECT i FROM generate_series(1, 3) i;
\set FETCH_COUNT 0
-- What is said of it
\pset format a
\pset format nothing
\pset linestyle dotted
\pset unicode_border_linestyle triple
\pset expanded perhaps
\pset pager perhaps
\pset border -1
\pset columns 4x
\pset tableattr 'it''s \\ here'
\pset numericlocale perhaps
\pset format l
\pset format latex-
\pset wrong
\pset
