//! Why a command ended without its result, in words and as an exit code.

use std::process::ExitCode;

use crate::library::{
    CollectorError, Error, IngestError, InputError, IntegrationError, LakeError, LimitKind,
};
use crate::output::note;
use crate::units;

/// What to do about a lake that is damaged.
const VERIFY: &str = "`live-discover --lake URL verify` names everything that is wrong";

const FAILED: u8 = 1;
const USAGE: u8 = 2;
/// What shells expect of a program that Ctrl-C ended.
const CANCELLED: u8 = 130;

/// Why there is no (more) result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It went wrong.
    Failed {
        message: String,
        /// What to do about it.
        hint: Option<String>,
        code: u8,
    },
    /// Ctrl-C.
    Cancelled,
    /// Nobody reads the output any more: no reason to complain.
    OutputClosed,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            hint: None,
            code: FAILED,
        }
    }

    /// The arguments cannot be used.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            hint: None,
            code: USAGE,
        }
    }

    pub(crate) fn with_hint(self, text: impl Into<String>) -> Self {
        match self {
            Self::Failed { message, code, .. } => Self::Failed {
                message,
                hint: Some(text.into()),
                code,
            },
            other => other,
        }
    }

    /// Tells the user, and how the process ends.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Cancelled => {
                note("error: cancelled");
                ExitCode::from(CANCELLED)
            }
            Self::Failed {
                message,
                hint,
                code,
            } => {
                note(&format!("error: {}", one_line(&message)));
                if let Some(hint) = hint {
                    note(&format!("hint: {}", one_line(&hint)));
                }
                ExitCode::from(code)
            }
        }
    }
}

/// Messages may quote files and queries: nothing in them reaches the terminal as a control character.
fn one_line(message: &str) -> String {
    let joined = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    units::printable(&joined).into_owned()
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let hint = match &error {
            Error::InvalidQuery { message, .. } if message.starts_with("no column") => {
                Some("`live-discover columns TABLE` lists the columns of a table".to_owned())
            }
            Error::InvalidQuery { message, .. } if message.starts_with("no table") => {
                Some("`live-discover tables` lists the tables and views".to_owned())
            }
            Error::InvalidQuery { message, .. } if message.starts_with("no query") => {
                Some("`live-discover queries list` lists the queries".to_owned())
            }
            Error::InvalidQuery { message, .. }
                if message.starts_with("the variable") && message.ends_with("no value") =>
            {
                Some("give it with --var 'NAME=VALUE'".to_owned())
            }
            Error::InvalidQuery { .. } => None,
            Error::NotFound { message } if !message.starts_with("the lake ") => None,
            Error::NotFound { .. } => Some(
                "`live-discover --lake URL ingest PATH…` makes a lake; `live-discover demo` makes one to try".to_owned(),
            ),
            Error::TimedOut { .. } => {
                Some("ask for less time or fewer tenants, or allow more with --timeout".to_owned())
            }
            Error::ResourcesExhausted { limit, .. } => of_limit(*limit),
            Error::Corrupt { .. } => Some(VERIFY.to_owned()),
            Error::Unavailable { .. } => None,
            Error::Internal { .. } => Some("this is a defect: please report it with the command that led to it".to_owned()),
            _ => None,
        };
        let failure = Self::new(error.to_string());
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

fn of_limit(limit: LimitKind) -> Option<String> {
    let hint = match limit {
        LimitKind::Memory | LimitKind::EngineMemory => {
            "ask for fewer rows or columns, or allow more with --memory"
        }
        LimitKind::Rows => "allow more with --max-rows",
        LimitKind::Spill => "ask for fewer rows or columns, or point TMPDIR to a larger disk",
        LimitKind::Text | LimitKind::Operators | LimitKind::Nesting | LimitKind::Shape => {
            "split the query into smaller ones"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Lake(LakeError::Corrupt { .. }) => {
                Self::new(error.to_string()).with_hint(VERIFY)
            }
            IngestError::Lake(_) => Self::new(error.to_string())
                .with_hint("what was committed stays; the same command completes it"),
            _ => Self::new(error.to_string())
                .with_hint("this is a defect: please report it with the command that led to it"),
        }
    }
}

impl From<IntegrationError> for Failure {
    fn from(error: IntegrationError) -> Self {
        match error {
            IntegrationError::Lake(error) => Error::from(error).into(),
            IntegrationError::InvalidInput { .. } | IntegrationError::NetworksUndecided => {
                Self::usage(error.to_string())
            }
            IntegrationError::NotFound { .. } => Self::new(error.to_string())
                .with_hint("`integrations list` lists them, `integrations add` adds one"),
            _ => Self::new(error.to_string()),
        }
    }
}

impl From<CollectorError> for Failure {
    fn from(error: CollectorError) -> Self {
        match error {
            CollectorError::Integrations(error) => error.into(),
            error => Self::new(error.to_string()),
        }
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Self::new(error.to_string())
    }
}
