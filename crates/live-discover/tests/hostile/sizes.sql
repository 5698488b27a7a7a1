-- Texts that are large, long, deep or many, and texts whose plan is.
-- expect: refused limit of operators
SELECT id FROM m365_audit WHERE id = 'x'{repeat 20000 " OR id = 'x{n}'"}
-- expect: refused limit of operators
SELECT 1{repeat 50000 " + 1"}
-- expect: refused limit of operators
SELECT 'a'{repeat 5000 " || 'a'"}
-- expect: refused limit of operators
SELECT {repeat 5000 "- "}1
-- expect: refused limit of operators
SELECT {repeat 5000 "NOT "}true
-- expect: refused limit of operators
SELECT id{repeat 20000 " IS NULL"} FROM m365_audit
-- expect: refused limit of operators
SELECT 1{repeat 5000 "::int"}
-- expect: refused limit of operators
SELECT id{repeat 5000 "[1]"} FROM m365_audit
-- expect: refused limit of operators
SELECT CAST(NULL AS INT{repeat 50000 "[]"})
-- expect: refused limit of operators
SELECT CASE{repeat 5000 " WHEN id = 'x' THEN 1"} END FROM m365_audit
-- expect: refused limit of operators
SELECT extra{repeat 5000 "->'a'"} FROM m365_audit
-- expect: refused limit of operators
SELECT 1 FROM m365_audit{repeat 5000 " JOIN m365_audit USING (id)"}
-- expect: refused limit of
SELECT 1{repeat 5000 " UNION ALL SELECT 1"}
-- expect: refused UNION, INTERSECT and EXCEPT
SELECT 1{repeat 500 " UNION ALL SELECT 1"}
-- expect: refused UNION, INTERSECT and EXCEPT
SELECT 1{repeat 500 " EXCEPT SELECT 1"}
-- expect: refused tables and subqueries in FROM
SELECT 1 FROM m365_audit a0{repeat 5000 ", m365_audit b{n}"}
-- expect: refused tables and subqueries in FROM
SELECT 1 FROM m365_audit{repeat 150 " NATURAL JOIN m365_audit"}
-- expect: refused queries in WITH
WITH x AS (SELECT 1){repeat 5000 ", x{n} AS (SELECT 1)"} SELECT 1
-- expect: refused calls of functions
SELECT coalesce('a'{repeat 3000 ", lower('a')"})
-- expect: refused columns in SELECT
SELECT 1 AS a{repeat 20000 ", 1 AS a{n}"}
-- expect: refused limit of
SELECT {repeat 5000 "("}1{repeat 5000 ")"}
-- expect: refused limit of nesting
SELECT {repeat 60 "("}1{repeat 60 ")"}
-- expect: refused limit of
{repeat 5000 "SELECT * FROM ("}SELECT 1{repeat 5000 ")"}
-- expect: refused limit of
SELECT {repeat 5000 "abs("}1{repeat 5000 ")"}
-- expect: refused limit of
SELECT {repeat 5000 "CASE WHEN true THEN "}1{repeat 5000 " END"}
-- expect: refused 
SELECT {repeat 500 "ARRAY["}1{repeat 500 "]"}
-- expect: refused 
SELECT 1 WHERE {repeat 500 "EXISTS (SELECT 1 WHERE "}true{repeat 500 ")"}
-- expect: refused 
SELECT CAST(1 AS {repeat 500 "STRUCT<a "}INT{repeat 500 ">"})
-- expect: refused 
SELECT {repeat 500 "INTERVAL "}'1' DAY
-- expect: refused length limit
SELECT '{repeat 2000000 "a"}'
-- expect: refused length limit
SELECT 1 /*{repeat 2000000 "*"}*/
-- expect: refused groupings
SELECT count(*) FROM m365_audit GROUP BY CUBE (id{repeat 30 ", user_id || {n}"})
-- expect: refused groupings
SELECT count(*) FROM m365_audit GROUP BY CUBE (id, user_id, operation, raw, extra), CUBE (id, user_id, operation, raw, extra)
-- expect: refused groupings
SELECT count(*) FROM m365_audit GROUP BY GROUPING SETS ((id){repeat 3000 ", (user_id)"})
-- expect: refused its plan
WITH a0 AS (SELECT id FROM m365_audit){repeat 30 ", a{n} AS (SELECT * FROM a{m} UNION ALL SELECT * FROM a{m})"} SELECT count(*) FROM a30
-- expect: refused its plan
WITH a0 AS (SELECT record_type AS x FROM m365_audit){repeat 40 ", a{n} AS (SELECT x + x AS x FROM a{m})"} SELECT * FROM a40 WHERE x > 1
-- expect: refused its plan
WITH a0 AS (SELECT id AS x FROM m365_audit){repeat 40 ", a{n} AS (SELECT concat(x, x) AS x FROM a{m})"} SELECT * FROM a40 WHERE x > 'a'
-- expect: refused its plan
WITH a0 AS (SELECT 1 AS x){repeat 30 ", a{n} AS (SELECT a.x FROM a{m} a, a{m} b)"} SELECT * FROM a30
-- expect: refused its plan
WITH a0 AS (SELECT 1 AS x){repeat 30 ", a{n} AS (SELECT x FROM a{m} WHERE x IN (SELECT x FROM a{m}))"} SELECT * FROM a30
-- expect: refused wildcards
SELECT count(*) FROM m365_audit WHERE raw LIKE '{repeat 30000 "%_"}'
-- expect: refused regular expressions
SELECT 1 FROM m365_audit WHERE false{repeat 150 " OR raw ~ 'x{n}'"}
-- expect: refused words and signs
SELECT 1 WHERE 1 IN (1{repeat 300000 ",1"})
-- expect: within limits
SELECT count(*) FROM m365_audit WHERE id IN ('x'{repeat 50000 ",'x{n}'"})
-- expect: within limits
SELECT count(*) FROM (VALUES (1){repeat 20000 ", ({n})"}) t(a)
-- expect: within limits
SELECT '{repeat 900000 "a"}' AS big, id FROM m365_audit
-- expect: within limits
SELECT a.id, '{repeat 400000 "a"}' AS big, '{repeat 400000 "b"}' AS large FROM m365_audit a, m365_audit b
-- expect: within limits
SELECT 1 FROM m365_audit WHERE {repeat 10 "id IN (SELECT id FROM m365_audit WHERE "}true{repeat 10 ")"}
-- expect: within limits
SELECT (SELECT count(*) FROM m365_audit b WHERE b.id = a.id AND (SELECT count(*) FROM m365_audit c WHERE c.id = b.id) > 0) FROM m365_audit a
-- expect: within limits
SELECT * FROM {repeat 12 "("}m365_audit{repeat 12 ")"}
-- expect: within limits
SELECT {repeat 20 "("}1{repeat 20 ")"}
-- expect: within limits
SELECT 1 WHERE true{repeat 400 " AND 1 = 1"}
-- expect: within limits
SELECT count(*) FROM m365_audit GROUP BY ROLLUP (id, user_id, operation, record_type)
-- expect: within limits
SELECT count(*) FROM m365_audit WHERE raw LIKE '{repeat 400 "%_"}'
-- expect: refused limit of nesting
SELECT {repeat 45 "CAST("}1 1{repeat 45 " AS INT)"}
-- expect: refused limit of nesting
SELECT {repeat 45 "EXISTS ("}SELECT 1 1{repeat 45 ")"}
-- expect: refused limit of nesting
SELECT * FROM {repeat 45 "("}m365_audit 1{repeat 45 ")"}
-- expect: refused syntax error
SELECT {repeat 11 "CAST("}1 1{repeat 11 " AS INT)"}
-- expect: refused syntax error
SELECT * FROM {repeat 11 "("}m365_audit 1 1{repeat 11 ")"}
-- expect: refused 
SELECT {repeat 45 "abs("}1 1{repeat 45 ")"}
-- expect: refused 
SELECT {repeat 45 "CASE WHEN "}1 1{repeat 45 " THEN 1 END"}
-- expect: refused 
SELECT {repeat 45 "(SELECT "}1 1 1{repeat 45 ")"}
-- expect: refused 
SELECT {repeat 45 "INTERVAL "}1 1
-- expect: refused 
SELECT 1 WHERE {repeat 45 "1 IN (SELECT 1 WHERE "}1 1{repeat 45 ")"}
