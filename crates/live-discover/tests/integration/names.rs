//! Names whatever the case and underscores, in every place of a query.

use crate::fixture::{ask, lake, session};

#[tokio::test]
async fn names_resolve_in_every_place() {
    let session = session(&lake().await);
    for (sql, expected) in [
        (
            "SELECT UserId FROM m365_audit WHERE Id = 'x-1'",
            "bob@contoso.com",
        ),
        (
            "SELECT userid FROM M365Audit WHERE ID = 'x-1'",
            "bob@contoso.com",
        ),
        (
            "SELECT USER_ID FROM M365_AUDIT WHERE \"Id\" = 'x-1'",
            "bob@contoso.com",
        ),
        (
            "SELECT \"UserId\" FROM m365_audit WHERE \"id\" = 'x-1'",
            "bob@contoso.com",
        ),
        (
            "SELECT a.UserId FROM m365_audit a WHERE a.RecordType = 1",
            "bob@contoso.com",
        ),
        (
            "SELECT m365_audit.UserId FROM m365_audit WHERE RecordType = 1",
            "bob@contoso.com",
        ),
        // Aliases that are names of columns, and references to them from outside.
        (
            "SELECT ClientIP FROM (SELECT upper(user_id) AS ClientIp FROM m365_audit WHERE RecordType = 1)",
            "BOB@CONTOSO.COM",
        ),
        (
            "WITH x AS (SELECT UserId AS \"Actor\" FROM m365_audit WHERE RecordType = 1) SELECT Actor FROM x",
            "bob@contoso.com",
        ),
        (
            "WITH x(UserId, n) AS (SELECT Operation, 1 FROM m365_audit WHERE RecordType = 1) SELECT USERID, N FROM x",
            "New-InboxRule\t1",
        ),
        // Aliases that are not.
        (
            "SELECT TotalCount FROM (SELECT count(*) AS TotalCount FROM m365_audit)",
            "75",
        ),
        (
            "SELECT \"Total Count\" FROM (SELECT count(*) AS \"Total Count\" FROM m365_audit)",
            "75",
        ),
        (
            "SELECT UserId, count(*) AS n FROM m365_audit WHERE Operation = 'UserLoginFailed' GROUP BY USERID ORDER BY N DESC, user_ID",
            "cyd@contoso.com\t12",
        ),
        (
            "SELECT a.Id, b.OPERATION FROM m365_audit a JOIN m365_audit B ON a.UserId = b.UserId AND b.RecordType = 8 WHERE a.RecordType = 1 OR a.id = 's-0-00'",
            "s-0-00\tAdd member to role.",
        ),
        (
            "SELECT count(*) FROM m365_audit a JOIN m365_audit b USING (Id)",
            "75",
        ),
        (
            "SELECT Id FROM m365_audit WHERE CreationTime = (SELECT max(CreationTime) FROM m365_audit)",
            "s-2-23",
        ),
        (
            "SELECT row_number() OVER (PARTITION BY TenantId ORDER BY CreationTime) FROM m365_audit WHERE UserId LIKE 'eve%'",
            "1",
        ),
        // Keys of bags and members of JSON are the record's own.
        (
            "SELECT Parameters['ForwardTo'], parameters['forwardto'] FROM m365_audit WHERE RecordType = 1",
            "mallory@example.com\tNULL",
        ),
        (
            "SELECT parameters['UserId'] FROM m365_audit WHERE RecordType = 1",
            "a key, no column",
        ),
        (
            "SELECT Extra->>'UserId', extra->>'userid' FROM m365_audit WHERE RecordType = 1",
            "kept\tNULL",
        ),
        (
            "SELECT ModifiedProperties['Role.DisplayName']['new_value'] FROM m365_audit WHERE RecordType = 8",
            "Global Administrator",
        ),
    ] {
        assert_eq!(ask(&session, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn every_view_answers() {
    let session = session(&lake().await);
    for view in audit_schema::views() {
        ask(&session, &format!("SELECT * FROM {}", view.name)).await;
    }
    assert_eq!(
        ask(&session, "SELECT count(*) FROM m365_signins").await,
        "73"
    );
    assert_eq!(
        ask(
            &session,
            "SELECT count(*) FROM M365SignIns WHERE UserId = 'eve@fabrikam.com'"
        )
        .await,
        "1"
    );
}

#[tokio::test]
async fn json_is_addressed_with_operators_and_functions() {
    let session = session(&lake().await);
    for (sql, expected) in [
        (
            "SELECT extra->'Odd'->'Depth'->>1 FROM m365_audit WHERE extra IS NOT NULL",
            "2",
        ),
        (
            "SELECT extra->'Odd' FROM m365_audit WHERE extra IS NOT NULL",
            "{\"Depth\":[1,2]}",
        ),
        (
            "SELECT extra->'Flag' FROM m365_audit WHERE extra IS NOT NULL",
            "true",
        ),
        (
            "SELECT json_length(extra, 'Odd', 'Depth') FROM m365_audit WHERE extra IS NOT NULL",
            "2",
        ),
        (
            "SELECT count(*) FROM m365_audit WHERE raw->>'UserId' = 'ada@contoso.com'",
            "25",
        ),
    ] {
        assert_eq!(ask(&session, sql).await, expected, "{sql}");
    }
}
