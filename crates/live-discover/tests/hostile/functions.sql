-- Functions and operators that make much from little, or ask for much work.
-- expect: refused functions may make
SELECT repeat('a', 1000000000)
-- expect: refused functions may make
SELECT repeat('a', 9223372036854775807)
-- expect: refused functions may make
SELECT length(repeat(repeat('a', 1000000), 1000000))
-- expect: refused functions may make
SELECT lpad('a', 2000000000)
-- expect: refused functions may make
SELECT rpad('a', 2000000000, 'b')
-- expect: refused functions may make
SELECT count(*) FROM m365_audit WHERE length(repeat(id, 100000000)) > 1
-- expect: refused functions may make
SELECT id, rpad(id, 1000000000) FROM m365_audit
-- expect: refused functions may make
SELECT replace(repeat('a', 1000000), 'a', repeat('b', 1000000))
-- expect: refused functions may make
SELECT count(regexp_replace(repeat(id, 10000), '.', repeat('b', 100000), 'g')) FROM m365_audit
-- expect: refused functions may make
SELECT array_repeat(1, 2000000000), id FROM m365_audit
-- expect: refused functions may make
SELECT array_repeat(id, 1000000000) FROM m365_audit
-- expect: refused functions may make
SELECT array_repeat(array_repeat('a', 10000), 100000)
-- expect: refused functions may make
SELECT array_resize([1], 2000000000, 0)
-- expect: refused functions may make
SELECT range(0, 1000000000000)
-- expect: refused functions may make
SELECT generate_series(1, 1000000000000)
-- expect: refused functions may make
SELECT range(0, record_type * 1000000000000) FROM m365_audit
-- expect: refused functions may make
SELECT generate_series(TIMESTAMP '1970-01-01', TIMESTAMP '2200-01-01', INTERVAL '1 millisecond')
-- expect: refused functions may make
SELECT range(DATE '0001-01-01', DATE '9999-01-01', INTERVAL '1 day'), range(0, -1000000000000, -1)
-- expect: refused functions may make
SELECT array_to_string(range(0, 100000), repeat('a', 100000))
-- expect: refused functions may make
SELECT to_char(creation_time, repeat('%c', 500000)) FROM m365_audit a
-- expect: refused functions may make
WITH a0 AS (SELECT repeat(id, 10000) AS x FROM m365_audit){repeat 4 ", a{n} AS (SELECT concat(x, x, x, x, x, x, x, x) AS x FROM a{m})"} SELECT max(length(x)) FROM a4
-- expect: refused memory limit
WITH a0 AS (SELECT repeat(id, 10000) AS x FROM m365_audit){repeat 4 ", a{n} AS (SELECT x || x || x || x || x || x || x || x AS x FROM a{m})"} SELECT max(length(x)) FROM a4
-- expect: refused functions may make
WITH a0 AS (SELECT array_repeat(id, 10000) AS x FROM m365_audit){repeat 4 ", a{n} AS (SELECT array_concat(x, x, x, x, x, x, x, x) AS x FROM a{m})"} SELECT max(array_length(x)) FROM a4
-- expect: refused memory limit
WITH a0 AS (SELECT array_repeat(id, 10000) AS x FROM m365_audit){repeat 12 ", a{n} AS (SELECT x || x AS x FROM a{m})"} SELECT max(array_length(x)) FROM a12
-- expect: refused over a window
SELECT array_agg(raw) OVER (ORDER BY creation_time) FROM m365_audit
-- expect: refused over a window
SELECT string_agg(raw, ',') OVER () FROM m365_audit
-- expect: refused over a window
SELECT array_agg(id) OVER (ORDER BY id ROWS BETWEEN 1000000 PRECEDING AND CURRENT ROW) FROM m365_audit
-- expect: refused regular expression
SELECT count(*) FROM m365_audit WHERE raw ~ '(\w{1000}){1000}'
-- expect: refused regular expression
SELECT count(*) FROM m365_audit WHERE regexp_like(raw, '((a{100}){100}){100}')
-- expect: refused regular expression
SELECT count(*) FROM m365_audit WHERE raw ~ user_id
-- expect: refused regular expression
SELECT regexp_replace(raw, user_id, 'x') FROM m365_audit
-- expect: within limits
SELECT regexp_count(raw, repeat('a', 1000)) FROM m365_audit
-- expect: refused regular expression
SELECT count(*) FROM m365_audit WHERE raw ~ '('
-- expect: refused regular expression
SELECT count(*) FROM m365_audit WHERE raw ~ '{repeat 300000 "\w?"}'
-- expect: within limits
SELECT count(*) FROM m365_audit WHERE raw ~ '(a+)+$' OR raw ~ '(a|a)*b' OR raw ~ '(.*)*x'
-- expect: within limits
SELECT count(*) FROM range(0, 1000000000000)
-- expect: within limits
SELECT count(*) FROM generate_series(1, 1000000000000) a, generate_series(1, 1000000000000) b
-- expect: within limits
SELECT * FROM generate_series(1, 1000000000000) t(a) WHERE a < 0
-- expect: within limits
SELECT array_agg(a) FROM generate_series(1, 1000000000) t(a)
-- expect: within limits
SELECT string_agg(CAST(a AS VARCHAR), ',') FROM generate_series(1, 1000000000) t(a)
-- expect: within limits
SELECT count(DISTINCT a) FROM generate_series(1, 1000000000) t(a)
-- expect: within limits
SELECT a, count(*) FROM generate_series(1, 1000000000) t(a) GROUP BY a
-- expect: within limits
SELECT a FROM generate_series(1, 1000000000) t(a) ORDER BY random()
-- expect: within limits
SELECT median(a), percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM generate_series(1, 1000000000) t(a)
-- expect: within limits
SELECT sum(a) OVER () FROM generate_series(1, 1000000000) t(a)
-- expect: within limits
SELECT count(*) OVER (PARTITION BY a % 10 ORDER BY a ROWS BETWEEN 1000000000 PRECEDING AND 1000000000 FOLLOWING) FROM generate_series(1, 1000000000) t(a)
-- expect: within limits
SELECT lag(a, 1000000000) OVER (ORDER BY a), ntile(1000000000) OVER (ORDER BY a) FROM generate_series(1, 1000000) t(a)
-- expect: within limits
SELECT unnest(range(0, 60000)) AS a, unnest(range(0, 60000)) AS b, raw FROM m365_audit
-- expect: within limits
SELECT x, y, z, raw FROM m365_audit, unnest(range(0, 60000)) AS t(x), unnest(range(0, 60000)) AS u(y), unnest(range(0, 60000)) AS v(z)
-- expect: within limits
SELECT a.x || b.x FROM (SELECT unnest(range(0, 60000)) AS x) a, (SELECT unnest(range(0, 60000)) AS x) b
-- expect: within limits
SELECT count(*) FROM m365_audit a, m365_audit b, m365_audit c, m365_audit d, m365_audit e, m365_audit f
-- expect: within limits
SELECT count(*) FROM m365_audit a, m365_audit b, m365_audit c, m365_audit d WHERE a.id || b.id || c.id || d.id = 'x'
-- expect: within limits
SELECT count(*) FROM m365_audit a JOIN m365_audit b ON a.id < b.id JOIN m365_audit c ON b.id <> c.id JOIN m365_audit d ON c.raw || d.raw = 'x'
-- expect: within limits
SELECT a.raw FROM m365_audit a FULL JOIN m365_audit b ON a.operation = b.operation AND a.id || b.id = 'x' CROSS JOIN m365_audit c CROSS JOIN m365_audit d
-- expect: within limits
SELECT count(*) FROM m365_audit a LEFT JOIN m365_audit b ON true LEFT JOIN m365_audit c ON true LEFT JOIN m365_audit d ON a.id = 'x' ORDER BY 1
-- expect: within limits
WITH s AS (SELECT string_agg(a.raw || b.raw, '') AS big FROM m365_audit a, m365_audit b) SELECT s.big || a.id FROM s, m365_audit a, m365_audit b
-- expect: within limits
SELECT (SELECT string_agg(a.raw, '') FROM m365_audit a, m365_audit b, m365_audit c) AS big, id FROM m365_audit
-- expect: within limits
SELECT array_transform(range(0, 60000), x -> upper(raw) || x) FROM m365_audit
-- expect: within limits
SELECT upper(raw){repeat 300 ", lower(raw || '{n}') AS c{n}"} FROM m365_audit a CROSS JOIN m365_audit b
-- expect: within limits
SELECT levenshtein(repeat(raw, 10000), repeat(raw, 10000)) FROM m365_audit
-- expect: within limits
SELECT id FROM m365_audit LIMIT 9223372036854775807 OFFSET 9223372036854775807
-- expect: within limits
SELECT id FROM m365_audit ORDER BY id LIMIT 9223372036854775807
-- expect: refused 
SELECT id FROM m365_audit LIMIT 99999999999999999999999999
-- expect: refused 
SELECT id FROM m365_audit LIMIT -1
-- expect: within limits
SELECT 9223372036854775807 + 1
-- expect: within limits
SELECT -9223372036854775808 / -1, abs(-9223372036854775808)
-- expect: within limits
SELECT 1 / 0
-- expect: within limits
SELECT 99999999999999999999999999999999999999.9 * 99999999999999999999999999999999999999.9
-- expect: within limits
SELECT CAST('1e400' AS DOUBLE), CAST('nan' AS DOUBLE), 1e308 * 10, power(10, 400)
-- expect: within limits
SELECT CAST(1e300 AS DECIMAL(76, 70))
-- expect: refused 
SELECT CAST(1 AS DECIMAL(1000000000, 999999999))
-- expect: within limits
SELECT factorial(1000000), gcd(-9223372036854775808, 0), lcm(9223372036854775807, 9223372036854775806)
-- expect: within limits
SELECT now() + INTERVAL '99999999999 years'
-- expect: within limits
SELECT now() - INTERVAL '9223372036854775807 nanoseconds', DATE '9999-12-31' + INTERVAL '1000000 days'
-- expect: within limits
SELECT TIMESTAMP '9999-12-31T23:59:59' + INTERVAL '1 second', to_timestamp(9223372036854775807), to_timestamp('-292277026596-01-01')
-- expect: within limits
SELECT date_bin(INTERVAL '0 seconds', creation_time) FROM m365_audit
-- expect: within limits
SELECT date_bin(INTERVAL '1 nanosecond', creation_time, TIMESTAMP '0001-01-01') FROM m365_audit
-- expect: within limits
SELECT creation_time AT TIME ZONE 'Europe/Nowhere' FROM m365_audit
-- expect: within limits
SELECT creation_time AT TIME ZONE '+99:99' FROM m365_audit
-- expect: within limits
SELECT creation_time AT TIME ZONE '../../etc/passwd' FROM m365_audit
-- expect: within limits
SELECT to_char(creation_time, '%Q%q%!%'), to_char(creation_time, '%9999999999d') FROM m365_audit
-- expect: within limits
SELECT chr(-1), chr(55296), chr(9223372036854775807)
-- expect: within limits
SELECT substr('abc', -9223372036854775807, 9223372036854775807), left('abc', -9223372036854775807), split_part('a', '', -9223372036854775807)
-- expect: within limits
SELECT array_slice([1, 2], -9223372036854775807, 9223372036854775807, 9223372036854775807), array_element([1], -9223372036854775808)
-- expect: within limits
SELECT array_sort([[1], [NULL]]), flatten([[[1]]]), array_dims([[1, 2], [3]]), MAP {'a': 1}['b']
-- expect: within limits
SELECT MAP(range(0, 60000), range(0, 60000)), map_keys(MAP {'a': 1, 'a': 2})
-- expect: within limits
SELECT extra->'a'->'b'->0->-1, extra->>repeat('a', 100000), json_get(repeat('[', 900000), 'a') FROM m365_audit
-- expect: within limits
SELECT decode('zzzz', 'hex'), decode('====', 'base64'), digest('x', 'nothing')
-- expect: within limits
SELECT approx_percentile_cont(2.0) WITHIN GROUP (ORDER BY record_type), approx_distinct(raw), corr(1, 1), nth_value(id, -9223372036854775808) FROM m365_audit
-- expect: within limits
SELECT nth_value(id, 0) OVER (), lead(id, -9223372036854775808) OVER (ORDER BY id) FROM m365_audit
-- expect: within limits
SELECT * FROM range(9223372036854775806, 9223372036854775807, 9223372036854775807), range(1, 2, 0)
-- expect: within limits
SELECT * FROM generate_series(TIMESTAMP '0001-01-01', TIMESTAMP '9999-01-01', INTERVAL '1 nanosecond')
-- expect: within limits
SELECT CAST(repeat('9', 1000) AS BIGINT), CAST(repeat('9', 1000) AS DECIMAL(38, 0)), CAST('true' AS INT)
-- expect: within limits
SELECT overlay(repeat('a', 1000) PLACING repeat('b', 100000) FROM 1 FOR 9223372036854775807)
-- expect: within limits
SELECT * FROM m365_audit ORDER BY raw, extra, parameters
-- expect: within limits
SELECT DISTINCT * FROM m365_audit a CROSS JOIN m365_audit b CROSS JOIN m365_audit c
-- expect: refused memory limit
SELECT lpad('x', 6000 + value % 2) AS c0{repeat 39 ", lpad('x', 60{n} + value % 2) AS c{n}"} FROM range(0, 100000)
-- expect: within limits
SELECT substr(lpad(a.id, 7000, 'x'), 2){repeat 39 ", split_part(ltrim(a.raw), '{n}', 1)"} FROM m365_audit a CROSS JOIN m365_audit b
