//! Words that names, subjects and files are made of. Organisations and domains are fictitious,
//! addresses lie in ranges reserved for documentation and tests, so that nobody is named.

/// Name and domain label of the organisations, in turn.
pub(super) const ORGANIZATIONS: &[&str] = &[
    "contoso",
    "fabrikam",
    "northwind",
    "adatum",
    "wingtip",
    "tailspin",
    "proseware",
    "litware",
];

/// First names as they stand in an address, and as they are displayed (in JSON).
pub(super) const FIRST_NAMES: &[(&str, &str)] = &[
    ("adele", "Adele"),
    ("alex", "Alex"),
    ("amir", "Amir"),
    ("anna", "Anna"),
    ("aylin", "Aylin"),
    ("bianca", "Bianca"),
    ("bjorn", "Björn"),
    ("carlos", "Carlos"),
    ("chen", "Chen"),
    ("chloe", "Chlo\\u00e9"),
    ("diego", "Diego"),
    ("elif", "Elif"),
    ("emily", "Emily"),
    ("fatima", "Fatima"),
    ("grady", "Grady"),
    ("hannah", "Hannah"),
    ("henrietta", "Henrietta"),
    ("isaiah", "Isaiah"),
    ("ivan", "Ivan"),
    ("johanna", "Johanna"),
    ("joni", "Joni"),
    ("jorg", "J\\u00f6rg"),
    ("kenji", "Kenji"),
    ("lara", "Lara"),
    ("lee", "Lee"),
    ("lidia", "Lidia"),
    ("lynne", "Lynne"),
    ("marta", "Marta"),
    ("megan", "Megan"),
    ("miriam", "Miriam"),
    ("nestor", "Nestor"),
    ("noor", "Noor"),
    ("olga", "Olga"),
    ("patti", "Patti"),
    ("pradeep", "Pradeep"),
    ("raul", "Raúl"),
    ("rosa", "Rosa"),
    ("samuel", "Samuel"),
    ("sofia", "Sofia"),
    ("thulile", "Thulile"),
];

/// Last names, in the same two forms.
pub(super) const LAST_NAMES: &[(&str, &str)] = &[
    ("archie", "Archie"),
    ("berger", "Berger"),
    ("bowen", "Bowen"),
    ("costa", "Costa"),
    ("dubois", "Dubois"),
    ("eriksen", "Eriksen"),
    ("fischer", "Fischer"),
    ("garcia", "Garc\\u00eda"),
    ("haddad", "Haddad"),
    ("holloway", "Holloway"),
    ("ito", "Ito"),
    ("jansen", "Jansen"),
    ("kaya", "Kaya"),
    ("kowalski", "Kowalski"),
    ("langer", "Langer"),
    ("meyers", "Meyers"),
    ("muller", "M\\u00fcller"),
    ("nowak", "Nowak"),
    ("obrien", "O'Brien"),
    ("okafor", "Okafor"),
    ("patel", "Patel"),
    ("quinn", "Quinn"),
    ("robbins", "Robbins"),
    ("rossi", "Rossi"),
    ("sato", "Sato"),
    ("schmidt", "Schmidt"),
    ("silva", "Silva"),
    ("sherman", "Sherman"),
    ("tanaka", "Tanaka"),
    ("vance", "Vance"),
    ("weber", "Weber"),
    ("wilber", "Wilber"),
    ("wong", "Wong"),
    ("young", "Young"),
    ("zimmer", "Zimmer"),
];

/// Nouns of sites, teams, files and subjects.
pub(super) const TOPICS: &[&str] = &[
    "Budget",
    "Invoice",
    "Forecast",
    "Onboarding",
    "Payroll",
    "Roadmap",
    "Contract",
    "Audit",
    "Migration",
    "Launch",
    "Offer",
    "Survey",
    "Training",
    "Travel",
    "Security",
    "Marketing",
    "Retrospective",
    "Hiring",
    "Logistics",
    "Pricing",
    "Compliance",
    "Warehouse",
    "Newsletter",
    "Incident",
    "Procurement",
    "Quality",
    "Research",
    "Facilities",
    "Tax",
    "Board",
];

/// What kind of document or message it is.
pub(super) const DOCUMENTS: &[&str] = &[
    "plan",
    "overview",
    "report",
    "draft",
    "summary",
    "minutes",
    "checklist",
    "presentation",
    "agreement",
    "status",
    "notes",
    "template",
    "analysis",
    "proposal",
    "schedule",
];

/// Extensions of files, the frequent ones first.
pub(super) const EXTENSIONS: &[&str] = &[
    "docx", "xlsx", "pdf", "pptx", "png", "aspx", "one", "txt", "csv", "zip", "mp4", "url",
];

/// Folders of a document library.
pub(super) const LIBRARY_FOLDERS: &[&str] = &[
    "Shared Documents",
    "Shared Documents/General",
    "Shared Documents/2026/Q3",
    "Shared Documents/2026/Q4",
    "Shared Documents/Archive",
    "SitePages",
    "Shared Documents/Clients/A-F",
    "Shared Documents/Clients/G-Z",
];

/// Folders of a OneDrive.
pub(super) const PERSONAL_FOLDERS: &[&str] = &[
    "Documents",
    "Documents/Projects",
    "Documents/Desktop",
    "Documents/Attachments",
    "Documents/Private",
];

/// Folders of a mailbox, as they stand in JSON.
pub(super) const MAIL_FOLDERS: &[&str] = &[
    "\\\\Inbox",
    "\\\\Sent Items",
    "\\\\Calendar",
    "\\\\Drafts",
    "\\\\Deleted Items",
    "\\\\Archive",
    "\\\\Inbox\\\\Projects",
    "\\\\Recoverable Items\\\\Deletions",
    "\\\\Contacts",
    "\\\\Bo\\u00eete de r\\u00e9ception",
];

/// Domains of correspondents outside.
pub(super) const OUTSIDE_DOMAINS: &[&str] = &[
    "example.com",
    "example.net",
    "example.org",
    "supplier.example",
    "customer.example",
    "mail.example",
];

/// A browser or client: user agent, browser, version, platform, operating system of sign-ins.
pub(super) struct Agent {
    pub(super) text: &'static str,
    pub(super) browser: &'static str,
    pub(super) version: &'static str,
    pub(super) platform: &'static str,
    pub(super) os: &'static str,
}

/// Agents, the frequent ones first.
pub(super) const AGENTS: &[Agent] = &[
    Agent {
        text: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
        browser: "Edge",
        version: "141.0.0.0",
        platform: "WinDesktop",
        os: "Windows10",
    },
    Agent {
        text: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        browser: "Chrome",
        version: "140.0.0.0",
        platform: "WinDesktop",
        os: "Windows10",
    },
    Agent {
        text: "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.18227; Pro)",
        browser: "",
        version: "",
        platform: "WinDesktop",
        os: "Windows10",
    },
    Agent {
        text: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0 Teams/25227.205.3165.2029/49",
        browser: "Edge",
        version: "138.0.0.0",
        platform: "WinDesktop",
        os: "Windows10",
    },
    Agent {
        text: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
        browser: "Safari",
        version: "18.5",
        platform: "MacOSX",
        os: "MacOs",
    },
    Agent {
        text: "Microsoft SkyDriveSync 25.174.0907.0003 ship; Windows NT 10.0 (26100)",
        browser: "",
        version: "",
        platform: "WinDesktop",
        os: "Windows10",
    },
    Agent {
        text: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
        browser: "Mobile Safari",
        version: "18.6",
        platform: "Mobile",
        os: "Ios 18",
    },
    Agent {
        text: "Mozilla/5.0 (Linux; Android 15; SM-S926B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
        browser: "Chrome Mobile",
        version: "139.0.0.0",
        platform: "Mobile",
        os: "Android",
    },
    Agent {
        text: "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
        browser: "Firefox",
        version: "142.0",
        platform: "Linux",
        os: "Linux",
    },
];

/// What an intruder's tool says it is.
pub(super) const INTRUDER_AGENT: Agent = Agent {
    text: "axios/1.7.9",
    browser: "Other",
    version: "",
    platform: "NotSpecified",
    os: "",
};

/// An application: identifier and name.
pub(super) struct App {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
}

/// Microsoft's own applications, the frequent ones first; their identifiers are the same in every
/// tenant (<https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in>).
pub(super) const APPS: &[App] = &[
    App {
        id: "1fec8e78-bce4-4aaf-ab1b-5451cc387264",
        name: "Microsoft Teams",
    },
    App {
        id: "d3590ed6-52b3-4102-aeff-aad2292ab01c",
        name: "Microsoft Office",
    },
    App {
        id: "9199bf20-a13f-4107-85dc-02114787ef48",
        name: "One Outlook Web",
    },
    App {
        id: "ab9b8c07-8f02-4f72-87fa-80105867a763",
        name: "OneDrive SyncEngine",
    },
    App {
        id: "08e18876-6177-487e-b8b5-cf950c1e598c",
        name: "SharePoint Online Web Client Extensibility",
    },
    App {
        id: "4765445b-32c6-49b0-83e6-1d93765276ca",
        name: "OfficeHome",
    },
    App {
        id: "27922004-5251-4030-b22d-91ecd9a37ea4",
        name: "Outlook Mobile",
    },
    App {
        id: "29d9ed98-a469-4536-ade2-f981bc1d605e",
        name: "Microsoft Authentication Broker",
    },
    App {
        id: "89bee1f7-5e6e-4d8a-9f3d-ecd601259da7",
        name: "Office365 Shell WCSS-Client",
    },
    App {
        id: "1950a258-227b-4e31-a9cf-717495945fc2",
        name: "Microsoft Azure PowerShell",
    },
    App {
        id: "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        name: "Microsoft Azure CLI",
    },
];

/// Resources that sign-ins ask for, the frequent ones first.
pub(super) const RESOURCES: &[&str] = &[
    "00000003-0000-0000-c000-000000000000",
    "00000002-0000-0ff1-ce00-000000000000",
    "00000003-0000-0ff1-ce00-000000000000",
    "cc15fd57-2c6c-4117-a88c-83b1d56b4bbe",
    "00000002-0000-0000-c000-000000000000",
];
