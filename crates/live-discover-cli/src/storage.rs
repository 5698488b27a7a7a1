//! Lakes and exports on object stores, with what the process is told about these in its variables.

use crate::failure::Failure;
use crate::library::{Error, Lake, LakeError, LakeOptions, store_options};

/// Opens a lake that has to be there.
pub(crate) async fn open(location: &str) -> Result<Lake, LakeError> {
    Lake::open(location, lake_options()).await
}

/// Opens a lake, making it first where there is none.
pub(crate) async fn create_or_open(location: &str) -> Result<Lake, Failure> {
    let opened = Lake::create_or_open(location, lake_options()).await;
    opened.map_err(|error| not_opened(location, error))
}

/// What people are told where a lake cannot be opened.
pub(crate) fn not_opened(location: &str, error: LakeError) -> Failure {
    let is_of_store = matches!(
        error,
        LakeError::Unavailable { .. } | LakeError::InvalidInput { .. }
    );
    let failure = Failure::from(Error::from(error));
    match missing_credentials(location) {
        Some(hint) if is_of_store => failure.with_hint(hint),
        _ => failure,
    }
}

/// What the process is told about object stores.
pub(crate) fn options() -> Vec<(String, String)> {
    let variables = std::env::vars_os();
    store_options(
        variables.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    )
}

/// Without them a client of S3 asks the machine that it may be on, which on others nobody answers for.
pub(crate) fn missing_credentials(location: &str) -> Option<&'static str> {
    const SOURCES: [&str; 5] = [
        "aws_access_key_id",
        "aws_container_credentials_full_uri",
        "aws_container_credentials_relative_uri",
        "aws_skip_signature",
        "aws_web_identity_token_file",
    ];
    let is_s3 = location.starts_with("s3://") || location.starts_with("s3a://");
    let options = options();
    let has_source = || {
        let mut names = options.iter().map(|(name, _)| name.as_str());
        names.any(|name| SOURCES.contains(&name))
    };
    (is_s3 && !has_source()).then_some(
        "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION; profiles are not read: \
         `aws configure export-credentials --format env` prints what they hold",
    )
}

fn lake_options() -> LakeOptions {
    LakeOptions {
        store_options: options(),
        ..LakeOptions::default()
    }
}
