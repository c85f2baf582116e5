-- Results that go to programs.
SELECT 'b' AS x UNION ALL SELECT 'a' \g | LC_ALL=C sort
SELECT 1 AS one \gx (format=unaligned) | tr o 0
SELECT 'not read' AS x \g | true
SELECT 'gone' AS x \g | exit 3
SELECT 2 AS two \g | nosuchprogram 2>/dev/null
SELECT 3 AS three \g |cat;
\setenv WHO me
SELECT 4 AS four \g | sed "s/four/$WHO  /"
\o | LC_ALL=C sort > sorted.txt
SELECT 'z' AS x;
\qecho said
SELECT 'y' AS x;
\o
\! cat sorted.txt
\o | cat > copied.txt
COPY (SELECT 5) TO STDOUT;
\o
\! cat copied.txt
SELECT 'at the end' AS x;
