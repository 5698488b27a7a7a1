-- Statements that are no query.
-- expect: refused only SELECT
CREATE TABLE x (a INT)
-- expect: refused only SELECT
CREATE TABLE x AS SELECT * FROM m365_audit
-- expect: refused only SELECT
CREATE VIEW x AS SELECT 1
-- expect: refused syntax error
CREATE OR REPLACE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'
-- expect: refused only SELECT
CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION 's3://other/bucket/'
-- expect: refused only SELECT
CREATE SCHEMA evil
-- expect: refused only SELECT
CREATE DATABASE evil
-- expect: refused only SELECT
CREATE FUNCTION f(int) RETURNS int RETURN $1
-- expect: refused only SELECT
DROP TABLE m365_audit
-- expect: refused only SELECT
DROP VIEW m365_signins
-- expect: refused only SELECT
ALTER TABLE m365_audit ADD COLUMN x INT
-- expect: refused only SELECT
INSERT INTO m365_audit (id) VALUES ('x')
-- expect: refused only SELECT
UPDATE m365_audit SET user_id = 'x'
-- expect: refused only SELECT
DELETE FROM m365_audit
-- expect: refused only SELECT
TRUNCATE TABLE m365_audit
-- expect: refused only SELECT
MERGE INTO m365_audit a USING m365_audit b ON a.id = b.id WHEN MATCHED THEN DELETE
-- expect: refused only SELECT
COPY m365_audit TO '/tmp/stolen.csv'
-- expect: refused only SELECT
COPY (SELECT * FROM m365_audit) TO '/tmp/stolen.parquet'
-- expect: refused only SELECT
COPY m365_audit FROM '/etc/passwd'
-- expect: refused only SELECT
SET datafusion.execution.batch_size = 1000000000
-- expect: refused only SELECT
SET datafusion.runtime.memory_limit = '100G'
-- expect: refused only SELECT
SET datafusion.runtime.temp_directory = '/'
-- expect: refused only SELECT
RESET datafusion.runtime.memory_limit
-- expect: refused only SELECT
PREPARE p AS SELECT 1
-- expect: refused only SELECT
EXECUTE p(1)
-- expect: refused only SELECT
DEALLOCATE p
-- expect: refused only SELECT
BEGIN
-- expect: refused only SELECT
COMMIT
-- expect: refused only SELECT
ROLLBACK
-- expect: refused only SELECT
GRANT SELECT ON m365_audit TO PUBLIC
-- expect: refused only SELECT
USE other
-- expect: refused only SELECT
ANALYZE TABLE m365_audit COMPUTE STATISTICS
-- expect: refused only SELECT
CALL system('id')
-- expect: refused only SELECT
KILL QUERY 1
-- expect: refused only SELECT
VACUUM m365_audit
-- expect: refused only SELECT
ATTACH DATABASE '/etc/passwd' AS x
-- expect: refused syntax error
LOAD DATA INPATH '/etc/passwd' INTO TABLE m365_audit
-- expect: refused syntax error
LISTEN channel
-- expect: refused only SELECT
EXPLAIN DELETE FROM m365_audit
-- expect: refused only SELECT
EXPLAIN ANALYZE INSERT INTO m365_audit SELECT * FROM m365_audit
-- expect: refused only SELECT
EXPLAIN COPY m365_audit TO '/tmp/x'
-- expect: refused only SELECT
EXPLAIN CREATE TABLE x AS SELECT 1
-- expect: refused explain must be root
EXPLAIN EXPLAIN SELECT 1
-- expect: refused only SELECT
EXPLAIN SET x = 1
-- expect: refused only SELECT
WITH x AS (SELECT 1) INSERT INTO m365_audit SELECT * FROM x
-- expect: refused only SELECT
WITH x AS (SELECT 1) DELETE FROM m365_audit
-- expect: refused only SELECT
WITH x AS (DELETE FROM m365_audit RETURNING *) SELECT * FROM x
-- expect: refused only SELECT
SELECT * FROM (INSERT INTO m365_audit VALUES (1) RETURNING *) x
-- expect: refused only SELECT
SELECT * INTO stolen FROM m365_audit
-- expect: refused only SELECT
SELECT * FROM m365_audit FOR UPDATE
-- expect: refused one query at a time
SELECT 1; DROP TABLE m365_audit
-- expect: refused one query at a time
SELECT 1; SELECT 2
-- expect: refused there is no query
;;;
-- expect: refused there is no query
/* SELECT 1 */
-- expect: refused syntax error
DROP/**/TABLE m365_audit SELECT
-- expect: refused what can be shown
SHOW ALL
-- expect: refused what can be shown
SHOW datafusion.runtime.memory_limit
-- expect: refused what can be shown
SHOW FUNCTIONS
-- expect: refused what can be shown
SHOW VARIABLES
-- expect: refused what can be shown
SHOW CREATE TABLE m365_audit
-- expect: refused what can be shown
SHOW DATABASES
-- expect: refused what can be shown
SHOW TABLES FROM other
-- expect: refused no table `passwd`
DESCRIBE "/etc/passwd".passwd
-- expect: refused no table `/etc/passwd`
DESCRIBE "/etc/passwd"
-- expect: refused no table `x' OR '1'='1`
DESCRIBE "x' OR '1'='1"
-- expect: refused recursive
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n
-- expect: refused recursive
SELECT * FROM (WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i FROM n) SELECT * FROM n) x
-- expect: refused syntax error
FROM m365_audit |> WHERE id = 'x'
-- Clauses that the planner drops without a word.
-- expect: refused write GROUP BY ROLLUP
SELECT workload, count(*) FROM m365_audit GROUP BY workload WITH ROLLUP
-- expect: refused write GROUP BY CUBE
SELECT workload, user_type, count(*) FROM m365_audit GROUP BY workload, user_type WITH CUBE
-- expect: refused GROUPING SETS ((…), ())
SELECT workload, count(*) FROM m365_audit GROUP BY workload WITH TOTALS
-- expect: refused samples are not supported
SELECT count(*) FROM m365_audit TABLESAMPLE (1)
-- expect: refused samples are not supported
SELECT count(*) FROM m365_audit SAMPLE 1
-- expect: refused a condition on `event_date`
SELECT count(*) FROM m365_audit PARTITION (p0)
-- expect: refused CONNECT BY and START WITH are not supported
SELECT count(*) FROM m365_audit START WITH id = 'a' CONNECT BY PRIOR id = user_id
-- expect: refused name the columns
SELECT * ILIKE '%load' FROM m365_audit
-- expect: refused write `OVER w`
SELECT count(*) OVER (w) FROM m365_audit WINDOW w AS (PARTITION BY user_id)
-- expect: refused what a window adds to `w` is not supported
SELECT row_number() OVER (w ORDER BY creation_time) FROM m365_audit WINDOW w AS (PARTITION BY user_id)
-- expect: refused what a window adds to `w` is not supported
SELECT count(*) OVER v FROM m365_audit WINDOW w AS (PARTITION BY user_id), v AS (w ORDER BY creation_time)
-- expect: refused FILTER is of aggregates
SELECT upper(user_id) FILTER (WHERE user_type > 2) FROM m365_audit
-- expect: refused DISTINCT is of aggregates
SELECT upper(DISTINCT user_id) FROM m365_audit
-- expect: refused OVER is of aggregates
SELECT upper(user_id) OVER () FROM m365_audit
-- expect: refused ORDER BY is of aggregates
SELECT upper(user_id ORDER BY user_id) FROM m365_audit
-- expect: refused write `->'a'->>'b'`
SELECT count(*) FROM m365_audit WHERE extra #>> '{b,c}' = 'x'
-- expect: refused write `->'a'->'b'`
SELECT extra #> '{b,c}' FROM m365_audit
