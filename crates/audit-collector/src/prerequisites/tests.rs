use audit_lake::TenantId;

use super::*;
use crate::api::SubscriptionStatus;
use crate::error::{Detail, Operation};

const NOW: i64 = 1_790_000_000 * 1_000_000;

fn error(kind: ApiErrorKind, of: Option<ContentType>, code: &str, message: &str) -> ApiError {
    ApiError::new(Detail {
        kind,
        operation: Operation::Start,
        tenant: TenantId::UNKNOWN,
        content_type: of,
        content_id: None,
        status: Some(400),
        code: (!code.is_empty()).then(|| code.to_owned()),
        message: message.to_owned(),
        retry_after: None,
    })
}

fn claims(permissions: Option<&[&str]>) -> TokenClaims {
    TokenClaims {
        permissions: permissions
            .map(|permissions| permissions.iter().map(|&one| one.to_owned()).collect()),
        ..TokenClaims::default()
    }
}

/// Of a tenant where all is well.
fn well() -> Observations {
    Observations {
        now_micros: NOW,
        content_types: ContentType::ALL.to_vec(),
        token: Some(Ok(claims(Some(&[READ, READ_DLP])))),
        credential_expires_micros: None,
        subscriptions: Some(Ok(Vec::new())),
        calls: ContentType::ALL.map(|one| (one, Ok(()))).to_vec(),
        last_record_micros: None,
    }
}

fn without_token(kind: TokenErrorKind, code: &str, message: &str) -> Observations {
    let kind = ApiErrorKind::Credential(kind);
    Observations {
        token: Some(Err(error(kind, None, code, message))),
        subscriptions: None,
        calls: Vec::new(),
        ..well()
    }
}

/// All content types are answered by this error.
fn refused(kind: ApiErrorKind, code: &str, message: &str) -> Observations {
    Observations {
        calls: ContentType::ALL
            .map(|one| (one, Err(error(kind, Some(one), code, message))))
            .to_vec(),
        ..well()
    }
}

/// Met, not met or unknown: a letter for each, in the order of the list.
fn letters(found: &[Prerequisite]) -> String {
    let letter = |one: &Prerequisite| match one.state {
        PrerequisiteState::Met => 'M',
        PrerequisiteState::NotMet => 'N',
        PrerequisiteState::Unknown => '?',
    };
    found.iter().map(letter).collect()
}

/// Credential, API enabled, consent, read, read DLP, auditing; and what the first that is not met says to do.
#[test]
fn situations_of_the_reference() {
    use ApiErrorKind as A;
    use TokenErrorKind as T;
    let subscribed = |status| {
        let subscription = Subscription {
            content_type: ContentType::Exchange,
            status,
            webhook: None,
        };
        Observations {
            subscriptions: Some(Ok(vec![subscription])),
            calls: Vec::new(),
            ..well()
        }
    };
    for (name, seen, expected, what_to_do) in [
        ("nothing was asked", Observations::default(), "?????", ""),
        ("all is well", well(), "MMMMMM", ""),
        (
            "an opaque token of the host's own",
            Observations {
                token: Some(Ok(claims(None))),
                ..well()
            },
            "MMMMMM",
            "",
        ),
        (
            "application not in the tenant, or not consented",
            without_token(T::NotConsented, "AADSTS700016", "not found"),
            "??N???",
            "consent URL",
        ),
        (
            "application disabled",
            without_token(T::ApplicationDisabled, "AADSTS7000112", "disabled"),
            "?N????",
            "Microsoft Applications",
        ),
        (
            "resource disabled",
            without_token(T::ResourceDisabled, "AADSTS500014", "disabled"),
            "?N????",
            "Office 365 Management APIs, Properties",
        ),
        (
            "resource missing",
            without_token(T::ResourceMissing, "AADSTS500011", "not found"),
            "?N????",
            "cloud",
        ),
        (
            "permission that does not exist any more",
            without_token(T::PermissionInvalid, "AADSTS650051", "not supported"),
            "??N???",
            "ActivityFeed.ReadDlp",
        ),
        (
            "wrong secret",
            without_token(T::SecretWrong, "AADSTS7000215", "invalid"),
            "N?????",
            "not its secret ID",
        ),
        (
            "expired secret",
            without_token(T::SecretExpired, "AADSTS7000222", "expired"),
            "N?????",
            "new client secret",
        ),
        (
            "certificate not registered",
            without_token(T::CertificateRejected, "AADSTS700027", "no key"),
            "N?????",
            "upload",
        ),
        (
            "wrong clock",
            without_token(T::AssertionExpired, "AADSTS700024", "not in range"),
            "N?????",
            "clock",
        ),
        (
            "no secret",
            without_token(T::NoCredential, "AADSTS7000218", "missing"),
            "N?????",
            "client secret",
        ),
        (
            "tenant unknown",
            without_token(T::TenantUnknown, "AADSTS90002", "not found"),
            "N?????",
            "tenant id",
        ),
        (
            "token endpoint in trouble",
            Observations {
                token: Some(Err(error(A::Transient, None, "AADSTS90033", "unavailable"))),
                subscriptions: None,
                calls: Vec::new(),
                ..well()
            },
            "??????",
            "",
        ),
        (
            "401 with an empty body",
            Observations {
                subscriptions: Some(Err(error(A::TokenRejected, None, "", ""))),
                calls: Vec::new(),
                ..well()
            },
            "NMMMM?",
            "cloud",
        ),
        (
            "no permission at all",
            Observations {
                token: Some(Ok(claims(Some(&[])))),
                ..refused(A::PermissionMissing, "AF10001", "The permission set ()")
            },
            "MMNNN?",
            "consent URL",
        ),
        (
            "no ActivityFeed.ReadDlp",
            Observations {
                token: Some(Ok(claims(Some(&[READ])))),
                ..well()
            },
            "MMMMNM",
            "ActivityFeed.ReadDlp",
        ),
        (
            "no ActivityFeed.ReadDlp, but DLP.All is not wanted",
            Observations {
                token: Some(Ok(claims(Some(&[READ])))),
                content_types: vec![ContentType::Exchange],
                ..well()
            },
            "MMMMM",
            "",
        ),
        (
            "only for reports of service health",
            Observations {
                token: Some(Ok(claims(Some(&["ServiceHealth.Read"])))),
                ..refused(A::PermissionMissing, "AF10001", "")
            },
            "MMMNN?",
            "permission ActivityFeed.Read,",
        ),
        (
            "AF10001 in spite of the permission",
            refused(A::PermissionMissing, "AF10001", ""),
            "MMMNN?",
            "granted just now",
        ),
        (
            "opaque token, AF10001",
            Observations {
                token: Some(Ok(claims(None))),
                subscriptions: Some(Err(error(A::PermissionMissing, None, "AF10001", ""))),
                calls: Vec::new(),
                ..well()
            },
            "MMNN??",
            "consent URL",
        ),
        (
            "tenant not set up (AF20012)",
            refused(A::Configuration, "AF20012", "incorrectly configured"),
            "MMMMMN",
            "licence",
        ),
        (
            "start throttle, and nothing else known",
            refused(A::StartTooSoon, "", "Too many frequent"),
            "MMMMM?",
            "",
        ),
        (
            "subscription on, no record yet",
            subscribed(SubscriptionStatus::Enabled),
            "MMMMM?",
            "",
        ),
        (
            "subscription off",
            subscribed(SubscriptionStatus::Disabled),
            "MMMMM?",
            "",
        ),
        (
            "records come",
            Observations {
                last_record_micros: Some(NOW - DAY_MICROS),
                ..subscribed(SubscriptionStatus::Enabled)
            },
            "MMMMMM",
            "",
        ),
        (
            "records came long ago",
            Observations {
                last_record_micros: Some(NOW - 5 * DAY_MICROS),
                ..subscribed(SubscriptionStatus::Enabled)
            },
            "MMMMM?",
            "",
        ),
    ] {
        let found = prerequisites(&seen);
        assert_eq!(letters(&found), expected, "{name}");
        let first = (found.iter()).find(|one| one.state == PrerequisiteState::NotMet);
        let said = first.map_or("", |one| one.what_to_do.as_str());
        assert!(said.contains(what_to_do), "{name}: {said}");
        for one in &found {
            assert!(!one.seen.is_empty() && !one.title.is_empty(), "{name}");
            let must_act = one.state == PrerequisiteState::NotMet;
            assert!(!must_act || !one.what_to_do.is_empty(), "{name}");
        }
    }
}

#[test]
fn t4_tenant_does_not_exist_means_that_auditing_is_off() {
    let seen = refused(
        ApiErrorKind::AuditingOff,
        "",
        "Tenant 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7 does not exist.",
    );
    // Also when records came before: it was turned off.
    for last_record_micros in [None, Some(NOW)] {
        let found = prerequisites(&Observations {
            last_record_micros,
            ..seen.clone()
        });
        assert_eq!(letters(&found), "MMMMMN");
        let auditing = found.last().unwrap();
        for words in [
            "Set-AdminAuditLogConfig -UnifiedAuditLogIngestionEnabled $true",
            "60 minutes",
        ] {
            assert!(auditing.what_to_do.contains(words));
        }
        assert!(auditing.seen.contains("does not exist"));
    }
}

#[test]
fn t5_a_disabled_subscription_may_mean_that_auditing_is_off() {
    let kind = ApiErrorKind::SubscriptionDisabled;
    let seen = refused(kind, "AF20023", "The subscription was disabled.");
    let found = prerequisites(&seen);
    assert_eq!(letters(&found), "MMMMM?");
    let auditing = found.last().unwrap();
    assert!(auditing.what_to_do.contains("Get-AdminAuditLogConfig"));
    assert!(auditing.seen.contains("AF20023"));
    // Records that come say that it is not.
    let found = prerequisites(&Observations {
        last_record_micros: Some(NOW),
        ..seen
    });
    assert_eq!(letters(&found), "MMMMMM");
}

#[test]
fn t21_a_missing_permission_for_dlp_leaves_the_others_alone() {
    let dlp = ContentType::DlpAll;
    let refusal = error(ApiErrorKind::PermissionMissing, Some(dlp), "AF10001", "");
    let mut seen = well();
    seen.token = Some(Ok(claims(None)));
    seen.calls.push((dlp, Err(refusal)));
    let found = prerequisites(&seen);
    assert_eq!(letters(&found), "MMMMNM");
    // Granted since.
    seen.calls.push((dlp, Ok(())));
    assert_eq!(letters(&prerequisites(&seen)), "MMMMMM");
}

#[test]
fn the_end_of_a_credential_is_told_before_it_comes() {
    for (days, state, seen_words, acts) in [
        (-1, PrerequisiteState::NotMet, "expired on", true),
        (5, PrerequisiteState::Met, "in 5 days", true),
        (200, PrerequisiteState::Met, "it expires on 2027", false),
    ] {
        let found = prerequisites(&Observations {
            credential_expires_micros: Some(NOW + days * DAY_MICROS),
            ..well()
        });
        let credential = found.first().unwrap();
        assert_eq!(credential.state, state, "{days}");
        assert!(credential.seen.contains(seen_words), "{}", credential.seen);
        assert_eq!(!credential.what_to_do.is_empty(), acts, "{days}");
    }
}

#[test]
fn the_list_is_kept_as_json() {
    let found = prerequisites(&well());
    let json = serde_json::to_string(&found).unwrap();
    assert!(
        json.starts_with(r#"[{"id":"credential","title":""#),
        "{json}"
    );
    let read: Vec<Prerequisite> = serde_json::from_str(&json).unwrap();
    assert_eq!(read, found);
}
