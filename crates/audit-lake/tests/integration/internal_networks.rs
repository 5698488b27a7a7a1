//! What the lake says is inside.

use audit_lake::{Error, InternalNetworks, NetworksDecision};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::places::places;

#[tokio::test]
async fn it_is_kept_in_the_lake() {
    for place in places().await {
        let networks = place.lake.internal_networks().await.unwrap();
        assert_eq!(networks, InternalNetworks::default());

        let add = |networks: InternalNetworks| networks.with_domain("contoso.com");
        place.lake.update_internal_networks(add).await.unwrap();
        let add = |networks: InternalNetworks| networks.with_network("203.0.113.0/24");
        let written = place.lake.update_internal_networks(add).await.unwrap();
        let read = place.reopened().await.internal_networks().await.unwrap();
        assert_eq!(read, written);
        assert_eq!(read, "203.0.113.0/24 contoso.com".parse().unwrap());

        let refused = place
            .lake
            .update_internal_networks(|networks| networks.with_network("x"))
            .await;
        assert!(matches!(refused, Err(Error::InvalidInput { .. })));
        assert_eq!(place.lake.internal_networks().await.unwrap(), read);
    }
}

/// Each writer reads before the other has written.
#[tokio::test]
async fn no_change_is_lost_to_another_writer() {
    let place = places().await.remove(0);
    for (version, domain) in [(0, "a.example"), (2, "b.example")] {
        let other = place.reopened().await;
        let is_first_try = std::sync::atomic::AtomicBool::new(true);
        let store = place.lake.store();
        let path = Path::from(format!("internal_networks/{version:020}.json"));
        // Another writer comes between the reading and the writing.
        let between = |networks: InternalNetworks| {
            if is_first_try.swap(false, std::sync::atomic::Ordering::Relaxed) {
                let json = format!(r#"{{"domains":["{domain}","other.example"]}}"#);
                futures::executor::block_on(store.put(&path, json.into())).unwrap();
            }
            networks.with_domain("mine.example")
        };
        let written = other.update_internal_networks(between).await.unwrap();
        let expected = format!("mine.example other.example {domain}");
        assert_eq!(written, expected.parse().unwrap());
        assert_eq!(place.lake.internal_networks().await.unwrap(), written);
    }
}

#[tokio::test]
async fn what_was_decided_is_kept() {
    for place in places().await {
        let lake = &place.lake;
        assert_eq!(lake.networks_decision().await.unwrap(), None);
        lake.decline_internal_networks().await.unwrap();
        let decision = place.reopened().await.networks_decision().await.unwrap();
        assert_eq!(decision, Some(NetworksDecision::Declined));
        assert_eq!(
            lake.internal_networks().await.unwrap(),
            InternalNetworks::default()
        );

        let add = |networks: InternalNetworks| networks.with_domain("contoso.com");
        let given = lake.update_internal_networks(add).await.unwrap();
        assert_eq!(
            lake.networks_decision().await.unwrap(),
            Some(NetworksDecision::Given)
        );
        // Declining takes nothing away.
        lake.decline_internal_networks().await.unwrap();
        assert_eq!(lake.internal_networks().await.unwrap(), given);
        assert_eq!(
            lake.networks_decision().await.unwrap(),
            Some(NetworksDecision::Given)
        );
    }
}

/// Lakes had one file, which is read until there is a version.
#[tokio::test]
async fn the_single_file_of_before_is_taken_over() {
    for place in places().await {
        let path = Path::from("internal_networks.json");
        let json = r#"{"networks":["203.0.113.0/24"],"domains":["contoso.com"]}"#;
        place.lake.store().put(&path, json.into()).await.unwrap();
        assert_eq!(
            place.lake.networks_decision().await.unwrap(),
            Some(NetworksDecision::Given)
        );
        let add = |networks: InternalNetworks| networks.with_domain("fabrikam.com");
        let written = place.lake.update_internal_networks(add).await.unwrap();
        assert_eq!(
            written,
            "203.0.113.0/24 contoso.com fabrikam.com".parse().unwrap()
        );
        assert_eq!(place.lake.internal_networks().await.unwrap(), written);
    }
}

#[tokio::test]
async fn a_damaged_file_is_told() {
    for place in places().await {
        let path = Path::from("internal_networks.json");
        let json = r#"{"networks":["10.0.0.0/99"]}"#;
        place.lake.store().put(&path, json.into()).await.unwrap();
        let error = place.lake.internal_networks().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`internal_networks.json` is corrupt: `10.0.0.0/99` is no network such as 192.0.2.0/24; restore it from a copy of \
             the lake, or delete it and set the networks anew"
        );
    }
}
