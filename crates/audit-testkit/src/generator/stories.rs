//! Investigations planted among the everyday records, so that a query for one finds something.

use std::collections::VecDeque;

use super::event::Cast;
use super::world::{Address, World};
use crate::random::Random;

/// Below this many records of a tenant there is no room for stories.
const RECORDS_MIN: u64 = 2_000;
/// At most one record in so many belongs to a story.
const SHARE_DIVISOR: u64 = 50;

const INTRUDER: &str = "203.0.113.47";
const LINK_VISITOR: &str = "198.51.100.77";
const DROP_BOX: &str = "backup.archive@mail.example";

/// A planted story: what an investigator should find.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Story {
    /// What happened, in snake_case.
    pub name: &'static str,
    /// The tenant, a GUID.
    pub tenant_id: String,
    /// `UserId` of the account it is about, as most records of it spell it.
    pub user_id: String,
    /// The address it came from, if it is one that no everyday record has.
    pub source_ip: Option<String>,
    /// First possible `CreationTime`, in seconds since 1970, UTC.
    pub start_seconds: i64,
    /// How many records tell it.
    pub records: u64,
}

/// A record of a story, to be printed at its time.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) seconds: i64,
    pub(super) tenant: usize,
    pub(super) kind: &'static str,
    pub(super) cast: Cast,
}

/// The stories and their records in order of time.
pub(super) fn plan(
    worlds: &[World],
    records: u64,
    start: i64,
    end: i64,
    random: &mut Random,
) -> (Vec<Story>, VecDeque<Planned>) {
    let (mut stories, mut planned) = (Vec::new(), Vec::new());
    let of_tenant = records / worlds.len() as u64;
    if of_tenant >= RECORDS_MIN {
        for (tenant, world) in worlds.iter().enumerate() {
            let budget = (of_tenant / SHARE_DIVISOR).min(1_000);
            let mut plot = Plot {
                tenant,
                world,
                random,
                stories: &mut stories,
                planned: &mut planned,
            };
            plot.compromised_account(start + (end - start) * 6 / 10, budget);
            plot.leaving_employee(start + (end - start) * 3 / 4, budget);
        }
    }
    planned.sort_by_key(|planned| planned.seconds);
    (stories, planned.into())
}

struct Plot<'a> {
    tenant: usize,
    world: &'a World,
    random: &'a mut Random,
    stories: &'a mut Vec<Story>,
    planned: &'a mut Vec<Planned>,
}

impl Plot<'_> {
    /// A password spray finds one password; its owner's mail is read and forwarded.
    fn compromised_account(&mut self, start: i64, budget: u64) {
        let victim = 17 % self.world.users.len();
        let intruder = || Cast {
            intruder: Some(Address::v4(INTRUDER.to_owned())),
            ..Cast::default()
        };
        let as_victim = || Cast {
            user: Some(victim),
            ..intruder()
        };
        self.tell(
            "password_spray",
            "password_spray",
            start,
            2400,
            budget * 3 / 10,
            intruder(),
        );
        self.tell(
            "sign_in_after_spray",
            "sign_in",
            start + 2460,
            60,
            1,
            as_victim(),
        );
        let forward = Cast {
            outside: Some(DROP_BOX.to_owned()),
            ..as_victim()
        };
        self.tell(
            "rule_forwards_outside",
            "rule_forwards_outside",
            start + 3000,
            60,
            1,
            forward,
        );
        self.tell(
            "mail_read_in_bulk",
            "mail_items_accessed",
            start + 3100,
            1800,
            budget * 3 / 10,
            as_victim(),
        );
        self.tell(
            "consent_to_mail_access",
            "consent_to_mail_access",
            start + 3300,
            120,
            1,
            as_victim(),
        );
    }

    /// Somebody about to leave takes their files along and shares them by link.
    fn leaving_employee(&mut self, start: i64, budget: u64) {
        let user = 29 % self.world.users.len();
        let site = self.world.users[user].personal_site;
        let employee = Cast {
            user: Some(user),
            site: Some(site),
            ..Cast::default()
        };
        let visitor = Cast {
            intruder: Some(Address::v4(LINK_VISITOR.to_owned())),
            ..employee.clone()
        };
        self.tell(
            "mass_download",
            "file_download",
            start,
            1500,
            budget * 3 / 10,
            employee.clone(),
        );
        self.tell(
            "anonymous_links",
            "anonymous_link",
            start + 1800,
            600,
            budget / 50,
            employee,
        );
        self.tell(
            "anonymous_links_used",
            "anonymous_link_used",
            start + 2700,
            2400,
            budget / 40,
            visitor,
        );
    }

    fn tell(
        &mut self,
        name: &'static str,
        kind: &'static str,
        start: i64,
        seconds: u64,
        records: u64,
        cast: Cast,
    ) {
        for _ in 0..records {
            let seconds = start + self.random.below(seconds) as i64;
            self.planned.push(Planned {
                seconds,
                tenant: self.tenant,
                kind,
                cast: cast.clone(),
            });
        }
        self.stories.push(Story {
            name,
            tenant_id: self.world.tenant.clone(),
            user_id: cast
                .user
                .map(|user| self.world.users[user].upn.clone())
                .unwrap_or_default(),
            source_ip: cast.intruder.map(|address| address.text),
            start_seconds: start,
            records,
        });
    }
}
