//! `user_agent_family`: which program a user agent names.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, StringViewArray, StringViewBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use memchr::memmem::Finder;

use super::of_text::OfText;
use super::{Function, Make};

pub(super) const FUNCTION: Function = Function {
    name: "user_agent_family",
    arguments: "user agent",
    result: "varchar",
    meaning: "The program that a user agent, or an Exchange `client_info_string`, names, without version: a browser, \
        an Office or mail client, a script's library, `Legacy mail` for protocols without multi-factor \
        authentication; `Other` for what is not known. A user agent says what its sender wants it to say.",
    examples: &[
        (
            "user_agent_family('Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0')",
            "Edge",
        ),
        ("user_agent_family('python-requests/2.31.0')", "Python"),
        ("user_agent_family('BAV2ROPC')", "Legacy mail"),
        (
            "user_agent_family('Client=REST;Client=RESTSystem;;')",
            "REST API",
        ),
        ("user_agent_family('acme')", "Other"),
    ],
    make: Make::Fixed(make),
};

/// What stands in the user agent, in lower case, and the family; the first that is found counts.
/// Programs that carry a browser in them stand before browsers, and these before those whose name they carry.
const FAMILIES: &[(&str, &str)] = &[
    // Scripts and tools.
    ("aadinternals", "AADInternals"),
    ("azurehound", "AzureHound"),
    ("roadtools", "ROADtools"),
    ("python", "Python"),
    ("aiohttp", "Python"),
    ("powershell", "PowerShell"),
    ("psexosecurity", "PowerShell"),
    ("azure-cli", "Azure CLI"),
    ("azurecli", "Azure CLI"),
    ("azsdk", "Azure SDK"),
    ("curl/", "curl"),
    ("wget/", "Wget"),
    ("postman", "Postman"),
    ("insomnia", "Insomnia"),
    ("axios", "axios"),
    ("node-fetch", "Node.js"),
    ("undici", "Node.js"),
    ("node.js", "Node.js"),
    ("go-http-client", "Go"),
    ("fasthttp", "fasthttp"),
    ("okhttp", "okhttp"),
    ("restsharp", "RestSharp"),
    ("apache-httpclient", "Java"),
    ("java/", "Java"),
    ("libwww-perl", "Perl"),
    ("ruby", "Ruby"),
    ("rclone", "rclone"),
    ("headlesschrome", "Headless browser"),
    ("phantomjs", "Headless browser"),
    ("puppeteer", "Headless browser"),
    ("playwright", "Headless browser"),
    // Protocols that ask for a password alone.
    ("bav2ropc", "Legacy mail"),
    ("cbainprod", "Legacy mail"),
    ("cbaintar", "Legacy mail"),
    ("client=pop3", "POP3"),
    ("client=imap4", "IMAP"),
    // Ways into a mailbox.
    ("client=owa", "Outlook on the web"),
    ("client=outlookservice", "Outlook Mobile"),
    ("outlook-ios", "Outlook Mobile"),
    ("outlook-android", "Outlook Mobile"),
    ("client=activesync", "ActiveSync"),
    ("client=airsync", "ActiveSync"),
    ("client=webservices", "Exchange Web Services"),
    ("exchangewebservices", "Exchange Web Services"),
    ("client=rest", "REST API"),
    ("client=msexchangerpc", "Outlook"),
    ("client=hub transport", "Exchange"),
    ("client=tba", "Exchange"),
    ("client=ediscovery", "eDiscovery"),
    ("client=management", "Exchange"),
    // Programs of Office.
    ("teams/", "Teams"),
    ("teamsmobile", "Teams"),
    ("skypespaces", "Teams"),
    ("skydrivesync", "OneDrive"),
    ("onedrive", "OneDrive"),
    ("odmtadoccache", "OneDrive"),
    ("microsoft outlook", "Outlook"),
    ("outlook/", "Outlook"),
    ("microsoft office", "Office"),
    ("microsoft word", "Office"),
    ("microsoft excel", "Office"),
    ("microsoft powerpoint", "Office"),
    ("msoffice", "Office"),
    ("office", "Office"),
    ("mswac", "Office"),
    ("thunderbird", "Thunderbird"),
    ("accountsd", "Apple Mail"),
    ("apple-", "Apple Mail"),
    ("dataaccessd", "Apple Mail"),
    ("windows-aad", "Windows"),
    ("windows-aadbroker", "Windows"),
    ("dalvik", "Android"),
    ("cfnetwork", "Apple"),
    // Crawlers.
    ("googlebot", "Crawler"),
    ("bingbot", "Crawler"),
    ("bingpreview", "Crawler"),
    ("ms scanner", "Microsoft scanner"),
    // Browsers.
    ("edg/", "Edge"),
    ("edga/", "Edge"),
    ("edgios/", "Edge"),
    ("edge/", "Edge"),
    ("opr/", "Opera"),
    ("opera/", "Opera"),
    ("opera mini", "Opera"),
    ("vivaldi", "Vivaldi"),
    ("yabrowser", "Yandex Browser"),
    ("ucbrowser", "UC Browser"),
    ("samsungbrowser", "Samsung Internet"),
    ("electron/", "Electron"),
    ("firefox/", "Firefox"),
    ("fxios/", "Firefox"),
    ("crios/", "Chrome"),
    ("chromium/", "Chrome"),
    ("chrome/", "Chrome"),
    ("msie ", "Internet Explorer"),
    ("trident/", "Internet Explorer"),
    ("safari/", "Safari"),
];

const OTHER: &str = "Other";

static FINDERS: LazyLock<Vec<(Finder<'static>, &'static str)>> = LazyLock::new(|| {
    let families = FAMILIES.iter();
    families
        .map(|(part, family)| (Finder::new(part), *family))
        .collect()
});

fn make() -> ScalarUDF {
    OfText::udf(FUNCTION.name, DataType::Utf8View, (), families)
}

fn families(_: &(), texts: &StringViewArray) -> ArrayRef {
    let mut families = StringViewBuilder::with_capacity(texts.len());
    let mut lower = String::new();
    for text in texts {
        let family = text.map(|text| {
            lower.clear();
            lower.push_str(text);
            lower.make_ascii_lowercase();
            family(&lower)
        });
        families.append_option(family);
    }
    Arc::new(families.finish())
}

/// Of a text in lower case.
fn family(text: &str) -> &'static str {
    let mut families = FINDERS.iter();
    let found = families.find(|(part, _)| part.find(text.as_bytes()).is_some());
    found.map_or(OTHER, |(_, family)| *family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told() {
        for (text, expected) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
                "Chrome",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15",
                "Safari",
            ),
            (
                "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:87.0) Gecko/20100101 Firefox/87.0",
                "Firefox",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/119.0 Mobile/15E148 Safari/604.1",
                "Chrome",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
                "Internet Explorer",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Teams/1.6.00.4472 Chrome/102 Electron/19 Safari/537.36",
                "Teams",
            ),
            (
                "Microsoft SkyDriveSync 22.099.0508.0001 ship; Windows NT 10.0 (19043)",
                "OneDrive",
            ),
            ("MSWAC", "Office"),
            ("OfficeXLCA", "Office"),
            ("MS Scanner ATP", "Microsoft scanner"),
            (
                "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1682",
                "PowerShell",
            ),
            ("CURL/8.4.0", "curl"),
            ("Client=OWA;Action=ViaProxy", "Outlook on the web"),
            ("Client=MSExchangeRPC", "Outlook"),
            ("Client=POP3/IMAP4;Protocol=POP3", "POP3"),
            ("CBAInPROD", "Legacy mail"),
            ("Operations client", OTHER),
            ("Mozilla/5.0", OTHER),
            ("", OTHER),
        ] {
            assert_eq!(family(&text.to_ascii_lowercase()), expected, "{text}");
        }
    }

    #[test]
    fn each_part_can_be_found() {
        for (part, family) in FAMILIES {
            assert_eq!(*part, part.to_ascii_lowercase());
            // Not hidden by one before it, unless that says the same.
            assert_eq!(super::family(part), *family, "{part}");
        }
    }
}
