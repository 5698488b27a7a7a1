//! The content types of the feed.

use std::fmt;

/// A content type of the Office 365 Management Activity API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ContentType {
    /// `Audit.AzureActiveDirectory`
    AzureActiveDirectory,
    /// `Audit.Exchange`
    Exchange,
    /// `Audit.SharePoint`
    SharePoint,
    /// `Audit.General`
    General,
    /// `DLP.All`
    DlpAll,
}

impl ContentType {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AzureActiveDirectory,
        Self::Exchange,
        Self::SharePoint,
        Self::General,
        Self::DlpAll,
    ];

    /// As the feed spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AzureActiveDirectory => "Audit.AzureActiveDirectory",
            Self::Exchange => "Audit.Exchange",
            Self::SharePoint => "Audit.SharePoint",
            Self::General => "Audit.General",
            Self::DlpAll => "DLP.All",
        }
    }

    /// The content type of this name, whatever the case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|content_type| content_type.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_whatever_the_case() {
        for content_type in ContentType::ALL {
            assert_eq!(
                ContentType::parse(content_type.as_str()),
                Some(content_type)
            );
            assert_eq!(
                ContentType::parse(&content_type.to_string().to_uppercase()),
                Some(content_type)
            );
        }
        assert_eq!(ContentType::parse("Audit.Sharepoints"), None);
    }
}
