use audit_schema::ValueType;
use datafusion::sql::sqlparser::tokenizer::Tokenizer;

use super::*;
use crate::dialect::LakeDialect;

/// 2024-03-31T12:00:00Z
const NOW: i64 = 1_711_886_400_000_000;

fn variable(name: &str, value_type: ValueType) -> Variable {
    Variable {
        name: name.to_owned(),
        value_type,
        is_list: false,
        is_optional: false,
        default: Vec::new(),
        allowed: Vec::new(),
        meaning: String::new(),
    }
}

fn declared() -> Vec<Variable> {
    let list = |name: &str, value_type| Variable {
        is_list: true,
        ..variable(name, value_type)
    };
    vec![
        variable("s", ValueType::String),
        variable("n", ValueType::Integer),
        variable("x", ValueType::Double),
        variable("b", ValueType::Boolean),
        variable("t", ValueType::DateTime),
        variable("ip", ValueType::Ip),
        list("users", ValueType::User),
        list("numbers", ValueType::Integer),
        Variable {
            is_optional: true,
            ..variable("o", ValueType::String)
        },
        Variable {
            default: vec!["7".to_owned()],
            allowed: vec!["7".to_owned(), "30".to_owned()],
            ..variable("days", ValueType::Integer)
        },
    ]
}

fn bound_in(dialect: Dialect, sql: &str, given: &[(&str, &[&str])]) -> Result<String> {
    let variables = Variables {
        declared: declared(),
        given: given
            .iter()
            .map(|(name, values)| {
                let values = values.iter().map(|value| (*value).to_owned());
                ((*name).to_owned(), values.collect())
            })
            .collect(),
    };
    let tokens = Tokenizer::new(&LakeDialect, sql)
        .tokenize_with_location()
        .unwrap();
    let binding = Binding {
        variables: &variables,
        dialect,
        now_micros: NOW,
        tokens_max: 500_000,
    };
    let tokens = bind(tokens, &binding)?;
    Ok(tokens.iter().map(|token| token.token.to_string()).collect())
}

fn bound(sql: &str, given: &[(&str, &[&str])]) -> String {
    bound_in(Dialect::DataFusion, sql, given).unwrap_or_else(|error| error.to_string())
}

#[test]
fn a_value_takes_the_form_of_its_place() {
    for (sql, given, expected) in [
        // Bare: a literal of the type.
        ("a = $$s$$", ("s", "it's"), "a = 'it's'"),
        ("a = $$n$$", ("n", "5"), "a = 5"),
        ("a - $$n$$", ("n", "-5"), "a - (-5)"),
        ("a > $$x$$", ("x", "5"), "a > 5.0"),
        ("a = $$b$$", ("b", "true"), "a = TRUE"),
        (
            "a > $$t$$",
            ("t", "2024-01-31"),
            "a > TIMESTAMP'2024-01-31T00:00:00Z'",
        ),
        // In a string: its text.
        ("a LIKE '%$$s$$_'", ("s", "x' OR '1"), "a LIKE '%x' OR '1_'"),
        ("interval '$$n$$' day", ("n", "07"), "interval '7' day"),
        ("DATE '$$t$$'", ("t", "-P1D"), "DATE '2024-03-30'"),
        ("a = '$$t$$'", ("t", "-P1D"), "a = '2024-03-30T12:00:00Z'"),
        // A pattern may be given where one is asked for.
        ("a LIKE '$$ip$$'", ("ip", "10.%"), "a LIKE '10.%'"),
        ("a LIKE lower('$$ip$$')", ("ip", "%"), "a LIKE lower('%')"),
        // Neither comments nor tagged strings are looked at.
        ("$$s$$ -- $$zz$$", ("s", "v"), "'v' -- $$zz$$"),
        ("$$s$$ /* $$zz$$ */", ("s", "v"), "'v' /* $$zz$$ */"),
        ("$$s$$, $q$ $$zz$$ $q$", ("s", "v"), "'v', $q$ $$zz$$ $q$"),
        // A lone mark and an empty name are text.
        ("$$s$$, '$$', '$$$$'", ("s", "v"), "'v', '$$', '$$$$'"),
        // What nobody declared: a number if it stands bare and is one.
        (
            "a - $$free text (x)$$ * 3600",
            ("free text (x)", "24"),
            "a - 24 * 3600",
        ),
        (
            "a = '$$free text (x)$$'",
            ("free text (x)", "24"),
            "a = '24'",
        ),
        (
            "a = $$free text (x)$$",
            ("free text (x)", "1; --"),
            "a = '1; --'",
        ),
    ] {
        assert_eq!(bound(sql, &[(given.0, &[given.1])]), expected, "{sql}");
    }
    assert_eq!(bound("a < $$days$$", &[]), "a < 7");
    assert_eq!(
        bound_in(
            Dialect::Trino,
            "from_unixtime($$t$$)",
            &[("t", &["2024-01-31"])]
        )
        .unwrap(),
        "from_unixtime(1706659200)"
    );
}

#[test]
fn lists_are_literals_side_by_side() {
    let users: &[(&str, &[&str])] = &[("users", &["a", "b'"])];
    for (sql, expected) in [
        ("u IN ($$users$$)", "u IN ('a','b'')"),
        ("u IN $$users$$", "u IN ('a','b'')"),
        ("u NOT IN ('c', $$users$$)", "u NOT IN ('c', 'a','b'')"),
        ("array_has($$users$$, u)", "array_has(ARRAY['a','b''], u)"),
        ("u ILIKE ANY ($$users$$)", "u ILIKE ANY (ARRAY['a','b''])"),
        ("u IN (lower($$users$$))", "u IN (lower(ARRAY['a','b'']))"),
        (
            "u = '$$users$$'",
            "the variable `users` has 2 values and stands inside a string, which takes one (line 1, column 5)",
        ),
    ] {
        assert_eq!(bound(sql, users), expected, "{sql}");
    }
    assert_eq!(
        bound("u IN ($$free$$)", &[("free", &["1", "x"])]),
        "u IN ('1','x')"
    );
    assert_eq!(
        bound("u IN ($$numbers$$)", &[("numbers", &["1", "x"])]),
        "the variable `numbers`: `x` is no integer (line 1, column 7)"
    );
}

#[test]
fn clauses_fall_away_with_an_empty_variable() {
    for (sql, given, expected) in [
        ("a [[AND b = $$o$$]] c", None, "a  c"),
        ("a [[AND b = $$o$$]] c", Some(""), "a  c"),
        ("a [[AND b = $$o$$]] c", Some("x"), "a AND b = 'x' c"),
        ("a [[AND b LIKE '%$$o$$']]", Some("x"), "a AND b LIKE '%x'"),
        // Of several variables each counts.
        ("[[AND $$days$$ = $$o$$]]", None, ""),
        // Brackets without a variable, or that do not close as they opened, are SQL.
        ("[[1,2],[3,4]] [[$$o$$]]", None, "[[1,2],[3,4]] "),
        ("[[$$o$$,2],[3,4]]", Some("x"), "[['x',2],[3,4]]"),
        ("a[b[1]] [[$$o$$]]", None, "a[b[1]] "),
        ("[ [$$o$$] ]", Some("x"), "[ ['x'] ]"),
        // Inside each other.
        ("[[a [[b $$o$$]] c $$days$$]]", Some("x"), "a b 'x' c 7"),
        ("[[a [[b $$o$$]] c $$days$$]]", None, ""),
    ] {
        let values = given.map(|value| [value]);
        let given: Vec<(&str, &[&str])> =
            values.iter().map(|value| ("o", value.as_slice())).collect();
        assert_eq!(bound(sql, &given), expected, "{sql}");
    }
}

#[test]
fn errors_name_the_variable_and_the_place() {
    for (sql, given, expected) in [
        (
            "a =\n $$n$$",
            None,
            "the variable `n` has no value (line 2, column 2)",
        ),
        (
            "'$$s$$' $$n$$",
            None,
            "the variables `n`, `s` have no value (line 1, column 9)",
        ),
        (
            "a = $$n$$",
            Some(("n", "1 OR 1=1")),
            "the variable `n`: `1 OR 1=1` is no integer (line 1, column 5)",
        ),
        (
            "a = $$ip$$",
            Some(("ip", "10.%")),
            "the variable `ip`: `10.%` is no IP address and no network such as 192.0.2.0/24 (line 1, column 5)",
        ),
        (
            "a = $$days$$",
            Some(("days", "8")),
            "the variable `days`: `8` is not one of 7, 30 (line 1, column 5)",
        ),
        (
            "a = \"$$s$$\"",
            Some(("s", "b")),
            "the variable `s` cannot stand in a name, only where a value can (line 1, column 5)",
        ),
        (
            "a = $$users$$",
            Some(("user", "b")),
            "the query has no variable `user`; did you mean `users`?",
        ),
        (
            "a = $$o$$",
            None,
            "the variable `o` has no value (line 1, column 5)",
        ),
    ] {
        let values = given.map(|(name, value)| (name, [value]));
        let given: Vec<(&str, &[&str])> = values
            .iter()
            .map(|(name, value)| (*name, value.as_slice()))
            .collect();
        assert_eq!(bound(sql, &given), expected, "{sql}");
    }
}
