//! Codes have names both ways.

use std::collections::HashSet;

use audit_schema::codes::{
    code_name, code_number, codes, record_type_name, record_type_number, record_types,
    user_type_name, user_type_number,
};

#[test]
fn all_record_types_are_known() {
    assert_eq!(record_types().len(), 474);
    let numbers: HashSet<i64> = record_types().iter().map(|of| of.number).collect();
    assert_eq!(numbers.len(), 474);
    for number in 1..=475 {
        assert_eq!(
            record_type_name(number).is_some(),
            number != 137,
            "{number}"
        );
    }
    for unknown in [-1, 0, 137, 476, i64::MAX, i64::MIN] {
        assert_eq!(record_type_name(unknown), None);
    }
}

#[test]
fn a_record_type_is_found_by_the_name_it_has() {
    for of in record_types() {
        if of.conflict == "docs-only-doubtful" {
            continue;
        }
        assert_eq!(record_type_number(of.name), Some(of.number), "{}", of.name);
    }
}

#[test]
fn other_names_are_accepted_and_the_service_wins() {
    let cases = [
        ("ExchangeAdmin", Some(1)),
        ("exchangeAdmin", Some(1)),
        ("azureactivedirectorystslogon", Some(15)),
        // The documentation's names, and former ones.
        ("Yammer", Some(22)),
        ("Viva Engage", Some(22)),
        ("VivaInsights", Some(44)),
        ("Viva Goals", Some(216)),
        ("PrivacyInsights", Some(103)),
        ("CloudPolicyService", Some(288)),
        ("BackupPolicy", Some(298)),
        ("DataScanClassification", Some(361)),
        ("ProjectForThewebTask", Some(196)),
        ("SharepointListOperation", Some(36)),
        ("QuarantineAuditRecord", Some(65)),
        ("Skype for business", Some(23)),
        // Numbered differently by the documentation: the service's number.
        ("SentinelKQLOnLake", Some(379)),
        ("SentinelJob", Some(377)),
        ("CrossTenantAccessPolicy", Some(370)),
        ("CopilotForSecurityTrigger", Some(389)),
        ("PowerAppsResource", Some(187)),
        ("PowerPlatformAdminDlp", Some(79)),
        ("MicrosoftGraphDataConnectConsent", Some(219)),
        ("VivaEngageEvents", Some(424)),
        ("GranularBrowseTask", Some(429)),
        // A former name of one that is the name of another today.
        ("MicrosoftForms", Some(66)),
        ("TrainableClassifier", Some(358)),
        ("", None),
        ("NoSuchType", None),
    ];
    for (name, number) in cases {
        assert_eq!(record_type_number(name), number, "{name}");
    }
    assert_eq!(record_type_name(367), Some("SentinelKQLOnLake"));
    assert_eq!(record_type_name(22), Some("Yammer"));
}

#[test]
fn user_types_have_names_both_ways() {
    let names: Vec<&str> = (0..).map_while(user_type_name).collect();
    assert_eq!(names.len(), 11);
    for (number, name) in (0..).zip(&names) {
        assert_eq!(user_type_number(name), Some(number));
    }
    assert_eq!(user_type_name(3), Some("DCAdmin"));
    assert_eq!(user_type_number("DcAdmin"), Some(3));
    assert_eq!(user_type_name(-1), None);
}

#[test]
fn every_member_of_an_enumeration_has_its_name_both_ways() {
    let mut members = HashSet::new();
    for code in codes() {
        assert!(
            members.insert((code.enumeration, code.number)),
            "{} {} twice",
            code.enumeration,
            code.number
        );
        assert_eq!(code_name(code.enumeration, code.number), Some(code.name));
        assert_eq!(code_number(code.enumeration, code.name), Some(code.number));
    }
    assert_eq!(code_name("AuditLogScope", 1), Some("Onprem"));
    assert_eq!(code_name("logontype", 2), Some("Delegated"));
    assert_eq!(code_name("AuditLogRecordType", 15), record_type_name(15));
    assert_eq!(code_number("IdentityType", "upn"), Some(5));
    assert_eq!(code_name("LogonType", 99), None);
    assert_eq!(code_name("NoSuchEnumeration", 0), None);
}
