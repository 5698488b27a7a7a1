"""The questions of the suite: what an analyst asks of an audit log, as SQL for each system.

A question's text has names in braces: values that `pick` finds in the data, written as the system writes
literals, and the words in which the systems differ (`DIALECTS`). Where that is not enough a question has
a text of its own for a system. Polars has its lazy API: `polars_questions.py`, by the same ids.
"""

import datetime
from dataclasses import dataclass, field

# What is selected where people want to see records.
RECORD = (
    "id, creation_time, record_type, operation, workload, user_id, user_type, source_ip, result_status, object_id,"
    " user_agent, session_id, correlation_id, parameters, extended_properties, extra, raw"
)
TIMELINE = "creation_time, operation, workload, source_ip, object_id, result_status, id"
LATEST = "ORDER BY creation_time DESC, id LIMIT 100"
HOUR_MILLISECONDS = 3_600_000


@dataclass(frozen=True)
class Question:
    id: str
    title: str
    sql: str
    # Texts for systems whose SQL is another.
    instead: dict = field(default_factory=dict)
    # Names of the columns whose values must agree; empty: all of them.
    compared: tuple = ()

    def text(self, system, values):
        dialect = DIALECTS[system]
        words = {name: dialect.literal(name, value) for name, value in values.items()}
        # Words may hold values themselves.
        words |= {name: word.format(**words) for name, word in dialect.words.items()}
        return self.instead.get(system, self.sql).format(**words)


@dataclass(frozen=True)
class Dialect:
    name: str
    words: dict
    time: str

    def literal(self, name, value):
        if isinstance(value, list):
            return ", ".join(self.literal(name, one) for one in value)
        if name.endswith(("_from", "_to")):
            return self.time.format(value)
        if name.endswith(("_first", "_last")):
            return f"DATE '{value}'"
        text = value.replace("'", "''")
        # In ClickHouse's strings a backslash is one only if doubled.
        return "'" + (text.replace("\\", "\\\\") if self.name == "clickhouse" else text) + "'"


IN_TIME = "creation_time >= {{{0}_from}} AND creation_time < {{{0}_to}}"
# Those who read files themselves are helped by the column in the files' paths.
IN_FILES = IN_TIME + " AND event_date >= {{{0}_first}} AND event_date <= {{{0}_last}}"


def _within(condition):
    return {f"in_{name}": condition.format(name) for name in ("day", "month", "chain")}


DATAFUSION = {
    "audit": "m365_audit",
    "matches": "object_id ~ {pattern}",
    "extra_value": "(extra ->> {extra_key})",
    "hour": "date_trunc('hour', creation_time)",
    "of_day": "extract(hour FROM creation_time)",
}
DUCKDB = {
    "audit": "m365_audit",
    "matches": "regexp_matches(object_id, {pattern})",
    "extra_value": "(extra ->> {extra_key})",
    "hour": "date_trunc('hour', creation_time)",
    "of_day": "extract(hour FROM creation_time)",
}
DIALECTS = {
    "ours": Dialect("datafusion", DATAFUSION | _within(IN_TIME), "TIMESTAMP '{}'"),
    "datafusion": Dialect("datafusion", DATAFUSION | _within(IN_FILES), "TIMESTAMP '{}'"),
    "duckdb": Dialect("duckdb", DUCKDB | _within(IN_TIME), "TIMESTAMP '{}'"),
    # With a time zone `date_trunc` asks a calendar; whole hours of UTC need none.
    "duckdb-parquet": Dialect(
        "duckdb",
        DUCKDB
        | _within(IN_FILES)
        | {
            "hour": "make_timestamp(epoch_us(creation_time) // 3600000000 * 3600000000)",
            "of_day": "epoch_us(creation_time) // 3600000000 % 24",
        },
        "TIMESTAMPTZ '{}+00'",
    ),
    "clickhouse": Dialect(
        "clickhouse",
        {
            "audit": "m365_audit",
            "matches": "match(object_id, {pattern})",
            "extra_value": "JSONExtractRaw(extra, {extra_key})",
            # Without the outer call Arrow gets a bare number of seconds.
            "hour": "toDateTime64(toStartOfHour(creation_time), 6, 'UTC')",
            "of_day": "toHour(creation_time)",
        }
        | _within(IN_TIME),
        "toDateTime64('{}', 6, 'UTC')",
    ),
}
DIALECTS["datafusion-default"] = DIALECTS["datafusion"]

WINDOWS = """
SELECT user_id, max(downloads) AS at_once
FROM (
    SELECT
        user_id,
        count(*) OVER (
            PARTITION BY user_id ORDER BY {time} RANGE BETWEEN {before} PRECEDING AND CURRENT ROW
        ) AS downloads
    FROM {{audit}}
    WHERE operation = 'FileDownloaded'
)
GROUP BY user_id
ORDER BY at_once DESC, user_id
LIMIT 20
"""

CHAIN = """
WITH sign_ins AS (
    SELECT lower(user_id) AS account, source_ip, min(creation_time) AS first_seen
    FROM {audit}
    WHERE operation = 'UserLoggedIn' AND source_ip <> ''
    GROUP BY 1, 2
),
known AS (
    SELECT account, min(first_seen) AS since
    FROM sign_ins
    GROUP BY account
),
new_sign_ins AS (
    SELECT sign_ins.account AS account, source_ip, first_seen
    FROM sign_ins
    JOIN known ON known.account = sign_ins.account
    WHERE first_seen >= {chain_from} AND first_seen < {chain_to} AND since < {chain_from}
),
rules AS (
    SELECT lower(user_id) AS account, creation_time AS rule_at
    FROM {audit}
    WHERE operation IN ('New-InboxRule', 'Set-InboxRule', 'UpdateInboxRules') AND {in_chain}
),
mail AS (
    SELECT lower(user_id) AS account, source_ip, creation_time AS mail_at
    FROM {audit}
    WHERE operation IN ('MailItemsAccessed', 'Send') AND {in_chain}
)
SELECT
    new_sign_ins.account AS account,
    new_sign_ins.source_ip AS source_ip,
    first_seen,
    min(rule_at) AS first_rule,
    count(*) AS steps
FROM new_sign_ins
JOIN rules ON rules.account = new_sign_ins.account
JOIN mail ON mail.account = new_sign_ins.account AND mail.source_ip = new_sign_ins.source_ip
WHERE rule_at >= first_seen
    AND rule_at < first_seen + INTERVAL '24' HOUR
    AND mail_at >= rule_at
    AND mail_at < rule_at + INTERVAL '12' HOUR
GROUP BY new_sign_ins.account, new_sign_ins.source_ip, first_seen
ORDER BY first_seen, account, source_ip
"""

AFTER_FAILURE = """
SELECT user_id AS what, count(*) AS n
FROM {audit} AS signed_in
WHERE operation = 'UserLoggedIn' AND EXISTS (
    SELECT 1
    FROM {audit} AS failed
    WHERE failed.operation = 'UserLoginFailed' AND failed.user_id = signed_in.user_id
        AND failed.creation_time BETWEEN signed_in.creation_time - INTERVAL '10' MINUTE AND signed_in.creation_time
)
GROUP BY 1
ORDER BY n DESC, what
LIMIT 20
"""
# The last failure before is near enough, or none is.
AFTER_LAST_FAILURE = """
SELECT signed_in.user_id AS what, count(*) AS n
FROM (SELECT user_id, creation_time FROM {audit} WHERE operation = 'UserLoggedIn' AND user_id <> '') AS signed_in
ASOF JOIN (SELECT user_id, creation_time FROM {audit} WHERE operation = 'UserLoginFailed') AS failed
    ON failed.user_id = signed_in.user_id AND failed.creation_time <= signed_in.creation_time
WHERE failed.creation_time >= signed_in.creation_time - INTERVAL '10' MINUTE
GROUP BY 1
ORDER BY n DESC, what
LIMIT 20
"""
AFTER_LAST_FAILURE_BY_WINDOW = """
SELECT user_id AS what, count(*) AS n
FROM (
    SELECT
        user_id, operation, creation_time,
        max(CASE WHEN operation = 'UserLoginFailed' THEN creation_time END)
            OVER (PARTITION BY user_id ORDER BY creation_time) AS failed_at
    FROM {audit}
    WHERE operation IN ('UserLoggedIn', 'UserLoginFailed') AND user_id <> ''
)
WHERE operation = 'UserLoggedIn' AND failed_at >= creation_time - INTERVAL '10' MINUTE
GROUP BY 1
ORDER BY n DESC, what
LIMIT 20
"""

FROM_RULE_ADDRESSES = "source_ip IN (SELECT source_ip FROM {audit} WHERE operation = 'New-InboxRule' AND source_ip <> '')"
NOT_SEEN_BEFORE = (
    "operation = 'UserLoggedIn' AND source_ip <> '' AND {in_day}"
    " AND source_ip NOT IN (SELECT source_ip FROM {audit} WHERE creation_time < {day_from} AND source_ip <> '')"
)


def _records(condition, order=LATEST):
    return f"SELECT {RECORD} FROM {{audit}} WHERE {condition} {order}"


def _top(column, count, where, limit=20):
    return (
        f"SELECT {column} AS what, {count} AS n FROM {{audit}} WHERE {where} GROUP BY 1 ORDER BY n DESC, what LIMIT {limit}"
    )


def _profiles(different):
    counts = ", ".join(f"{different.format(column)} AS {column}s" for column in ("source_ip", "user_agent", "operation"))
    return (
        f"SELECT user_id, count(*) AS n, {counts} FROM {{audit}} WHERE user_id <> ''"
        " GROUP BY user_id ORDER BY n DESC, user_id LIMIT 20"
    )


QUESTIONS = [
    Question("id", "record by id", _records("id = {id}", "ORDER BY creation_time, operation")),
    Question(
        "id_whole",
        "one record whole by id, `SELECT *`",
        "SELECT * FROM {audit} WHERE id = {other_id}",
        compared=("id", "operation", "creation_time", "source_ip", "raw"),
    ),
    Question("address", "by address over all time, latest 100", _records("source_ip = {address}")),
    Question("user_day", "by user in a day", _records("user_id = {user} AND {in_day}", "ORDER BY creation_time, id")),
    Question(
        "user_month",
        "a user's timeline of a month",
        f"SELECT {TIMELINE} FROM {{audit}} WHERE user_id ILIKE {{other_user}} AND {{in_month}} ORDER BY creation_time, id",
    ),
    Question("file", "by file name, latest 100", _records("source_file_name = {file}")),
    Question("session", "by session id", _records("session_id = {session}", "ORDER BY creation_time, id")),
    Question("correlation", "by correlation id", _records("correlation_id = {correlation}", "ORDER BY creation_time, id")),
    Question("needle_once", "needle in any field, present once", _records("raw LIKE {needle_once}")),
    Question("needle_absent", "needle in any field, absent", _records("raw LIKE {needle_absent}")),
    Question("needle_percent", "needle in any field, in 1 % of records, latest 100", _records("raw LIKE {needle_percent}")),
    Question(
        "needle_count",
        "the same needle by operation, counted",
        _top("operation", "count(*)", "raw LIKE {needle_percent}"),
    ),
    Question("like", "`LIKE` in the middle of a field, latest 100", _records("object_id LIKE {fragment}")),
    Question("ilike", "`ILIKE` in the middle of a field, latest 100", _records("object_id ILIKE {other_fragment}")),
    Question("regex", "regular expression with a literal, latest 100", _records("{matches}")),
    Question(
        "indicators",
        "500 addresses, latest 100",
        _records("source_ip IN ({indicators})"),
        # A long list is a join there, which reads all columns first unless told otherwise.
        {"duckdb": _records(f"rowid IN (SELECT rowid FROM {{audit}} WHERE source_ip IN ({{indicators}}) {LATEST})")},
    ),
    Question("latest", "latest 100 of everything", f"SELECT {RECORD} FROM {{audit}} {LATEST}"),
    Question("latest_operation", "latest 100 of one operation", _records("operation = {operation}")),
    Question(
        "by_operation",
        "counts by operation",
        "SELECT operation, count(*) AS n FROM {audit} GROUP BY operation ORDER BY n DESC, operation",
    ),
    Question(
        "by_day",
        "counts by workload and day",
        "SELECT event_date, workload, count(*) AS n FROM {audit} GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    Question(
        "by_hour",
        "counts by hour of one operation",
        "SELECT {hour} AS hour, count(*) AS n FROM {audit} WHERE operation = {common_operation} GROUP BY 1 ORDER BY 1",
    ),
    Question(
        "failed_sign_ins",
        "failed sign-ins by user, top 20",
        _top("user_id", "count(*)", "operation = 'UserLoginFailed'"),
    ),
    Question(
        "addresses_by_user",
        "distinct addresses by user, top 20",
        _top("user_id", "count(DISTINCT source_ip)", "source_ip <> ''"),
    ),
    Question(
        "first_seen",
        "first seen by user and address, newest 100",
        "SELECT user_id, source_ip, min(creation_time) AS first_seen FROM {audit} WHERE source_ip <> ''"
        " GROUP BY user_id, source_ip ORDER BY first_seen DESC, user_id, source_ip LIMIT 100",
    ),
    Question(
        "inbox_rules",
        "inbox rules that forward outside, by bag",
        "SELECT creation_time, user_id, source_ip, parameters['ForwardTo'] AS target, parameters['Name'] AS rule, id"
        " FROM {audit} WHERE parameters['ForwardTo'] <> '' AND parameters['ForwardTo'] NOT ILIKE {own_domain}"
        " ORDER BY creation_time, id",
    ),
    Question(
        "user_agents",
        "user agents of sign-ins, by bag",
        _top("extended_properties['UserAgent']", "count(*)", "extended_properties['UserAgent'] <> ''"),
    ),
    Question(
        "mass_download",
        "most downloads of a user within an hour, top 20",
        WINDOWS.format(time="creation_time", before="INTERVAL '1' HOUR"),
        {
            "clickhouse": WINDOWS.format(
                time="toUnixTimestamp64Milli(creation_time)", before=HOUR_MILLISECONDS
            )
        },
    ),
    Question("chain", "sign-in from a new address, inbox rule, mail from there", CHAIN),
    Question("extra", "a field without a column", _records("{extra_value} = {extra_text}")),
    Question("user_records", "all records of a user, whole", _records("user_id = {other_user}", "ORDER BY creation_time, id")),
    Question(
        "operation_records",
        "all records of an operation in a day, whole",
        _records("operation = {common_operation} AND {in_day}", "ORDER BY creation_time, id"),
    ),
    Question(
        "after_failure",
        "sign-ins within ten minutes of a failed one, by user, top 20",
        AFTER_FAILURE,
        {
            "datafusion": AFTER_LAST_FAILURE_BY_WINDOW,
            "datafusion-default": AFTER_LAST_FAILURE_BY_WINDOW,
            "duckdb": AFTER_LAST_FAILURE,
            "duckdb-parquet": AFTER_LAST_FAILURE,
            "clickhouse": AFTER_LAST_FAILURE,
        },
    ),
    Question(
        "rule_addresses",
        "from addresses that made an inbox rule, latest 100",
        _records(FROM_RULE_ADDRESSES),
        {"duckdb": _records(f"rowid IN (SELECT rowid FROM {{audit}} WHERE {FROM_RULE_ADDRESSES} {LATEST})")},
    ),
    Question(
        "new_addresses",
        "sign-ins of a day from addresses not seen before it, by user, top 20",
        _top("user_id", "count(*)", NOT_SEEN_BEFORE),
    ),
    Question(
        "profiles",
        "records, addresses, agents and operations by user, top 20",
        _profiles("count(DISTINCT {0})"),
        # Empty texts stand for nulls there.
        {"clickhouse": _profiles("uniqExactIf({0}, {0} <> '')")},
    ),
    Question("at_night", "records between midnight and five by user, top 20", _top("user_id", "count(*)", "{of_day} < 5")),
]


def pick(connection):
    """Values to ask for, the same for the same records. `connection` is DuckDB's, with `m365_audit`."""

    def one(sql):
        return connection.execute(sql).fetchone()

    def near(column, count, where="true"):
        """The value that so many records have, or nearly."""
        return one(
            f"SELECT {column} FROM m365_audit WHERE {column} <> '' AND {where}"
            f" GROUP BY {column} ORDER BY abs(count(*) - {count}), {column} LIMIT 1"
        )[0]

    rows, first, last = one("SELECT count(*), min(event_date), max(event_date) FROM m365_audit")
    [id], [other_id] = connection.execute("SELECT id FROM m365_audit ORDER BY md5(id), id LIMIT 2").fetchall()
    day = first + (last - first) / 2
    months = {
        "day": (day, day),
        "month": (max(first, last - datetime.timedelta(days=29)), last),
        "chain": (day, min(last, day + datetime.timedelta(days=13))),
    }
    # Unique as a rule; if not, answers still must agree.
    needle = one(
        "SELECT trim(client_request_id, '{}') FROM m365_audit"
        " WHERE length(client_request_id) > 30 ORDER BY md5(id), id LIMIT 1"
    )[0]
    files = [near("source_file_name", count) for count in (50, 100, 200, 400)]
    stem = files[1].rsplit(" ", 1)[0]
    present = connection.execute("SELECT DISTINCT source_ip FROM m365_audit WHERE source_ip <> '' ORDER BY md5(source_ip)")
    # Of a network for documentation, and ten that records are from.
    indicators = [f"233.252.{number // 250}.{number % 250 + 1}" for number in range(490)]
    indicators += [address for [address] in present.fetchmany(10)]
    values = {
        "id": id,
        "other_id": other_id,
        "address": near("source_ip", 300),
        "user": near("user_id", 200, f"event_date = DATE '{day}'"),
        "other_user": near("user_id", 2000, f"event_date >= DATE '{months['month'][0]}'"),
        "file": files[0],
        "session": near("session_id", 20),
        "correlation": one(
            "SELECT correlation_id FROM m365_audit WHERE correlation_id <> '' ORDER BY md5(correlation_id) LIMIT 1"
        )[0],
        "needle_once": f"%{needle}%",
        "needle_absent": f"%{needle[::-1]}%",
        "needle_percent": f"%{near('user_id', rows / 100)}%",
        "fragment": f"%{files[2][2:-4]}%",
        "other_fragment": f"%{files[3][2:-4].upper()}%",
        "pattern": stem.replace(".", "[.]") + r" [0-9]+\.[a-z]+$",
        "indicators": indicators,
        "operation": near("operation", rows / 100),
        "common_operation": near("operation", rows),
        "own_domain": "%@"
        + one("SELECT split_part(user_id, '@', 2) FROM m365_audit WHERE user_id LIKE '%@%' GROUP BY 1 ORDER BY count(*) DESC, 1")[0],
        "extra_key": "MessageSizeInBytes",
        "extra_text": near("(extra ->> 'MessageSizeInBytes')", 5),
    }
    for name, (start, end) in months.items():
        values |= {
            f"{name}_first": str(start),
            f"{name}_last": str(end),
            f"{name}_from": f"{start} 00:00:00",
            f"{name}_to": f"{end + datetime.timedelta(days=1)} 00:00:00",
        }
    return values


# Questions whose answer is of one value: an analyst asks them of another value each time.
OF_ONE_VALUE = ("id", "id_whole", "address", "user_day", "user_month", "file", "session", "correlation", "needle_once", "user_records")


def pick_others(connection, values, count):
    """So many values more for the questions of one value, each like the one in `values`: a list of what replaces them."""

    def rows(sql):
        return [value for [value] in connection.execute(sql).fetchall()]

    def like(column, name, where="true"):
        value = values[name].replace("'", "''")
        return rows(
            f"WITH counts AS (SELECT {column} AS value, count(*) AS n FROM m365_audit WHERE {where} GROUP BY 1)"
            f" SELECT value FROM counts WHERE value <> '' AND value <> '{value}'"
            f" ORDER BY abs(n - (SELECT n FROM counts WHERE value = '{value}')), value LIMIT {count}"
        )

    ids = rows(f"SELECT id FROM m365_audit ORDER BY md5(id), id LIMIT {2 * count} OFFSET 2")
    needles = rows(
        "SELECT trim(client_request_id, '{}') FROM m365_audit WHERE length(client_request_id) > 30"
        f" ORDER BY md5(id), id LIMIT {count} OFFSET 1"
    )
    others = {
        "id": ids[:count],
        "other_id": ids[count:],
        "address": like("source_ip", "address"),
        "user": like("user_id", "user", f"event_date = DATE '{values['day_first']}'"),
        "other_user": like("user_id", "other_user", f"event_date >= DATE '{values['month_first']}'"),
        "file": like("source_file_name", "file"),
        "session": like("session_id", "session"),
        "correlation": rows(
            "SELECT DISTINCT correlation_id FROM m365_audit WHERE correlation_id <> ''"
            f" ORDER BY md5(correlation_id), 1 LIMIT {count} OFFSET 1"
        ),
        "needle_once": [f"%{needle}%" for needle in needles],
    }
    return [dict(zip(others, one)) for one in zip(*others.values(), strict=True)]
