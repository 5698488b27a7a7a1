"""The questions of the suite for Polars, by its lazy API: what `questions.py` says in SQL, by the same ids."""

from datetime import date, datetime, timedelta, timezone

import polars as pl
from polars import col
from questions import RECORD, TIMELINE

RECORD = RECORD.split(", ")
TIMELINE = TIMELINE.split(", ")
EVENT = ["creation_time", "id"]


def time(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def within(values, name):
    """In a range of time; the column of the files' paths rules files out."""
    return (
        (col("creation_time") >= time(values[f"{name}_from"]))
        & (col("creation_time") < time(values[f"{name}_to"]))
        & col("event_date").is_between(date.fromisoformat(values[f"{name}_first"]), date.fromisoformat(values[f"{name}_last"]))
    )


def records(audit, condition, order=EVENT):
    return audit.filter(condition).select(RECORD).sort(order)


def latest(audit, condition=None):
    found = audit if condition is None else audit.filter(condition)
    return found.select(RECORD).sort(EVENT, descending=[True, False]).head(100)


def top(audit, what, n, condition, limit=20):
    groups = audit.filter(condition).group_by(what.alias("what")).agg(n.cast(pl.Int64).alias("n"))
    return groups.sort(["n", "what"], descending=[True, False]).head(limit)


def middle(pattern):
    """The text between the two `%` of a pattern."""
    return pattern[1:-1]


def inbox_rules(audit, values):
    target = col("parameters").map.get("ForwardTo")
    own = values["own_domain"].removeprefix("%").lower()
    return (
        audit.filter((target != "") & ~target.str.to_lowercase().str.ends_with(own))
        .select(
            "creation_time",
            "user_id",
            "source_ip",
            target.alias("target"),
            col("parameters").map.get("Name").alias("rule"),
            "id",
        )
        .sort(EVENT)
    )


def mass_download(audit, values):
    downloads = audit.filter(col("operation") == "FileDownloaded").select("user_id", "creation_time").sort("creation_time")
    return (
        downloads.rolling("creation_time", period="1h", group_by="user_id", closed="both")
        .agg(pl.len().cast(pl.Int64).alias("n"))
        .group_by("user_id")
        .agg(col("n").max().alias("at_once"))
        .sort(["at_once", "user_id"], descending=[True, False])
        .head(20)
    )


def after_failure(audit, values):
    events = audit.filter(col("user_id") != "").select("user_id", "operation", "creation_time").sort("creation_time")
    failed = events.filter(col("operation") == "UserLoginFailed").select("user_id", "creation_time", failed=pl.lit(True))
    followed = events.filter(col("operation") == "UserLoggedIn").join_asof(
        failed, on="creation_time", by="user_id", tolerance="10m", check_sortedness=False
    )
    return top(followed, col("user_id"), pl.len(), col("failed"))


def rule_addresses(audit, values):
    made = audit.filter((col("operation") == "New-InboxRule") & (col("source_ip") != "")).select("source_ip")
    return latest(audit.join(made, on="source_ip", how="semi"))


def new_addresses(audit, values):
    signed_in = audit.filter((col("operation") == "UserLoggedIn") & (col("source_ip") != "") & within(values, "day"))
    before = audit.filter((col("creation_time") < time(values["day_from"])) & (col("source_ip") != ""))
    return top(signed_in.join(before, on="source_ip", how="anti"), col("user_id"), pl.len(), True)


def profiles(audit, values):
    different = [col(name).drop_nulls().n_unique().cast(pl.Int64).alias(f"{name}s") for name in ("source_ip", "user_agent", "operation")]
    groups = audit.filter(col("user_id") != "").group_by("user_id").agg(pl.len().cast(pl.Int64).alias("n"), *different)
    return groups.sort(["n", "user_id"], descending=[True, False]).head(20)


def chain(audit, values):
    start, end = time(values["chain_from"]), time(values["chain_to"])
    account = col("user_id").str.to_lowercase().alias("account")
    sign_ins = (
        audit.filter((col("operation") == "UserLoggedIn") & (col("source_ip") != ""))
        .group_by(account, "source_ip")
        .agg(col("creation_time").min().alias("first_seen"))
    )
    known = sign_ins.group_by("account").agg(col("first_seen").min().alias("since"))
    new_sign_ins = sign_ins.join(known, on="account").filter(
        (col("first_seen") >= start) & (col("first_seen") < end) & (col("since") < start)
    )
    rules = audit.filter(
        col("operation").is_in(["New-InboxRule", "Set-InboxRule", "UpdateInboxRules"]) & within(values, "chain")
    ).select(account, col("creation_time").alias("rule_at"))
    mail = audit.filter(col("operation").is_in(["MailItemsAccessed", "Send"]) & within(values, "chain")).select(
        account, "source_ip", col("creation_time").alias("mail_at")
    )
    return (
        new_sign_ins.join(rules, on="account")
        .filter(
            (col("rule_at") >= col("first_seen")) & (col("rule_at") < col("first_seen") + timedelta(hours=24))
        )
        .join(mail, on=["account", "source_ip"])
        .filter((col("mail_at") >= col("rule_at")) & (col("mail_at") < col("rule_at") + timedelta(hours=12)))
        .group_by("account", "source_ip", "first_seen")
        .agg(col("rule_at").min().alias("first_rule"), pl.len().cast(pl.Int64).alias("steps"))
        .sort("first_seen", "account", "source_ip")
    )


QUESTIONS = {
    "id": lambda a, v: records(a, col("id") == v["id"], ["creation_time", "operation"]),
    "id_whole": lambda a, v: a.filter(col("id") == v["other_id"]),
    "address": lambda a, v: latest(a, col("source_ip") == v["address"]),
    "user_day": lambda a, v: records(a, (col("user_id") == v["user"]) & within(v, "day")),
    "user_month": lambda a, v: a.filter(
        (col("user_id").str.to_lowercase() == v["other_user"].lower()) & within(v, "month")
    )
    .select(TIMELINE)
    .sort(EVENT),
    "file": lambda a, v: latest(a, col("source_file_name") == v["file"]),
    "session": lambda a, v: records(a, col("session_id") == v["session"]),
    "correlation": lambda a, v: records(a, col("correlation_id") == v["correlation"]),
    "needle_once": lambda a, v: latest(a, col("raw").str.contains(middle(v["needle_once"]), literal=True)),
    "needle_absent": lambda a, v: latest(a, col("raw").str.contains(middle(v["needle_absent"]), literal=True)),
    "needle_percent": lambda a, v: latest(a, col("raw").str.contains(middle(v["needle_percent"]), literal=True)),
    "needle_count": lambda a, v: top(
        a, col("operation"), pl.len(), col("raw").str.contains(middle(v["needle_percent"]), literal=True)
    ),
    "like": lambda a, v: latest(a, col("object_id").str.contains(middle(v["fragment"]), literal=True)),
    "ilike": lambda a, v: latest(
        a, col("object_id").str.to_lowercase().str.contains(middle(v["other_fragment"]).lower(), literal=True)
    ),
    "regex": lambda a, v: latest(a, col("object_id").str.contains(v["pattern"])),
    "indicators": lambda a, v: latest(a, col("source_ip").is_in(v["indicators"])),
    "latest": lambda a, v: latest(a),
    "latest_operation": lambda a, v: latest(a, col("operation") == v["operation"]),
    "by_operation": lambda a, v: a.group_by("operation")
    .agg(pl.len().cast(pl.Int64).alias("n"))
    .sort(["n", "operation"], descending=[True, False]),
    "by_day": lambda a, v: a.group_by("event_date", "workload")
    .agg(pl.len().cast(pl.Int64).alias("n"))
    .sort("event_date", "workload"),
    "by_hour": lambda a, v: a.filter(col("operation") == v["common_operation"])
    .group_by(col("creation_time").dt.truncate("1h").alias("hour"))
    .agg(pl.len().cast(pl.Int64).alias("n"))
    .sort("hour"),
    "failed_sign_ins": lambda a, v: top(a, col("user_id"), pl.len(), col("operation") == "UserLoginFailed"),
    "addresses_by_user": lambda a, v: top(a, col("user_id"), col("source_ip").n_unique(), col("source_ip") != ""),
    "first_seen": lambda a, v: a.filter(col("source_ip") != "")
    .group_by("user_id", "source_ip")
    .agg(col("creation_time").min().alias("first_seen"))
    .sort(["first_seen", "user_id", "source_ip"], descending=[True, False, False])
    .head(100),
    "inbox_rules": inbox_rules,
    "user_agents": lambda a, v: top(
        a,
        col("extended_properties").map.get("UserAgent"),
        pl.len(),
        col("extended_properties").map.get("UserAgent") != "",
    ),
    "mass_download": mass_download,
    "chain": chain,
    "extra": lambda a, v: latest(a, col("extra").str.json_path_match(f"$.{v['extra_key']}") == v["extra_text"]),
    "user_records": lambda a, v: records(a, col("user_id") == v["other_user"]),
    "operation_records": lambda a, v: records(a, (col("operation") == v["common_operation"]) & within(v, "day")),
    "after_failure": after_failure,
    "rule_addresses": rule_addresses,
    "new_addresses": new_addresses,
    "profiles": profiles,
    "at_night": lambda a, v: top(a, col("user_id"), pl.len(), col("creation_time").dt.hour() < 5),
}
