//! The customer's own networks and domains, as the lake keeps them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::document::Change;
use crate::error::{Error, Result};
use crate::internal_networks::InternalNetworks;
use crate::retry::{self, ATTEMPTS_MAX};
use crate::versions::Versions;
use crate::{Lake, paths};

/// What somebody decided about the customer's own networks and domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworksDecision {
    /// They were given.
    Given,
    /// There are none beside the private ranges, or none are to be given.
    Declined,
}

/// A version; its other members are those of [`InternalNetworks`].
#[derive(Serialize)]
struct Version<'a> {
    /// Another one in each version, so that no two are equal.
    change_id: String,
    is_declined: bool,
    #[serde(flatten)]
    networks: &'a InternalNetworks,
}

/// What a version says.
#[derive(Clone)]
struct Kept {
    decision: NetworksDecision,
    networks: InternalNetworks,
}

impl Kept {
    fn read(json: &[u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Decided {
            #[serde(default)]
            is_declined: bool,
        }
        let Decided { is_declined } = serde_json::from_slice(json)?;
        Ok(Self {
            decision: if is_declined {
                NetworksDecision::Declined
            } else {
                NetworksDecision::Given
            },
            networks: serde_json::from_slice(json)?,
        })
    }

    fn write(&self, lake: &Lake) -> Result<Bytes> {
        let version = Version {
            change_id: lake.ids().next_id().to_string(),
            is_declined: self.decision == NetworksDecision::Declined,
            networks: &self.networks,
        };
        let json = serde_json::to_vec_pretty(&version).map_err(Error::internal)?;
        Ok(json.into())
    }
}

impl Lake {
    /// What the lake says is inside; the private ranges alone where it says nothing.
    ///
    /// Costs two small requests.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not what this crate writes.
    pub async fn internal_networks(&self) -> Result<InternalNetworks> {
        let (_, kept) = self.kept_networks().await?;
        Ok(kept.map_or_else(InternalNetworks::default, |kept| kept.networks))
    }

    /// Whether the customer's networks and domains were given or declined; `None` if nobody was asked.
    ///
    /// # Errors
    ///
    /// As [`Lake::internal_networks`].
    pub async fn networks_decision(&self) -> Result<Option<NetworksDecision>> {
        let (_, kept) = self.kept_networks().await?;
        Ok(kept.map(|kept| kept.decision))
    }

    /// Changes what the lake says is inside: `edit` gets what there is and gives what shall be. It is called again if
    /// another writer was first, so no change is lost, whatever the store.
    ///
    /// # Errors
    ///
    /// That of `edit`; else as [`Lake::internal_networks`], and [`Error::Unavailable`] if others were first again and
    /// again.
    pub async fn update_internal_networks(
        &self,
        edit: impl Fn(InternalNetworks) -> Result<InternalNetworks> + Send + Sync,
    ) -> Result<InternalNetworks> {
        let kept = self.change_networks(|kept| {
            let last = kept.map_or_else(InternalNetworks::default, |kept| kept.networks);
            Ok(Some(Kept {
                decision: NetworksDecision::Given,
                networks: edit(last)?,
            }))
        });
        kept.await
    }

    /// Remembers that somebody was asked for the customer's networks and domains and gave none. What was given before
    /// stays.
    ///
    /// # Errors
    ///
    /// As [`Lake::update_internal_networks`].
    pub async fn decline_internal_networks(&self) -> Result<()> {
        let kept = self.change_networks(|kept| match kept {
            Some(_) => Ok(None),
            None => Ok(Some(Kept {
                decision: NetworksDecision::Declined,
                networks: InternalNetworks::default(),
            })),
        });
        kept.await.map(|_| ())
    }

    /// Reads, edits and puts the next version, anew while another writer is first. `None` leaves it as it is.
    async fn change_networks(
        &self,
        edit: impl Fn(Option<Kept>) -> Result<Option<Kept>> + Send + Sync,
    ) -> Result<InternalNetworks> {
        for attempt in 1..=ATTEMPTS_MAX {
            let (base, last) = self.kept_networks().await?;
            let Some(next) = edit(last.clone())? else {
                return Ok(last.map_or_else(InternalNetworks::default, |kept| kept.networks));
            };
            let json = next.write(self)?;
            match self.network_versions().change(base, json).await? {
                Change::Done => return Ok(next.networks),
                // It may have happened before the newer one: done again, it is the same.
                Change::Overtaken | Change::Conflicted => retry::pause(attempt).await,
            }
        }
        Err(Error::Unavailable {
            operation: "update",
            path: paths::internal_networks().to_string(),
            source: "other writers were first again and again".into(),
        })
    }

    /// The newest version; without one, the single file that lakes had before.
    async fn kept_networks(&self) -> Result<(Option<u64>, Option<Kept>)> {
        let single = paths::internal_networks_file();
        let (path, base, json) = match self.network_versions().latest().await? {
            Some(document) => (document.path, Some(document.version), document.content),
            None => match retry::read(self.store().as_ref(), &single).await? {
                Some(json) => (single, None, json),
                None => return Ok((None, None)),
            },
        };
        let kept = Kept::read(&json).map_err(|error| {
            let what = "restore it from a copy of the lake, or delete it and set the networks anew";
            Error::corrupt(&path, format!("{error}; {what}"))
        })?;
        Ok((base, Some(kept)))
    }

    fn network_versions(&self) -> Versions {
        Versions::new(self, paths::internal_networks())
    }
}
