//! Whatever a session asks, nothing of another tenant is in what it gets: a property over random queries.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use live_discover::{Engine, Limits, Lookup, Session, TenantScope};

use crate::fixture::{CONTOSO, FABRIKAM, Record, commit, empty_lake, sign_in, tenant, text};

/// In every value that a record of the tenant has.
const MARKS: [(&str, &str); 2] = [(CONTOSO, "contosomark"), (FABRIKAM, "fabrikammark")];
const QUERIES: usize = 100;
const SEED: u64 = 16;

#[tokio::test]
async fn no_query_gets_anything_of_another_tenant() {
    let lake = empty_lake().await;
    for (tenant, mark) in MARKS {
        for day in 0..2 {
            let records: Vec<Record> = (0..6).map(|hour| marked(mark, day, hour)).collect();
            commit(&lake, tenant, &records).await;
        }
    }
    let engine = Engine::new(lake).unwrap();
    let mut answered = 0;
    for ((own, own_mark), (foreign, foreign_mark)) in [(MARKS[0], MARKS[1]), (MARKS[1], MARKS[0])] {
        let session = session(&engine, own, own_mark);
        // Another session of the same engine, with tables of its own.
        let other = self::session(&engine, foreign, foreign_mark);
        let mut queries = Queries {
            random: SEED,
            foreign,
        };
        let mut seen_own = false;
        for number in 0..QUERIES {
            let sql = queries.statement();
            if number % 10 == 0 {
                let _ = other.collect(&sql).await;
            }
            let got = match session.collect(&sql).await {
                Ok(batches) => {
                    answered += 1;
                    text(&batches)
                }
                Err(error) => format!("{error} {error:?}"),
            };
            seen_own |= got.contains(own_mark);
            // What the query itself says may come back.
            let got = got.replace(&sql, "");
            assert!(!got.contains(foreign_mark), "{sql}\n{got}");
            assert!(!got.contains("/m365_audit/"), "{sql}\n{got}");
            if !sql.contains(foreign) {
                assert!(!got.contains(foreign), "{sql}\n{got}");
            }
        }
        assert!(seen_own, "the marks can be seen");
    }
    // Random queries that are all refused would prove little.
    assert!(answered > QUERIES, "{answered} of {} answered", 2 * QUERIES);
}

fn marked(mark: &'static str, day: i64, hour: i64) -> Record {
    let (parameters, extra): (_, &'static str) = match mark {
        "contosomark" => (
            vec![("ForwardTo", "contosomark"), ("contosomark", "x")],
            r#"{"Odd":"contosomark"}"#,
        ),
        _ => (
            vec![("ForwardTo", "fabrikammark"), ("fabrikammark", "x")],
            r#"{"Odd":"fabrikammark"}"#,
        ),
    };
    Record {
        id: format!("{mark}-{day}-{hour}"),
        user_id: Some(format!("{mark}{}", hour % 3)),
        client_ip: Some(mark.to_owned()),
        parameters,
        changes: vec![("Role.DisplayName", mark, mark)],
        extra: Some(extra),
        ..sign_in(day, hour)
    }
}

fn session(engine: &Engine, of: &str, mark: &str) -> Session {
    let values: ArrayRef = Arc::new(StringArray::from(vec![format!("{mark}0"), mark.to_owned()]));
    let batch = RecordBatch::try_from_iter([("indicator", values)]).unwrap();
    let lookup = Lookup::from_batches(&batch.schema(), vec![batch]).unwrap();
    engine
        .session(
            TenantScope::Only(BTreeSet::from([tenant(of)])),
            Limits::default(),
        )
        .with_lookup("iocs", lookup)
        .unwrap()
        // A name that only this tenant's sessions have.
        .with_lookup(
            &format!("list_{mark}"),
            Lookup::from_batches(
                &RecordBatch::try_from_iter([(
                    "a",
                    Arc::new(StringArray::from(vec![mark])) as ArrayRef,
                )])
                .unwrap()
                .schema(),
                Vec::new(),
            )
            .unwrap(),
        )
        .unwrap()
}

/// Random statements of a small grammar; some of them make no sense.
struct Queries<'a> {
    random: u64,
    foreign: &'a str,
}

impl Queries<'_> {
    fn below(&mut self, count: usize) -> usize {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap() % count
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn statement(&mut self) -> String {
        match self.below(12) {
            0 => format!("EXPLAIN {}", self.query(2)),
            1 => format!("EXPLAIN ANALYZE {}", self.query(1)),
            2 => format!("EXPLAIN VERBOSE {}", self.query(1)),
            3 => {
                let of = self.one_of(&["tables", "columns", "schemata", "df_settings"]);
                format!("SELECT * FROM information_schema.{of}")
            }
            4 => self
                .one_of(&[
                    "SHOW TABLES",
                    "SHOW COLUMNS FROM m365_audit",
                    "DESCRIBE iocs",
                    "DESCRIBE list_x",
                    "SHOW ALL",
                ])
                .to_owned(),
            5 => self.mistake(),
            _ => self.query(3),
        }
    }

    /// What goes wrong when it is planned or run.
    fn mistake(&mut self) -> String {
        let table = self.one_of(&[
            "m365_audits",
            "tenants",
            "\"tenants/x/m365_audit\"",
            "list_fabrikam",
            "list_contoso",
            "m365_audit",
        ]);
        let column = self.one_of(&[
            "CAST(user_id AS BIGINT)",
            "CAST(id AS TIMESTAMP)",
            "1 / (record_type - record_type)",
            "userid2",
            "parameters['ForwardTo']::int",
            "to_timestamp(client_ip)",
            "arrow_cast(id, 'Int8')",
            "input_file_name()",
        ]);
        format!("SELECT {column} FROM {table}")
    }

    fn query(&mut self, depth: usize) -> String {
        if depth > 0 {
            match self.below(8) {
                0 => {
                    let left = self.plain(depth - 1);
                    let right = self.plain(depth - 1);
                    let operator = self.one_of(&["UNION ALL", "UNION", "EXCEPT", "INTERSECT"]);
                    return format!(
                        "SELECT user_id FROM ({left}) l {operator} SELECT user_id FROM ({right}) r"
                    );
                }
                1 => {
                    let inner = self.plain(depth - 1);
                    return format!(
                        "WITH c AS ({inner}) SELECT * FROM c UNION ALL SELECT * FROM c"
                    );
                }
                2 => {
                    let aggregate = self.one_of(&[
                        "count(*)",
                        "array_agg(id)",
                        "string_agg(user_id, ',')",
                        "max(id)",
                        "approx_distinct(user_id)",
                        "first_value(id)",
                    ]);
                    let (inner, condition) = (self.plain(depth - 1), self.condition(0, false));
                    return format!(
                        "SELECT user_id, {aggregate} FROM ({inner}) g WHERE {condition} GROUP BY user_id"
                    );
                }
                _ => {}
            }
        }
        self.plain(depth)
    }

    /// A SELECT whose result has `id`, `user_id` and `v`.
    fn plain(&mut self, depth: usize) -> String {
        let is_stored = depth == 0 || self.below(3) > 0;
        let from = if !is_stored {
            format!("({})", self.plain(depth - 1))
        } else if self.below(4) > 0 {
            self.table().to_owned()
        } else {
            format!(
                "(SELECT a.* FROM {} a {} JOIN {} b ON {})",
                self.table(),
                self.one_of(&["LEFT", "INNER", "FULL", "RIGHT"]),
                self.table(),
                self.one_of(&[
                    "true",
                    "a.id = b.id",
                    "a.user_id <> b.user_id",
                    "a.id < b.id OR b.id IS NULL"
                ])
            )
        };
        let value = if is_stored {
            self.value()
        } else {
            self.one_of(&["v", "id", "upper(user_id) || id", "count(*) OVER ()"])
        };
        let condition = self.condition(depth, is_stored);
        let tail = self.one_of(&[
            "",
            " ORDER BY id DESC",
            " LIMIT 5",
            " ORDER BY user_id LIMIT 3 OFFSET 1",
        ]);
        format!("SELECT id, user_id, {value} AS v FROM {from} t WHERE {condition}{tail}")
    }

    fn table(&mut self) -> &'static str {
        // As tables that have every column that is asked for; others fail, and that has to be safe, too.
        self.one_of(&[
            "m365_audit",
            "m365_audit",
            "m365_audit",
            "m365_audit",
            "M365Audit",
            "M365Audit",
            "m365_signins",
            "m365_content",
            "iocs",
        ])
    }

    fn value(&mut self) -> &'static str {
        self.one_of(&[
            "tenant_id",
            "id",
            "upper(user_id) || id",
            "raw",
            "extra->>'Odd'",
            "parameters",
            "parameters['ForwardTo']",
            "modified_properties['Role.DisplayName']['new_value']",
            "count(*) OVER ()",
            "row_number() OVER (PARTITION BY user_id ORDER BY id)",
            "lag(id) OVER (ORDER BY creation_time)",
            "(SELECT max(id) FROM m365_audit)",
            "(SELECT count(DISTINCT tenant_id) FROM m365_audit)",
            "CASE WHEN id IN (SELECT indicator FROM iocs) THEN id ELSE client_ip END",
            "map_keys(parameters)",
            "coalesce(nullif(user_id, ''), tenant_id, md5(raw))",
            "ARRAY[id, user_id, tenant_id]",
            "ingest_sequence",
        ])
    }

    /// `is_stored` is whether all columns of a stored table can be named.
    fn condition(&mut self, depth: usize, is_stored: bool) -> String {
        let foreign = self.foreign;
        match self.below(if is_stored { 12 } else { 6 }) {
            0 => "true".to_owned(),
            1 => "user_id LIKE '%mark%'".to_owned(),
            2 => "id IN (SELECT id FROM m365_audit WHERE tenant_id IS NOT NULL)".to_owned(),
            3 => "id NOT IN (SELECT indicator FROM iocs)".to_owned(),
            4 if depth > 0 => {
                let left = self.condition(depth - 1, is_stored);
                let right = self.condition(depth - 1, is_stored);
                format!("NOT ({left}) OR ({right})")
            }
            4 | 5 => "EXISTS (SELECT 1 FROM m365_audit s WHERE s.id = id)".to_owned(),
            6 => "tenant_id IS NOT NULL OR 1 = 1".to_owned(),
            7 => format!("tenant_id = '{foreign}'"),
            8 => format!("tenant_id <> '{foreign}' OR true"),
            9 => "raw ~ 'mark' OR extra ILIKE '%MARK%'".to_owned(),
            10 => "EXISTS (SELECT 1 FROM m365_signins s WHERE s.id = t.id)".to_owned(),
            _ => "record_type >= 0 AND event_date > DATE '2000-01-01'".to_owned(),
        }
    }
}
