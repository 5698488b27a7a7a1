//! States of an integration, and what leads from one to another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of a reason that are kept.
const REASON_MAX: usize = 1024;

/// What became of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IntegrationState {
    /// An administrator of the tenant has to consent to the application.
    AwaitingConsent,
    /// Consented; a token and the subscriptions are being seen to. May take minutes.
    Connecting,
    /// Connected. The first blobs may take up to 12 hours after auditing or a subscription is turned on.
    WaitingForFirstData,
    /// Connected, and records have come.
    Active,
    /// Somebody stopped collecting for a time. After seven days what was not collected is lost.
    Paused,
    /// Nothing can be collected before what the reason says is put right. It is tried again and again.
    Failing,
    /// Nothing is collected any more. The data may still be there.
    Removed,
}

impl IntegrationState {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::AwaitingConsent,
        Self::Connecting,
        Self::WaitingForFirstData,
        Self::Active,
        Self::Paused,
        Self::Failing,
        Self::Removed,
    ];

    /// As it is kept: `waiting_for_first_data`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingConsent => "awaiting_consent",
            Self::Connecting => "connecting",
            Self::WaitingForFirstData => "waiting_for_first_data",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Failing => "failing",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for IntegrationState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What happened to an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateEvent {
    /// An administrator of the tenant consented.
    Consented,
    /// The application is not, or no longer, consented to.
    ConsentMissing {
        /// What was seen, in words.
        reason: String,
    },
    /// The token and the subscriptions are as they have to be.
    Connected {
        /// Whether the lake has records of the tenant already.
        has_data: bool,
    },
    /// Records were stored.
    DataStored,
    /// Nothing can be collected.
    Failed {
        /// Why, in words, and what to do.
        reason: String,
    },
    /// Somebody stops collecting for a time.
    Paused {
        /// Why, if they say so.
        reason: Option<String>,
    },
    /// Somebody goes on collecting.
    Resumed,
    /// Somebody stops collecting for good.
    Removed {
        /// Why, if they say so.
        reason: Option<String>,
    },
}

/// A state, since when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSince {
    /// What became of the integration.
    pub state: IntegrationState,
    /// Since when. Units: microseconds since 1970-01-01, UTC.
    pub since_micros: i64,
    /// Why, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl StateSince {
    pub(crate) fn new(now_micros: i64) -> Self {
        Self {
            state: IntegrationState::AwaitingConsent,
            since_micros: now_micros,
            reason: None,
        }
    }

    /// What follows; `None` if it stays as it is.
    ///
    /// What a collector sees never undoes what a person decided: paused stays paused until resumed, and removed stays
    /// removed.
    pub fn after(&self, event: &StateEvent, now_micros: i64) -> Option<Self> {
        use IntegrationState as S;
        let (state, reason) = match (self.state, event) {
            (S::Removed, _) => return None,
            (_, StateEvent::Removed { reason }) => (S::Removed, reason.as_deref()),
            (S::Paused, StateEvent::Resumed) => (S::Connecting, None),
            (S::Paused, _) | (_, StateEvent::Resumed) => return None,
            (_, StateEvent::Paused { reason }) => (S::Paused, reason.as_deref()),

            (S::AwaitingConsent | S::Failing, StateEvent::Consented) => (S::Connecting, None),
            (S::Connecting | S::WaitingForFirstData | S::Active, StateEvent::Consented) => {
                return None;
            }
            // Once it has worked, consent was taken away: that is a failure, which somebody has to see.
            (S::AwaitingConsent | S::Connecting, StateEvent::ConsentMissing { reason }) => {
                (S::AwaitingConsent, Some(reason.as_str()))
            }
            (
                S::WaitingForFirstData | S::Active | S::Failing,
                StateEvent::ConsentMissing { reason },
            ) => (S::Failing, Some(reason.as_str())),
            (_, StateEvent::Failed { reason }) => (S::Failing, Some(reason.as_str())),

            (S::Active, StateEvent::Connected { .. }) | (_, StateEvent::DataStored) => {
                (S::Active, None)
            }
            (
                S::AwaitingConsent | S::Connecting | S::WaitingForFirstData | S::Failing,
                StateEvent::Connected { has_data },
            ) => match has_data {
                true => (S::Active, None),
                false => (S::WaitingForFirstData, None),
            },
        };
        let reason = reason.map(bounded);
        if state == self.state && reason == self.reason {
            return None;
        }
        let since_micros = if state == self.state {
            self.since_micros
        } else {
            now_micros
        };
        Some(Self {
            state,
            since_micros,
            reason,
        })
    }
}

fn bounded(reason: &str) -> String {
    let end = reason.floor_char_boundary(REASON_MAX);
    reason.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: i64 = 1;
    const NOW: i64 = 2;

    fn since(state: IntegrationState) -> StateSince {
        StateSince {
            state,
            since_micros: BEFORE,
            reason: None,
        }
    }

    fn why() -> String {
        "why".to_owned()
    }

    /// One line a state, one column an event: the state that follows, `-` where it stays as it is.
    #[test]
    fn what_follows_on_what() {
        use IntegrationState as S;
        let events = [
            StateEvent::Consented,
            StateEvent::ConsentMissing { reason: why() },
            StateEvent::Connected { has_data: false },
            StateEvent::Connected { has_data: true },
            StateEvent::DataStored,
            StateEvent::Failed { reason: why() },
            StateEvent::Paused { reason: None },
            StateEvent::Resumed,
            StateEvent::Removed { reason: None },
        ];
        let table = [
            (
                S::AwaitingConsent,
                "connecting awaiting_consent waiting_for_first_data active active failing paused - removed",
            ),
            (
                S::Connecting,
                "- awaiting_consent waiting_for_first_data active active failing paused - removed",
            ),
            (
                S::WaitingForFirstData,
                "- failing - active active failing paused - removed",
            ),
            (S::Active, "- failing - - - failing paused - removed"),
            (S::Paused, "- - - - - - - connecting removed"),
            (
                S::Failing,
                "connecting failing waiting_for_first_data active active failing paused - removed",
            ),
            (S::Removed, "- - - - - - - - -"),
        ];
        assert_eq!(table.len(), S::ALL.len());
        for (state, line) in table {
            let expected: Vec<&str> = line.split(' ').collect();
            let found: Vec<&str> = events
                .iter()
                .map(|event| {
                    let next = since(state).after(event, NOW);
                    next.map_or("-", |next| next.state.as_str())
                })
                .collect();
            assert_eq!(found, expected, "{state}");
        }
    }

    #[test]
    fn another_reason_is_no_other_state() {
        let failed = |reason: &str| StateEvent::Failed {
            reason: reason.to_owned(),
        };
        let first = since(IntegrationState::Active)
            .after(&failed("secret expired"), 10)
            .unwrap();
        assert_eq!(first.since_micros, 10);
        assert_eq!(first.after(&failed("secret expired"), 20), None);
        let second = first.after(&failed("consent revoked"), 30).unwrap();
        assert_eq!(second.since_micros, 10);
        assert_eq!(second.reason.as_deref(), Some("consent revoked"));
        let again = StateEvent::Connected { has_data: true };
        let third = second.after(&again, 40).unwrap();
        assert_eq!((third.since_micros, third.reason), (40, None));
    }

    #[test]
    fn a_reason_is_bounded() {
        let event = StateEvent::Failed {
            reason: "ü".repeat(10_000),
        };
        let next = since(IntegrationState::Active).after(&event, NOW).unwrap();
        assert_eq!(next.reason.unwrap().len(), REASON_MAX);
    }

    #[test]
    fn states_are_kept_by_their_names() {
        for state in IntegrationState::ALL {
            assert_eq!(
                serde_json::to_string(&state).unwrap(),
                format!("\"{state}\"")
            );
        }
    }
}
