//! The organisation that the records tell about: its users, sites, files, addresses. Made once from
//! the seed; every text is held in the form in which it stands inside a JSON string.

use super::text::{Guid, write_base64, write_hex_upper};
use super::vocabulary::{
    AGENTS, APPS, DOCUMENTS, EXTENSIONS, FIRST_NAMES, LAST_NAMES, LIBRARY_FOLDERS, MAIL_FOLDERS,
    ORGANIZATIONS, OUTSIDE_DOMAINS, PERSONAL_FOLDERS, RESOURCES, TOPICS,
};
use crate::random::{Random, Weighted};

/// Files of a site: enough for names to repeat, few enough to hold.
const FILES_PER_SITE: usize = 48;
const OFFICE_ADDRESSES: usize = 4;

#[derive(Debug)]
pub(super) struct World {
    pub(super) tenant: String,
    /// `contoso`, as in `contoso.sharepoint.com`.
    pub(super) label: String,
    pub(super) domain: String,
    pub(super) users: Vec<User>,
    pub(super) sites: Vec<Site>,
    pub(super) teams: Vec<Team>,
    pub(super) servers: Vec<String>,
    pub(super) subjects: Vec<String>,
    pub(super) outside: Vec<String>,
    pub(super) choose: Choices,
}

/// The skewed choices that every record makes.
#[derive(Debug)]
pub(super) struct Choices {
    pub(super) user: Weighted,
    pub(super) site: Weighted,
    pub(super) file: Weighted,
    pub(super) team: Weighted,
    pub(super) agent: Weighted,
    pub(super) app: Weighted,
    pub(super) resource: Weighted,
    pub(super) mail_folder: Weighted,
    pub(super) subject: Weighted,
    pub(super) server: Weighted,
}

#[derive(Debug)]
pub(super) struct User {
    /// For what stays the same for a while, as a session does.
    pub(super) seed: u64,
    pub(super) upn: String,
    pub(super) upn_lower: String,
    pub(super) display: String,
    pub(super) guid: String,
    pub(super) puid: String,
    pub(super) puid_lower: String,
    pub(super) sid: String,
    pub(super) mailbox: String,
    /// The part of item and folder identifiers that a mailbox shares.
    pub(super) mailbox_code: String,
    pub(super) device: String,
    pub(super) device_id: String,
    /// Office, home, phone.
    pub(super) addresses: [Address; 3],
    pub(super) agent: usize,
    pub(super) personal_site: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) text: String,
    pub(super) is_v6: bool,
}

impl Address {
    pub(super) fn v4(text: String) -> Self {
        Self { text, is_v6: false }
    }
}

#[derive(Debug)]
pub(super) struct Site {
    /// With the slash at the end.
    pub(super) url: String,
    pub(super) workload: &'static str,
    pub(super) guid: String,
    pub(super) web: String,
    pub(super) list: String,
    pub(super) files: Vec<File>,
}

#[derive(Debug)]
pub(super) struct File {
    /// For what stays the same: size, digests.
    pub(super) seed: u64,
    pub(super) name: String,
    pub(super) extension: &'static str,
    pub(super) folder: &'static str,
    pub(super) guid: String,
}

#[derive(Debug)]
pub(super) struct Team {
    pub(super) name: String,
    pub(super) thread: String,
    pub(super) channel: String,
    pub(super) group: String,
}

impl World {
    /// Organisation `index` of a generator with `seed`.
    pub(super) fn new(seed: u64, index: usize, users: usize) -> Self {
        let mut random = Random::new(seed ^ (index as u64 + 1).wrapping_mul(0xa076_1d64_78bd_642f));
        let random = &mut random;
        let mut label = ORGANIZATIONS[index % ORGANIZATIONS.len()].to_owned();
        if index >= ORGANIZATIONS.len() {
            label += &(index / ORGANIZATIONS.len() + 1).to_string();
        }
        let domain = format!("{label}.onmicrosoft.com");
        let tenant = Guid::new(random).text();

        let mut sites: Vec<Site> = (0..(users / 8).clamp(4, 300))
            .map(|index| shared_site(&label, index, random))
            .collect();
        let shared_sites = sites.len();
        let offices: Vec<Address> = (0..OFFICE_ADDRESSES)
            .map(|_| Address::v4(format!("192.0.2.{}", random.between(1, 254))))
            .collect();
        let domain_sid = (0..3)
            .map(|_| random.between(100_000_000, 4_000_000_000).to_string())
            .collect::<Vec<_>>()
            .join("-");
        let users: Vec<User> = (0..users)
            .map(|index| {
                let user = user(
                    &domain,
                    &domain_sid,
                    index,
                    shared_sites + index,
                    &offices,
                    random,
                );
                sites.push(personal_site(&label, &user, random));
                user
            })
            .collect();

        let teams: Vec<Team> = (0..(users.len() / 6).clamp(4, 400))
            .map(|index| team(index, random))
            .collect();
        let servers: Vec<String> = (0..24)
            .map(|_| {
                let (place, number) = (
                    random.pick(&["AM0PR04MB", "DB8PR04MB", "VI1PR04MB", "PAXPR04MB"]),
                    random.between(1000, 9999),
                );
                format!(
                    "{place}{number} (15.20.{}.{:03})",
                    random.between(9000, 9200),
                    random.between(8, 30)
                )
            })
            .collect();
        let subjects: Vec<String> = (0..600)
            .map(|_| {
                let prefix = random.pick(&["", "", "RE: ", "FW: ", "AW: "]);
                format!(
                    "{prefix}{} {} {}",
                    random.pick(TOPICS),
                    random.pick(DOCUMENTS),
                    random.between(1, 60)
                )
            })
            .collect();
        let outside = (0..200)
            .map(|_| {
                let (first, last) = (random.pick(FIRST_NAMES), random.pick(LAST_NAMES));
                format!("{}.{}@{}", first.0, last.0, random.pick(OUTSIDE_DOMAINS))
            })
            .collect();

        let choose = Choices {
            user: Weighted::skewed(users.len()),
            site: Weighted::skewed(sites.len()),
            file: Weighted::skewed(FILES_PER_SITE),
            team: Weighted::skewed(teams.len()),
            agent: Weighted::skewed(AGENTS.len()),
            app: Weighted::skewed(APPS.len()),
            resource: Weighted::skewed(RESOURCES.len()),
            mail_folder: Weighted::skewed(MAIL_FOLDERS.len()),
            subject: Weighted::skewed(subjects.len()),
            server: Weighted::skewed(servers.len()),
        };
        Self {
            tenant,
            label,
            domain,
            users,
            sites,
            teams,
            servers,
            subjects,
            outside,
            choose,
        }
    }
}

fn user(
    domain: &str,
    domain_sid: &str,
    index: usize,
    personal_site: usize,
    offices: &[Address],
    random: &mut Random,
) -> User {
    let first = FIRST_NAMES[index * 7 % FIRST_NAMES.len()];
    let last = LAST_NAMES[index * 11 % LAST_NAMES.len()];
    // 40 first and 35 last names meet again after 280 users.
    let number = index / 280;
    let suffix = if number == 0 {
        String::new()
    } else {
        (number + 1).to_string()
    };
    let upn_lower = format!("{}.{}{suffix}@{domain}", first.0, last.0);
    let capital = |name: &str| name[..1].to_uppercase() + &name[1..];
    let upn = format!("{}.{}{suffix}@{domain}", capital(first.0), capital(last.0));
    let mut puid = b"1003".to_vec();
    write_hex_upper(
        0x2000_0000_0000 + random.below(0x1000_0000_0000),
        12,
        &mut puid,
    );
    let puid = String::from_utf8_lossy(&puid).into_owned();
    let mut mailbox_code = b"AAAA".to_vec();
    for _ in 0..4 {
        write_base64(random.next(), 10, &mut mailbox_code);
    }
    let phone = format!(
        "2001:db8:{:x}:{:x}:{:x}:{:x}:{:x}:{:x}",
        random.between(1, 0xfff),
        random.between(1, 0xffff),
        random.between(1, 0xffff),
        random.between(1, 0xffff),
        random.between(1, 0xffff),
        random.between(1, 0xffff)
    );
    User {
        seed: random.next(),
        display: format!("{} {}", first.1, last.1),
        guid: Guid::new(random).text(),
        puid_lower: puid.to_lowercase(),
        puid,
        sid: format!(
            "S-1-5-21-{domain_sid}-{}",
            random.between(1_000_000, 40_000_000)
        ),
        mailbox: Guid::new(random).text(),
        mailbox_code: String::from_utf8_lossy(&mailbox_code).into_owned(),
        device: format!(
            "{}-{:05}",
            random.pick(&["LAPTOP", "DESKTOP", "PC", "NB"]),
            random.below(100_000)
        ),
        device_id: Guid::new(random).text(),
        addresses: [
            random.pick(offices).clone(),
            Address::v4(format!(
                "198.{}.{}.{}",
                random.between(18, 19),
                random.below(256),
                random.between(1, 254)
            )),
            Address {
                text: phone,
                is_v6: true,
            },
        ],
        agent: random.few(0, AGENTS.len() as u64 - 1) as usize,
        personal_site,
        upn,
        upn_lower,
    }
}

fn shared_site(label: &str, index: usize, random: &mut Random) -> Site {
    let (topic, document) = (
        TOPICS[index % TOPICS.len()],
        DOCUMENTS[index / TOPICS.len() % DOCUMENTS.len()],
    );
    site(
        format!("https://{label}.sharepoint.com/sites/{topic}{document}/"),
        "SharePoint",
        LIBRARY_FOLDERS,
        random,
    )
}

fn personal_site(label: &str, user: &User, random: &mut Random) -> Site {
    let account = user.upn_lower.replace(['.', '@'], "_");
    site(
        format!("https://{label}-my.sharepoint.com/personal/{account}/"),
        "OneDrive",
        PERSONAL_FOLDERS,
        random,
    )
}

fn site(
    url: String,
    workload: &'static str,
    folders: &[&'static str],
    random: &mut Random,
) -> Site {
    let files = (0..FILES_PER_SITE)
        .map(|_| {
            let extension = EXTENSIONS[random.few(0, EXTENSIONS.len() as u64 - 1) as usize];
            let (topic, document, number) = (
                random.pick(TOPICS),
                random.pick(DOCUMENTS),
                random.between(1, 40),
            );
            File {
                seed: random.next(),
                name: format!("{topic} {document} {number}.{extension}"),
                extension,
                folder: folders[random.below(folders.len() as u64) as usize],
                guid: Guid::new(random).text(),
            }
        })
        .collect();
    let [guid, web, list] = [(); 3].map(|()| Guid::new(random).text());
    Site {
        url,
        workload,
        guid,
        web,
        list,
        files,
    }
}

fn team(index: usize, random: &mut Random) -> Team {
    let thread = |random: &mut Random| {
        format!(
            "19:{:016x}{:016x}@thread.tacv2",
            random.next(),
            random.next()
        )
    };
    Team {
        name: format!(
            "{} {}",
            TOPICS[index % TOPICS.len()],
            DOCUMENTS[index / TOPICS.len() % DOCUMENTS.len()]
        ),
        thread: thread(random),
        channel: thread(random),
        group: Guid::new(random).text(),
    }
}
