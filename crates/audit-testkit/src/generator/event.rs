//! One event: who did it, from where, to what. Chosen before its record is printed, so that every
//! field of a record that says the same thing says it alike.

use super::text::{Guid, time_text, write_base64, write_decimal, write_hex_upper};
use super::vocabulary::{AGENTS, APPS, Agent, App, INTRUDER_AGENT, MAIL_FOLDERS, RESOURCES};
use super::world::{Address, File, Site, Team, User, World};
use crate::random::{Random, split_mix};

/// The longest list of mails in one record of `MailItemsAccessed`.
const MAIL_ITEMS_MAX: u64 = 9;
/// Policies, labels, reports, applications: what a tenant has a few dozen of.
const POLICIES: u64 = 24;

pub(super) struct Event<'w> {
    seconds: i64,
    time: [u8; 19],
    id: Guid,
    correlation: Guid,
    world: &'w World,
    user_index: usize,
    site_index: usize,
    user: &'w User,
    other: &'w User,
    address: &'w Address,
    agent: &'w Agent,
    app: &'static App,
    resource: &'static str,
    site: &'w Site,
    file: &'w File,
    team: &'w Team,
    subject: &'w str,
    outside: &'w str,
    server: &'w str,
    mail_folder: usize,
    policy: u64,
}

/// What an event does not leave to chance.
#[derive(Debug, Clone, Default)]
pub(super) struct Cast {
    pub(super) user: Option<usize>,
    pub(super) site: Option<usize>,
    pub(super) intruder: Option<Address>,
    pub(super) outside: Option<String>,
}

impl<'w> Event<'w> {
    /// An event at `seconds` (since 1970, UTC).
    pub(super) fn new(world: &'w World, seconds: i64, cast: &'w Cast, random: &mut Random) -> Self {
        let choose = &world.choose;
        let user = cast.user.unwrap_or_else(|| choose.user.pick(random));
        let (user_index, user) = (user, &world.users[user]);
        let site = cast.site.unwrap_or_else(|| {
            if random.chance(45, 100) {
                user.personal_site
            } else {
                choose.site.pick(random)
            }
        });
        let (site_index, site) = (site, &world.sites[site]);
        let agent = if random.chance(4, 5) {
            user.agent
        } else {
            choose.agent.pick(random)
        };
        let address = &user.addresses[[0, 0, 0, 0, 0, 1, 1, 1, 2, 2][random.below(10) as usize]];
        Self {
            seconds,
            time: time_text(seconds),
            id: Guid::new(random),
            correlation: Guid::new(random),
            world,
            user_index,
            site_index,
            user,
            other: &world.users[choose.user.pick(random)],
            address: cast.intruder.as_ref().unwrap_or(address),
            agent: if cast.intruder.is_some() {
                &INTRUDER_AGENT
            } else {
                &AGENTS[agent]
            },
            app: &APPS[choose.app.pick(random)],
            resource: RESOURCES[choose.resource.pick(random)],
            site,
            file: &site.files[choose.file.pick(random)],
            team: &world.teams[choose.team.pick(random)],
            subject: &world.subjects[choose.subject.pick(random)],
            outside: cast
                .outside
                .as_ref()
                .unwrap_or_else(|| random.pick(&world.outside)),
            server: &world.servers[choose.server.pick(random)],
            mail_folder: choose.mail_folder.pick(random),
            policy: random.between(1, POLICIES),
        }
    }

    /// The cast of an event in which the same user goes on at the same place.
    pub(super) fn sequel(&self) -> Cast {
        Cast {
            user: Some(self.user_index),
            site: Some(self.site_index),
            ..Cast::default()
        }
    }

    pub(super) fn write(&self, slot: Slot, random: &mut Random, out: &mut Vec<u8>) {
        match slot {
            Slot::Time => out.extend_from_slice(&self.time),
            Slot::TimeBefore => {
                out.extend_from_slice(&time_text(self.seconds - random.between(1, 600) as i64))
            }
            Slot::EpochMillis => {
                write_decimal(self.seconds as u64 * 1000 + random.below(1000), out)
            }
            Slot::Id => self.id.write(out),
            Slot::IdTicks => self
                .id
                .with_ticks(self.seconds, &mut Random::new(self.user.seed))
                .write(out),
            Slot::Guid => Guid::new(random).write(out),
            Slot::GuidUpper => Guid::new(random).write_upper(out),
            Slot::Correlation => self.correlation.write(out),
            Slot::Session => self.for_the_day(1).write(out),
            Slot::Policy => Guid::from_seed(self.policy).write(out),
            Slot::PolicyNumber => write_decimal(self.policy, out),
            Slot::Token => write_code(
                split_mix(&mut (self.user.seed ^ self.token_seconds() as u64)),
                22,
                out,
            ),
            Slot::TokenTime => out.extend_from_slice(&time_text(self.token_seconds())),
            Slot::Ip => put(out, &self.address.text),
            Slot::IpPort => self.write_address_with_port(random, out),
            Slot::IpMapped => {
                put(out, if self.address.is_v6 { "" } else { "::ffff:" });
                put(out, &self.address.text);
            }
            Slot::ServiceIp => {
                put(out, "100.64.0.");
                write_decimal(random.few(1, 60) * 4, out);
            }
            Slot::ItemCode => self.write_item_code(random, out),
            Slot::FolderCode => {
                put(out, "LgAAA");
                self.write_folder_code(out);
                put(out, "AAAB");
            }
            Slot::MessageId => self.write_message_id(random, out),
            Slot::MailItems => self.write_mail_items(random, out),
            Slot::MailFolder => put(out, MAIL_FOLDERS[self.mail_folder]),
            Slot::Small => write_decimal(random.few(1, 20), out),
            Slot::Size => write_decimal(1 << random.between(10, 22) | random.below(1 << 10), out),
            Slot::FileSize => {
                write_decimal(1 << (10 + self.file.seed % 14) | self.file.seed >> 54, out)
            }
            Slot::Sha1 => write_digest(self.file.seed, 40, out),
            Slot::Sha256 => write_digest(self.file.seed, 64, out),
            Slot::MachineId => write_digest(self.user.seed, 40, out),
            _ => put(out, self.text(slot)),
        }
    }

    /// Slots that print a text that the event holds.
    fn text(&self, slot: Slot) -> &str {
        match slot {
            Slot::Tenant => &self.world.tenant,
            Slot::Org => &self.world.label,
            Slot::Domain => &self.world.domain,
            Slot::Upn => &self.user.upn,
            Slot::UpnLower => &self.user.upn_lower,
            Slot::UserGuid => &self.user.guid,
            Slot::Display => &self.user.display,
            Slot::Puid => &self.user.puid,
            Slot::PuidLower => &self.user.puid_lower,
            Slot::Sid => &self.user.sid,
            Slot::Mailbox => &self.user.mailbox,
            Slot::Device => &self.user.device,
            Slot::DeviceId => &self.user.device_id,
            Slot::OtherUpn => &self.other.upn,
            Slot::OtherGuid => &self.other.guid,
            Slot::OtherPuid => &self.other.puid,
            Slot::OtherDisplay => &self.other.display,
            Slot::Outside => self.outside,
            Slot::Agent => self.agent.text,
            Slot::Browser => self.agent.browser,
            Slot::BrowserVersion => self.agent.version,
            Slot::Platform => self.agent.platform,
            Slot::Os => self.agent.os,
            Slot::AppId => self.app.id,
            Slot::AppName => self.app.name,
            Slot::Resource => self.resource,
            Slot::Workload => self.site.workload,
            Slot::SiteUrl => &self.site.url,
            Slot::SiteGuid => &self.site.guid,
            Slot::WebGuid => &self.site.web,
            Slot::ListGuid => &self.site.list,
            Slot::FileName => &self.file.name,
            Slot::FileExt => self.file.extension,
            Slot::Folder => self.file.folder,
            Slot::FileGuid => &self.file.guid,
            Slot::TeamName => &self.team.name,
            Slot::Thread => &self.team.thread,
            Slot::Channel => &self.team.channel,
            Slot::Group => &self.team.group,
            Slot::Subject => self.subject,
            Slot::Server => self.server,
            _ => "",
        }
    }

    /// A GUID that stays the same for the user's day, as a session does.
    fn for_the_day(&self, purpose: u64) -> Guid {
        Guid::from_seed(self.user.seed ^ (self.seconds / 86_400) as u64 ^ (purpose << 32))
    }

    /// When the token in use was issued: tokens last for about an hour.
    fn token_seconds(&self) -> i64 {
        self.seconds - (self.seconds + (self.user.seed >> 52) as i64) % 3_900
    }

    fn write_address_with_port(&self, random: &mut Random, out: &mut Vec<u8>) {
        let (open, close) = if self.address.is_v6 {
            ("[", "]:")
        } else {
            ("", ":")
        };
        put(out, open);
        put(out, &self.address.text);
        put(out, close);
        write_decimal(random.between(1024, 65_535), out);
    }

    /// Identifiers of mail items: the mailbox, the folder, a counter.
    fn write_item_code(&self, random: &mut Random, out: &mut Vec<u8>) {
        put(out, "RgAAA");
        self.write_folder_code(out);
        put(out, "BwC");
        put(out, &self.user.mailbox_code[4..30]);
        put(out, "AAA");
        write_base64(random.next(), 7, out);
        put(out, "AAJ");
    }

    fn write_folder_code(&self, out: &mut Vec<u8>) {
        put(out, &self.user.mailbox_code);
        write_base64(
            split_mix(&mut (self.user.seed ^ self.mail_folder as u64)),
            6,
            out,
        );
    }

    fn write_message_id(&self, random: &mut Random, out: &mut Vec<u8>) {
        let host = self.server.split(' ').next().unwrap_or_default();
        put(out, "<");
        put(out, host);
        write_hex_upper(random.next(), 16, out);
        write_hex_upper(random.next(), 12, out);
        put(out, "@");
        put(out, host);
        put(out, ".eurprd04.prod.outlook.com>");
    }

    fn write_mail_items(&self, random: &mut Random, out: &mut Vec<u8>) {
        for item in 0..random.few(1, MAIL_ITEMS_MAX) {
            put(
                out,
                if item == 0 {
                    r#"{"Id":""#
                } else {
                    r#",{"Id":""#
                },
            );
            self.write_item_code(random, out);
            put(out, r#"","InternetMessageId":""#);
            self.write_message_id(random, out);
            put(out, r#"","SizeInBytes":"#);
            write_decimal(random.between(4_000, 90_000), out);
            put(out, "}");
        }
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// `digits` hexadecimal digits, the same for the same `seed`.
fn write_digest(seed: u64, digits: u32, out: &mut Vec<u8>) {
    let (start, mut state) = (out.len(), seed);
    for written in (0..digits).step_by(16) {
        write_hex_upper(split_mix(&mut state), (digits - written).min(16), out);
    }
    out[start..].make_ascii_lowercase();
}

/// `digits` letters and digits of a URL-safe token.
fn write_code(value: u64, digits: u32, out: &mut Vec<u8>) {
    let start = out.len();
    write_base64(value, digits.min(10), out);
    write_base64(
        value.rotate_left(31),
        digits.saturating_sub(10).min(10),
        out,
    );
    write_base64(value.rotate_left(17), digits.saturating_sub(20), out);
    for byte in &mut out[start..] {
        match byte {
            b'+' => *byte = b'-',
            b'/' => *byte = b'_',
            _ => {}
        }
    }
}

macro_rules! slots {
    ($($name:literal => $slot:ident,)*) => {
        /// What a template can ask of an event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Slot { $($slot),* }

        impl Slot {
            pub(super) fn by_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$slot),)* _ => None }
            }
        }
    };
}

slots! {
    "time" => Time, "time_before" => TimeBefore, "epoch_millis" => EpochMillis,
    "id" => Id, "id_ticks" => IdTicks, "guid" => Guid, "guid_upper" => GuidUpper,
    "correlation" => Correlation, "session" => Session, "policy" => Policy, "policy_number" => PolicyNumber,
    "token" => Token, "token_time" => TokenTime, "tenant" => Tenant, "org" => Org, "domain" => Domain,
    "upn" => Upn, "upn_lower" => UpnLower, "user_guid" => UserGuid, "display" => Display,
    "puid" => Puid, "puid_lower" => PuidLower, "sid" => Sid, "mailbox" => Mailbox,
    "device" => Device, "device_id" => DeviceId,
    "other_upn" => OtherUpn, "other_guid" => OtherGuid, "other_puid" => OtherPuid, "other_display" => OtherDisplay,
    "outside" => Outside, "ip" => Ip, "ip_port" => IpPort, "ip_mapped" => IpMapped, "service_ip" => ServiceIp,
    "agent" => Agent, "browser" => Browser, "browser_version" => BrowserVersion, "platform" => Platform, "os" => Os,
    "app_id" => AppId, "app_name" => AppName, "resource" => Resource,
    "workload" => Workload, "site_url" => SiteUrl, "site_guid" => SiteGuid, "web_guid" => WebGuid, "list_guid" => ListGuid,
    "file_name" => FileName, "file_ext" => FileExt, "folder" => Folder, "file_guid" => FileGuid,
    "team_name" => TeamName, "thread" => Thread, "channel" => Channel, "group" => Group,
    "subject" => Subject, "server" => Server, "mail_folder" => MailFolder, "item_code" => ItemCode,
    "folder_code" => FolderCode, "message_id" => MessageId, "mail_items" => MailItems,
    "small" => Small, "size" => Size, "file_size" => FileSize, "sha1" => Sha1, "sha256" => Sha256, "machine_id" => MachineId,
}
